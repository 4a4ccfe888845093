/**
 * polyraft for C++17: a server that stops with its scope, a state machine as a class or as lambdas, futures.
 * Header only, over polyraft.h, whose conventions hold (threads, lifetimes, codes).
 *
 * Each call exists twice: `propose_wait(...)` throws polyraft::Error, `try_propose_wait(...)` returns a
 * polyraft::Result. Nothing that a callback throws crosses the C boundary: an exception in apply or restore
 * stops the server as a code other than 0 does, one in snapshot makes that snapshot fail, one in on_message
 * is an error at the sender; of the others it is dropped, since nobody could be told.
 */
#ifndef POLYRAFT_HPP
#define POLYRAFT_HPP

#include <polyraft.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace polyraft {

using NodeId = std::uint64_t;
using Index = std::uint64_t;
using Term = std::uint64_t;

/** Bytes of somebody else; valid as long as they are. Made of anything that has data() and size() in bytes.
 */
class Bytes {
 public:
  constexpr Bytes() = default;
  constexpr Bytes(const void* data, std::size_t size) : data_(data), size_(size) {}
  constexpr Bytes(std::string_view text) : data_(text.data()), size_(text.size()) {}  // NOLINT: as a span
  Bytes(const std::string& text) : data_(text.data()), size_(text.size()) {}          // NOLINT
  constexpr Bytes(const char* text) : Bytes(std::string_view(text)) {}                // NOLINT
  template <typename Byte, typename Allocator, typename = std::enable_if_t<sizeof(Byte) == 1>>
  Bytes(const std::vector<Byte, Allocator>& bytes) : data_(bytes.data()), size_(bytes.size()) {}  // NOLINT

  constexpr const void* data() const { return data_; }
  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  const std::uint8_t* begin() const { return static_cast<const std::uint8_t*>(data_); }
  const std::uint8_t* end() const { return begin() + size_; }
  std::uint8_t operator[](std::size_t at) const { return begin()[at]; }
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }

 private:
  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

/** Where an entry is in the log. */
struct Position {
  Index index = 0;
  Term term = 0;
};

/** What went wrong: a code of enum RAFT_Error, and the text that says what exactly. */
class Error : public std::runtime_error {
 public:
  Error(int code, const std::string& text) : std::runtime_error(text), code_(code) {}
  /** The calling thread's last error. */
  static Error last(int code) { return {code, RAFT_LastError()}; }
  int code() const { return code_; }

 private:
  int code_;
};

/** A value or an Error; `value()` throws the error. */
template <typename Value>
class [[nodiscard]] Result {
 public:
  Result(Value value) : held_(std::move(value)) {}  // NOLINT: as std::expected
  Result(Error error) : held_(std::move(error)) {}  // NOLINT

  bool has_value() const { return std::holds_alternative<Value>(held_); }
  explicit operator bool() const { return has_value(); }
  const Error& error() const { return std::get<Error>(held_); }
  int code() const { return has_value() ? static_cast<int>(RAFT_OK) : error().code(); }
  Value value() const& {
    if (!has_value()) throw error();
    return std::get<Value>(held_);
  }
  Value value() && {
    if (!has_value()) throw error();
    return std::get<Value>(std::move(held_));
  }

 private:
  std::variant<Value, Error> held_;
};

struct Nothing {};
using Status = Result<Nothing>;

/**
 * What a server does for its host, each as a lambda; all are optional. apply, restore and snapshot run on the
 * apply thread, one at a time; the others on the event thread. They may block, and may call the server.
 */
struct Callbacks {
  /** A committed entry, each once, in order; `data` until it returns. Throwing stops the server. */
  std::function<void(Index index, Term term, Bytes data)> apply;
  /** The whole state after entry `index`. Throwing stops the server. */
  std::function<void(Index index, Term term, Bytes data)> restore;
  /** The state as it is now, after entry `index`. Throwing fails this snapshot. Without it: no snapshots. */
  std::function<std::string(Index index)> snapshot;
  /** STATE_FOLLOWER, STATE_CANDIDATE, STATE_LEADER, STATE_PRE_CANDIDATE. */
  std::function<void(int state)> on_state;
  /** enum RAFT_Event. */
  std::function<void(int event, std::uint64_t value, std::string_view text)> on_event;
  /** A message of another node; what it returns is the answer. */
  std::function<std::string(Bytes message)> on_message;
};

/** The same as a class. It must outlive its server. */
class StateMachine {
 public:
  virtual ~StateMachine() = default;
  virtual void apply(Index index, Term term, Bytes data) = 0;
  virtual std::string snapshot(Index index) = 0;
  virtual void restore(Index index, Term term, Bytes data) = 0;

  Callbacks callbacks() {
    Callbacks made;
    made.apply = [this](Index index, Term term, Bytes data) { apply(index, term, data); };
    made.restore = [this](Index index, Term term, Bytes data) { restore(index, term, data); };
    made.snapshot = [this](Index index) { return snapshot(index); };
    return made;
  }
};

enum class Change {
  kAdd = RAFT_MEMBER_ADD,
  kRemove = RAFT_MEMBER_REMOVE,
  kUpdate = RAFT_MEMBER_UPDATE,
  kAddLearner = RAFT_MEMBER_ADD_LEARNER,
  kPromote = RAFT_MEMBER_PROMOTE,
};

struct MemberChange {
  Change change;
  NodeId id;
  /** Of kAdd, kUpdate and kAddLearner. */
  std::string url;
};

enum class Read { kSafe = RAFT_READ_SAFE, kLease = RAFT_READ_LEASE };

/** Waits are in milliseconds; below 0 there is no limit. */
inline constexpr int kNoLimit = -1;

/** A running server. Movable; its end stops it (not within one of its callbacks: there it cannot wait). */
class Server {
 public:
  Server() = default;
  /** Throws Error; see RAFT_NewRaftServerWith for the codes. `applied_index`: what the host has kept itself.
   */
  Server(const std::string& config, Callbacks callbacks, Index applied_index = 0)
      : Server(start(config, std::move(callbacks), applied_index).value()) {}
  Server(const std::string& config, StateMachine& state_machine, Index applied_index = 0)
      : Server(config, state_machine.callbacks(), applied_index) {}

  static Result<Server> start(const std::string& config, Callbacks callbacks, Index applied_index = 0) {
    Server server;
    server.callbacks_ = std::make_unique<Callbacks>(std::move(callbacks));
    const Callbacks& given = *server.callbacks_;
    RAFT_Options options{};
    options.struct_size = sizeof options;
    options.config = config.c_str();
    options.context = server.callbacks_.get();
    options.applied_index = applied_index;
    options.callbacks.struct_size = sizeof options.callbacks;
    if (given.apply) options.callbacks.apply = &call_apply;
    if (given.restore) options.callbacks.restore = &call_restore;
    if (given.snapshot) options.callbacks.take_snapshot = &call_snapshot;
    if (given.on_state) options.callbacks.state_change = &call_state;
    if (given.on_event) options.callbacks.event = &call_event;
    if (given.on_message) options.callbacks.message = &call_message;
    options.callbacks.free_memory = [](void*, void* data) { std::free(data); };
    const int code = RAFT_NewRaftServerWith(&options, &server.handle_);
    if (code != RAFT_OK) return Error::last(code);
    return server;
  }

  Server(Server&& other) noexcept
      : handle_(std::exchange(other.handle_, 0)), callbacks_(std::move(other.callbacks_)) {}
  Server& operator=(Server&& other) noexcept {
    if (this != &other) {
      end();
      handle_ = std::exchange(other.handle_, 0);
      callbacks_ = std::move(other.callbacks_);
    }
    return *this;
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() { end(); }

  /** Stops the server and waits for its callbacks; with `hand_over` a leader passes leadership on first. */
  Status try_stop(bool hand_over = false) {
    if (handle_ == 0) return Nothing{};
    const int code = hand_over ? RAFT_HandOverAndStopServer(handle_) : RAFT_StopServer(handle_);
    if (code == RAFT_OK) {
      handle_ = 0;
      callbacks_.reset();
    }
    return status(code);
  }
  void stop(bool hand_over = false) { try_stop(hand_over).value(); }

  bool running() const { return handle_ != 0; }
  /** For calls of polyraft.h; 0 when it does not run. */
  RAFT_Handle handle() const { return handle_; }

  /**
   * Submits a proposal; the future holds where it was committed, or Error (RAFT_ERR_UNKNOWN_OUTCOME: it may
   * still take effect). This thread waits for room at most `timeout_ms`, never for the outcome. Do not wait
   * for the future in a callback of the event thread, which is the one that fulfils it.
   */
  std::future<Position> propose(Bytes data, int timeout_ms = kNoLimit) {
    auto waiting = std::make_unique<std::promise<Position>>();
    std::future<Position> outcome = waiting->get_future();
    const int code = RAFT_ProposeAsync(handle_, data.data(), data.size(), timeout_ms, &fulfil, waiting.get());
    if (code == RAFT_OK) {
      static_cast<void>(waiting.release());
    } else {
      waiting->set_exception(std::make_exception_ptr(Error::last(code)));
    }
    return outcome;
  }
  /** Several at once, in this order: one future each. */
  std::vector<std::future<Position>> propose_batch(const std::vector<Bytes>& proposals,
                                                   int timeout_ms = kNoLimit) {
    std::vector<RAFT_Buffer> buffers;
    std::vector<std::unique_ptr<std::promise<Position>>> waiting;
    std::vector<void*> users;
    std::vector<std::future<Position>> outcomes;
    for (const Bytes& proposal : proposals) {
      buffers.push_back({proposal.data(), proposal.size()});
      waiting.push_back(std::make_unique<std::promise<Position>>());
      users.push_back(waiting.back().get());
      outcomes.push_back(waiting.back()->get_future());
    }
    std::size_t accepted = 0;
    const int code = RAFT_ProposeBatch(handle_, buffers.data(), buffers.size(), timeout_ms, &fulfil,
                                       users.data(), &accepted);
    const Error error = code == RAFT_OK ? Error(code, "") : Error::last(code);
    for (std::size_t each = 0; each < waiting.size(); each++) {
      if (each < accepted) {
        static_cast<void>(waiting[each].release());
      } else {
        waiting[each]->set_exception(std::make_exception_ptr(error));
      }
    }
    return outcomes;
  }
  /** Proposes, and waits until this node has applied the entry. */
  Result<Position> try_propose_wait(Bytes data, int timeout_ms = kNoLimit) {
    Position at;
    const int code = RAFT_ProposeWait(handle_, data.data(), data.size(), timeout_ms, &at.index, &at.term);
    return result(code, at);
  }
  Position propose_wait(Bytes data, int timeout_ms = kNoLimit) {
    return try_propose_wait(data, timeout_ms).value();
  }

  /** After it a read of the own state sees all that was committed before the call. The index it waited for.
   */
  Result<Index> try_read_barrier(int timeout_ms = kNoLimit, Read kind = Read::kSafe) {
    Index index = 0;
    const int code = RAFT_ReadIndex(handle_, static_cast<int>(kind), timeout_ms, &index);
    return result(code, index);
  }
  Index read_barrier(int timeout_ms = kNoLimit, Read kind = Read::kSafe) {
    return try_read_barrier(timeout_ms, kind).value();
  }

  /** The same as a future, of which what is said at `propose` holds; `timeout_ms` is for room only. */
  std::future<Index> read_barrier_async(Read kind = Read::kSafe, int timeout_ms = kNoLimit) {
    auto waiting = std::make_unique<std::promise<Index>>();
    std::future<Index> outcome = waiting->get_future();
    const int code =
        RAFT_ReadIndexAsync(handle_, static_cast<int>(kind), timeout_ms, &fulfil_read, waiting.get());
    if (code == RAFT_OK) {
      static_cast<void>(waiting.release());
    } else {
      waiting->set_exception(std::make_exception_ptr(Error::last(code)));
    }
    return outcome;
  }

  /** One change, or several in one step. The index of the change. */
  Result<Index> try_change_members(const std::vector<MemberChange>& changes, int timeout_ms = kNoLimit) {
    std::vector<RAFT_MemberChange> made;
    made.reserve(changes.size());
    for (const MemberChange& each : changes) {
      made.push_back({static_cast<int>(each.change), each.id, each.url.empty() ? nullptr : each.url.c_str()});
    }
    Index index = 0;
    const int code = RAFT_ChangeMembers(handle_, made.data(), made.size(), timeout_ms, &index);
    return result(code, index);
  }
  Index change_members(const std::vector<MemberChange>& changes, int timeout_ms = kNoLimit) {
    return try_change_members(changes, timeout_ms).value();
  }

  Status try_transfer_leadership(NodeId to, int timeout_ms = kNoLimit) {
    return status(RAFT_TransferLeadership(handle_, to, timeout_ms));
  }
  void transfer_leadership(NodeId to, int timeout_ms = kNoLimit) {
    try_transfer_leadership(to, timeout_ms).value();
  }

  /** Takes a snapshot and waits until it is on disk; the index it holds. */
  Result<Index> try_save_snapshot(int timeout_ms = kNoLimit) {
    Index index = 0;
    const int code = RAFT_SaveSnapshot(handle_, timeout_ms, &index);
    return result(code, index);
  }
  Index save_snapshot(int timeout_ms = kNoLimit) { return try_save_snapshot(timeout_ms).value(); }

  Result<Index> try_applied_index() const {
    Index index = 0;
    const int code = RAFT_GetAppliedIndex(handle_, &index);
    return result(code, index);
  }
  Index applied_index() const { return try_applied_index().value(); }

  /** JSON; JSON; Prometheus. */
  Result<std::string> try_status() const { return text(&RAFT_GetStatus); }
  Result<std::string> try_peers() const { return text(&RAFT_GetPeersStatus); }
  Result<std::string> try_metrics() const { return text(&RAFT_GetMetrics); }
  std::string status() const { return try_status().value(); }
  std::string peers() const { return try_peers().value(); }
  std::string metrics() const { return try_metrics().value(); }

 private:
  static constexpr std::size_t kTextBytesFirst = 16 * 1024;
  static constexpr std::size_t kTextBytesMax = 64 * 1024 * 1024;

  void end() noexcept {
    if (handle_ == 0) return;
    if (RAFT_StopServer(handle_) != RAFT_OK) {
      // On a callback thread: callbacks go on, so what they use has to stay.
      static_cast<void>(callbacks_.release());
    }
    handle_ = 0;
  }

  static Status status(int code) {
    if (code != RAFT_OK) return Error::last(code);
    return Nothing{};
  }
  template <typename Value>
  static Result<Value> result(int code, Value value) {
    if (code != RAFT_OK) return Error::last(code);
    return value;
  }
  Result<std::string> text(int (*get)(RAFT_Handle, char*, std::size_t)) const {
    for (std::size_t size = kTextBytesFirst;; size *= 4) {
      std::string answer(size, '\0');
      const int code = get(handle_, answer.data(), answer.size());
      if (code == RAFT_OK) {
        answer.resize(std::strlen(answer.c_str()));
        return answer;
      }
      if (code != RAFT_ERR_BUFFER_TOO_SMALL || size >= kTextBytesMax) return Error::last(code);
    }
  }

  static const Callbacks& of(void* context) { return *static_cast<const Callbacks*>(context); }

  /** Runs a callback; what it throws becomes a code. */
  template <typename Work>
  static int shielded(Work work) noexcept {
    try {
      work();
      return 0;
    } catch (...) {
      return RAFT_ERR_CALLBACK_FAILED;
    }
  }
  static int hand_out(const std::string& bytes, void** data, std::uint64_t* size) {
    *size = bytes.size();
    *data = nullptr;
    if (bytes.empty()) return 0;
    *data = std::malloc(bytes.size());
    if (*data == nullptr) throw std::bad_alloc();
    std::memcpy(*data, bytes.data(), bytes.size());
    return 0;
  }

  static int call_apply(void* context, std::uint64_t index, std::uint64_t term, const void* data,
                        std::uint64_t size) {
    return shielded([&] { of(context).apply(index, term, Bytes(data, size)); });
  }
  static int call_restore(void* context, std::uint64_t index, std::uint64_t term, const void* data,
                          std::uint64_t size) {
    return shielded([&] { of(context).restore(index, term, Bytes(data, size)); });
  }
  static int call_snapshot(void* context, std::uint64_t index, void** data, std::uint64_t* size) {
    return shielded([&] { hand_out(of(context).snapshot(index), data, size); });
  }
  static void call_state(void* context, int state) {
    shielded([&] { of(context).on_state(state); });
  }
  static void call_event(void* context, int event, std::uint64_t value, const char* text) {
    shielded([&] { of(context).on_event(event, value, text); });
  }
  static int call_message(void* context, const void* data, std::uint64_t size, void** answer,
                          std::uint64_t* answer_size) {
    return shielded([&] { hand_out(of(context).on_message(Bytes(data, size)), answer, answer_size); });
  }
  template <typename Value>
  static void settle(void* user, int code, Value value) {
    const std::unique_ptr<std::promise<Value>> waiting(static_cast<std::promise<Value>*>(user));
    shielded([&] {
      if (code == RAFT_OK) {
        waiting->set_value(value);
      } else {
        waiting->set_exception(std::make_exception_ptr(Error(code, RAFT_StrError(code))));
      }
    });
  }
  static void fulfil(void* user, int code, std::uint64_t index, std::uint64_t term) {
    settle(user, code, Position{index, term});
  }
  static void fulfil_read(void* user, int code, std::uint64_t index, std::uint64_t) {
    settle<Index>(user, code, index);
  }

  RAFT_Handle handle_ = 0;
  std::unique_ptr<Callbacks> callbacks_;
};

/** The library's version, which may be newer than this header's POLYRAFT_VERSION. */
inline std::string version() {
  char text[64] = "";
  RAFT_GetVersion(text, sizeof text);
  return text;
}

/** One line of the log; texts are valid during the call. RAFT_LogRecord tells what they are. */
struct LogRecord {
  std::uint64_t time_ns = 0;
  /** RAFT_LOG_CRITICAL to RAFT_LOG_TRACE. */
  int level = RAFT_LOG_INFO;
  std::uint64_t cluster_id = 0;
  /** 0: no server's. */
  NodeId node_id = 0;
  std::string_view source;
  std::string_view position;
  std::string_view message;
};

/**
 * The log of all servers of this process, as RAFT_SetLogger, RAFT_SetLogLevel, RAFT_SetLogFormat and
 * RAFT_SetLogCallback tell.
 */
class Log {
 public:
  using Callback = std::function<void(const LogRecord& record)>;

  /** A file to append to, "stdout", "stderr", or nullptr for nowhere. */
  static Status try_to(const char* path, bool debug = false) {
    return status(RAFT_SetLogger(path, debug ? 1 : 0) == 0 ? static_cast<int>(RAFT_OK)
                                                           : static_cast<int>(RAFT_ERR_IO));
  }
  static void to(const char* path, bool debug = false) { try_to(path, debug).value(); }
  static Status try_level(int level) { return status(RAFT_SetLogLevel(level)); }
  static void level(int level) { try_level(level).value(); }
  /** RAFT_LOG_TEXT or RAFT_LOG_JSON. */
  static Status try_format(int format) { return status(RAFT_SetLogFormat(format)); }
  static void format(int format) { try_format(format).value(); }
  /** Lines go there instead, until it is empty again; what it throws is dropped. From one thread at a time.
   */
  static Status try_callback(Callback callback) {
    // What lies there for the one of before goes to it first.
    const int code = RAFT_SetLogCallback(nullptr, nullptr);
    if (code != RAFT_OK) return status(code);
    const bool is_empty = callback == nullptr;
    held().set(is_empty ? nullptr : std::make_shared<const Callback>(std::move(callback)));
    return is_empty ? status(RAFT_OK) : status(RAFT_SetLogCallback(hand_over, nullptr));
  }
  static void callback(Callback callback) { try_callback(std::move(callback)).value(); }

 private:
  class Held {
   public:
    std::shared_ptr<const Callback> get() const {
      const std::lock_guard<std::mutex> lock(mutex_);
      return callback_;
    }
    void set(std::shared_ptr<const Callback> callback) {
      const std::lock_guard<std::mutex> lock(mutex_);
      callback_.swap(callback);
    }

   private:
    mutable std::mutex mutex_;
    std::shared_ptr<const Callback> callback_;
  };
  // Never destroyed: the library's threads go on while the process exits.
  static Held& held() {
    static Held* const only = new Held;
    return *only;
  }
  static void hand_over(void*, const RAFT_LogRecord* record) {
    const std::shared_ptr<const Callback> callback = held().get();
    if (callback == nullptr) return;
    try {
      (*callback)({record->time_ns, record->level, record->cluster_id, record->node_id, record->source,
                   record->position, record->message});
    } catch (...) {
    }
  }
  static Status status(int code) {
    if (code != RAFT_OK) return Error::last(code);
    return Nothing{};
  }
};

}  // namespace polyraft

#endif  // POLYRAFT_HPP
