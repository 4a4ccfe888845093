#include "api/libraft_node.h"

#include <cstring>
#include <utility>

#include "api/callback_guard.h"
#include "api/json_object.h"
#include "api/libraft_config.h"
#include "api/libraft_directory.h"
#include "api/log.h"

namespace polyraft::libraft {

using bridge::Deadline;
using bridge::Payload;

namespace {

Deadline deadline_after_ns(uint64_t timeout_ns) {
  // Longer than any program runs.
  constexpr uint64_t kForeverNs = uint64_t{1} << 60;
  if (timeout_ns == 0 || timeout_ns > kForeverNs) return std::nullopt;
  return bridge::Clock::now() + std::chrono::nanoseconds(timeout_ns);
}

}  // namespace

Node::Node(const RaftFSM& fsm, const RaftConfig& config, FutureTable::Release release, EngineHost* host)
    : fsm_(fsm), config_(config), release_(release), host_(host) {}

Node::~Node() {
  stop();
  // It takes shutdown_mutex_ itself before it ends. Nobody else has this object any more.
  shutdown_thread_.join();
}

bool Node::start(std::string* error) {
  std::string directory;
  if (is_in_memory(config_)) {
    directory = temporary_directory_ = make_temporary_directory(error);
  } else {
    directory = make_directory(config_.base_dir, error);
    if (!directory.empty()) {
      POLYRAFT_LOG(RAFT_LOG_NOTICE, std::string("backend_type \"") + config_.backend_type +
                                        "\" means polyraft's write-ahead log in " + directory);
    }
  }
  if (directory.empty()) return false;
  const int arena_error = arena_.create(config_.shm_size);
  if (arena_error != 0) {
    *error = std::string("shm_size: the shared memory cannot be made: ") + std::strerror(arena_error);
    return false;
  }
  host_->share_arena(arena_.fd(), arena_.shared_bytes());
  snapshots_ = std::make_unique<Snapshots>(directory + "/host");
  if (!snapshots_->start()) {
    *error = "no thread can be started";
    return false;
  }
  ServerSettings settings;
  settings.config = config_text(config_, directory);
  settings.max_proposal_bytes = kCommandBytesMax;
  settings.host = host_;
  settings.extension = this;
  server_ = std::make_shared<Server>(std::move(settings));
  if (!requests_.start(server_.get())) {
    *error = "no thread can be started";
    return false;
  }
  return server_->start(error) == RAFT_OK;
}

void Node::stop() {
  const std::lock_guard<std::mutex> lock(stop_mutex_);
  if (stopped_) return;
  stopped_ = true;
  is_over_ = true;
  if (server_ != nullptr) server_->stop(false);
  requests_.stop();
  if (snapshots_ != nullptr) snapshots_->stop();
  host_->end_engine();
  host_->share_arena(-1, 0);
  futures_.end_all(RAFT_E_SHUTDOWN, true);
  state_ = RAFT_SHUTDOWN;
  if (!temporary_directory_.empty()) remove_directory(temporary_directory_);
}

RaftError Node::error_of(int code) const {
  switch (code) {
    case RAFT_OK:
      return RAFT_SUCCESS;
    case RAFT_ERR_NOT_LEADER:
    case RAFT_ERR_NO_LEADER:
      return RAFT_E_NOT_LEADER;
    case RAFT_ERR_LEADERSHIP_LOST:
      return RAFT_E_LEADERSHIP_LOST;
    case RAFT_ERR_REMOVED:
      return config_.ShutdownOnRemove ? RAFT_E_IN_SHUTDOWN : RAFT_E_NOT_LEADER;
    case RAFT_ERR_BUSY:
      return RAFT_E_ENQUEUE_TIMEOUT;
    case RAFT_ERR_RESOLVE:
      return RAFT_E_RESOLVE;
    case RAFT_ERR_DUPLICATE_MEMBER:
      return RAFT_E_KNOWN_PEER;
    case RAFT_ERR_UNKNOWN_MEMBER:
      return RAFT_E_UNKNOWN_PEER;
    case RAFT_ERR_TOO_LARGE:
    case RAFT_ERR_INVALID_ARGUMENT:
      return RAFT_E_INVALID_OP;
    case RAFT_ERR_STOPPED:
      return shut_down_ ? RAFT_E_IN_SHUTDOWN : RAFT_E_SHUTDOWN;
    case RAFT_ERR_ENGINE_DIED:
    case RAFT_ERR_UNKNOWN_OUTCOME:
      return RAFT_E_SHUTDOWN;
    default:
      return RAFT_E_OTHER;
  }
}

FutureId Node::ended(FutureKind kind, RaftError error) {
  const FutureId id = futures_.add(kind);
  if (id != 0) futures_.end(id, error);
  return id;
}

FutureId Node::apply(const char* command, uint64_t size, uint64_t timeout_ns) {
  if (shut_down_) return ended(FutureKind::kApply, RAFT_E_IN_SHUTDOWN);
  Arena::Block block = 0;
  uint64_t offset = 0;
  if (!arena_.pin(command, size, &block, &offset)) return ended(FutureKind::kApply, RAFT_E_INVALID_ADDRESS);
  if (size == 0 || size > kCommandBytesMax) {
    arena_.unpin(block);
    return ended(FutureKind::kApply, RAFT_E_INVALID_OP);
  }
  return propose(FutureKind::kApply, &block, offset, size, timeout_ns);
}

FutureId Node::barrier(uint64_t timeout_ns) {
  if (shut_down_) return ended(FutureKind::kBarrier, RAFT_E_IN_SHUTDOWN);
  // An entry without data: no state machine sees it.
  return propose(FutureKind::kBarrier, nullptr, protocol::kARENA_TICKETS_BYTES, 0, timeout_ns);
}

FutureId Node::propose(FutureKind kind, const Arena::Block* block, uint64_t offset, uint64_t size,
                       uint64_t timeout_ns) {
  const Deadline deadline = deadline_after_ns(timeout_ns);
  const FutureId id = futures_.add(kind, block, deadline);
  if (id == 0) {
    if (block != nullptr) arena_.unpin(*block);
    return 0;
  }
  const uint16_t flags = deadline ? protocol::kTIMED : 0;
  const int code = server_->propose_shared(id, offset, size, flags, deadline);
  if (code != RAFT_OK) futures_.end(id, error_of(code));
  return id;
}

FutureId Node::request(uint16_t type, const Payload& payload, FutureKind kind) {
  if (shut_down_) return ended(kind, RAFT_E_IN_SHUTDOWN);
  const FutureId id = futures_.add(kind);
  if (id == 0) return 0;
  const int code = requests_.send(type, payload, [this, id, kind](int answer, const std::string& data) {
    // It may have been carried out before it was ended, and BUSY is an answer of the engine.
    const RaftError error = answer == RAFT_ERR_STOPPED ? RAFT_E_SHUTDOWN
                            : answer == RAFT_ERR_BUSY  ? RAFT_E_OTHER
                                                       : error_of(answer);
    if (error == RAFT_E_OTHER) {
      POLYRAFT_LOG(RAFT_LOG_WARNING, "a request failed: " + (data.empty() ? error_text(answer) : data));
    }
    std::string text;
    if (error == RAFT_SUCCESS && kind == FutureKind::kStats) {
      JsonObject stats = JsonObject::parse(data).value_or(JsonObject());
      if (is_over_) stats.set_text("state", "Shutdown");
      stats.set_text("engine_restarts", std::to_string(engine_deaths_.load()));
      text = stats.dump();
    }
    futures_.end(id, error, nullptr, kind == FutureKind::kStats ? &text : nullptr);
  });
  if (code != RAFT_OK) futures_.end(id, error_of(code));
  return id;
}

FutureId Node::shutdown() {
  const FutureId id = futures_.add(FutureKind::kOther);
  if (id == 0) return 0;
  shut_down_ = true;
  const std::lock_guard<std::mutex> lock(shutdown_mutex_);
  if (shutdown_done_) {
    futures_.end(id, RAFT_SUCCESS);
    return id;
  }
  shutdown_futures_.push_back(id);
  if (shutdown_begun_) return id;
  shutdown_begun_ = shutdown_thread_.start("polyraft-down", false, [this] {
    stop();
    std::vector<FutureId> waiting;
    {
      const std::lock_guard<std::mutex> done(shutdown_mutex_);
      shutdown_done_ = true;
      waiting.swap(shutdown_futures_);
    }
    for (const FutureId each : waiting) futures_.end(each, RAFT_SUCCESS);
  });
  if (!shutdown_begun_) {
    shutdown_futures_.clear();
    futures_.end(id, RAFT_E_OTHER);
  }
  return id;
}

RaftError Node::contact(std::string* text) {
  if (shut_down_) return RAFT_E_IN_SHUTDOWN;
  constexpr uint32_t kContact = 4;
  return error_of(server_->request(protocol::kSTATUS_REQUEST, Payload{&kContact, sizeof kContact, nullptr, 0},
                                   bridge::deadline_after_ms(kContactTimeoutMs), text));
}

int Node::apply(uint64_t sequence, uint64_t index, uint64_t term, const uint8_t* data, uint64_t size) {
  void* reply = nullptr;
  int code = RAFT_OK;
  if (data != nullptr) {
    // The bytes lie in the ring, and are nobody's but this record's.
    char* const command = reinterpret_cast<char*>(const_cast<uint8_t*>(data));
    code = call_host("apply", [&] {
      reply = fsm_.apply(index, term, RAFT_LOG_COMMAND, command, size);
      return static_cast<int>(RAFT_OK);
    });
  }
  if (code != RAFT_OK) return code;
  const bool taken = sequence != 0 && futures_.end(sequence, RAFT_SUCCESS, reply);
  if (!taken && reply != nullptr && release_ != nullptr) release_(reply);
  return RAFT_OK;
}

int Node::restore_begin(uint64_t index, uint64_t) {
  return fsm_.restore == nullptr ? static_cast<int>(RAFT_ERR_UNSUPPORTED) : snapshots_->restore_begin(index);
}

int Node::restore_piece(const uint8_t* data, uint64_t size) {
  return snapshots_->restore_piece(data, size);
}

int Node::restore_end() {
  std::string path;
  int code = snapshots_->restore_finish(&path);
  if (code == RAFT_OK) code = call_host("restore", [&] { return fsm_.restore(path.c_str()); });
  snapshots_->restore_over();
  return code;
}

void Node::take_snapshot(uint64_t index, std::shared_ptr<SnapshotAnswer> answer) {
  if (fsm_.begin_snapshot == nullptr) {
    answer->refuse(RAFT_ERR_UNSUPPORTED);
    return;
  }
  snapshots_->take(index, std::move(answer), [this](const char* path, raft_snapshot_req request) {
    const int code = call_host("begin_snapshot", [&] {
      fsm_.begin_snapshot(path, request);
      return static_cast<int>(RAFT_OK);
    });
    if (code != RAFT_OK) snapshots_->complete(request, false);
  });
}

void Node::proposal_ended(uint64_t sequence, int code) {
  futures_.end(sequence, error_of(code));
}

void Node::proposal_sent(uint64_t sequence) {
  futures_.mark_sent(sequence);
}

void Node::engine_died() {
  engine_deaths_.fetch_add(1);
  futures_.end_all(RAFT_E_SHUTDOWN, true);
}

void Node::state_changed(int state) {
  if (is_over_) return;
  state_ = state == STATE_LEADER ? RAFT_LEADER : state == STATE_FOLLOWER ? RAFT_FOLLOWER : RAFT_CANDIDATE;
}

void Node::event(int event, uint64_t, const std::string&) {
  const bool is_removed = event == RAFT_EVENT_REMOVED && config_.ShutdownOnRemove;
  if (!is_removed && event != RAFT_EVENT_SERVER_FAILED) return;
  is_over_ = true;
  state_ = RAFT_SHUTDOWN;
  futures_.end_all(RAFT_E_SHUTDOWN, true);
}

}  // namespace polyraft::libraft
