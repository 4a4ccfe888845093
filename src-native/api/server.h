// One raft server as the host sees it: two threads of callbacks, calls that wait, and a slot of the engine.
#ifndef POLYRAFT_API_SERVER_H_
#define POLYRAFT_API_SERVER_H_

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/channel.h"
#include "api/completions.h"
#include "api/engine_host.h"
#include "api/errors.h"
#include "api/event_queue.h"
#include "api/server_extension.h"
#include "api/waiter.h"
#include "bridge/assembler.h"
#include "polyraft.h"
#include "runtime/host_thread.h"

namespace polyraft {

struct ServerSettings {
  RAFT_Callbacks callbacks{};
  void* context = nullptr;
  // What the context points to, when it is the library's own.
  std::shared_ptr<void> keeps;
  std::string config;
  std::string node_path;
  uint64_t applied_index = 0;
  uint64_t max_proposal_bytes = 0;
  EngineHost* host = nullptr;
  // In the place of `callbacks`; outlives the server.
  ServerExtension* extension = nullptr;
};

class Server : public std::enable_shared_from_this<Server> {
 public:
  explicit Server(ServerSettings settings);

  // Creates the server in the engine; once. After a failure the object is done with. A code with a text.
  int start(std::string* error);
  // Ends the server and everybody who waits in it; once. Waits for its callbacks. Not on a callback thread.
  void stop(bool hand_over);

  // See RAFT_ProposeAsync; on a callback thread it does not wait.
  int propose(const void* data, uint64_t size, const bridge::Deadline& deadline, RAFT_Completion completion,
              void* user);
  // The first of `count` proposals that can be queued without waiting; how many. No error is set: propose()
  // says what is wrong with the next one.
  size_t propose_some(const RAFT_Buffer* proposals, size_t count, RAFT_Completion completion,
                      void* const* users);
  // See RAFT_ProposeWait.
  int propose_and_wait(const void* data, uint64_t size, const bridge::Deadline& deadline, uint64_t* index,
                       uint64_t* term);
  // Sends a command and waits for its reply: the reply's code, with the data that follows it.
  int request(uint16_t type, const bridge::Payload& payload, const bridge::Deadline& deadline,
              std::string* reply);
  // Proposes what lies in the arena, with a sequence of the extension's own; `flags` of the record. A code.
  int propose_shared(uint64_t sequence, uint64_t offset, uint64_t size, uint16_t flags,
                     const bridge::Deadline& deadline);
  // Sends a command; `answered` gets its reply, once, on any thread, unless a code other than OK is returned.
  int request_async(uint16_t type, const bridge::Payload& payload, const bridge::Deadline& deadline,
                    Waiter::Answered answered);
  // Sends a command whose reply nobody waits for.
  int submit(uint16_t type, const bridge::Payload& payload);
  // See RAFT_ReadIndex and RAFT_ReadIndexAsync.
  int read_index(uint32_t kind, const bridge::Deadline& deadline, uint64_t* index);
  int read_index_async(uint32_t kind, const bridge::Deadline& deadline, RAFT_Completion completion,
                       void* user);
  // Waits until an index is applied.
  int wait_applied(uint64_t index, const bridge::Deadline& deadline);
  uint64_t applied_index() const { return applied_.load(std::memory_order_acquire); }

  // From the engine host's supervisor. The engine has ended: outcomes that are not known become
  // UNKNOWN_OUTCOME.
  void engine_died(const std::shared_ptr<Engine>& engine, const std::string& reason);
  // A new one runs: the server is created in it and continues after the host's applied index.
  void engine_restarted(const std::shared_ptr<Engine>& engine);
  // There will be no new one: the server has failed.
  void engine_gone(const std::string& reason);

  // Reads with a completion that may be due at once.
  static constexpr uint32_t kReadsDueMax = 1u << 16;
  // How long DELETE_SERVER may take to be answered before the slot is given up.
  static constexpr int kDeleteTimeoutMs = 60000;

 private:
  struct LargePayload;
  class ChannelAnswer;

  // --- server.cc: life, proposals, requests
  int create_in(const std::shared_ptr<Engine>& engine, uint32_t flags, std::string* error);
  int check_open() const;
  std::shared_ptr<Channel> current_channel();
  // Waits while the engine is being restarted; null at the deadline, or when the server is closed.
  std::shared_ptr<Channel> wait_channel(const bridge::Deadline& deadline);
  void set_channel(std::shared_ptr<Channel> channel);
  int push_proposal(const void* data, uint64_t size, const bridge::Deadline& deadline,
                    const PendingProposal* pending, uint64_t* sequence);
  int send_request(uint16_t type, const bridge::Payload& payload, const bridge::Deadline& deadline,
                   bool deletes, std::string* reply);
  void close_for_proposals();
  void end_threads();

  // --- server_apply.cc: the apply thread. False from these: the thread ends.
  void run_apply();
  std::shared_ptr<Channel> next_apply_channel(const std::shared_ptr<Channel>& previous);
  bool apply_from(Channel& channel);
  bool apply_record(Channel& channel, const bridge::Record& record, LargePayload* large, bool* valid);
  bool apply_batch(Channel& channel, const bridge::Record& record, bool* valid);
  bool apply_chunk(Channel& channel, const bridge::Record& record, LargePayload* large, bool* valid);
  // `sequence`: of a proposal of this host, where outcomes come with entries; 0: none.
  bool apply_entry(Channel& channel, uint64_t sequence, uint64_t index, uint64_t term, const uint8_t* data,
                   uint64_t size);
  std::shared_ptr<SnapshotAnswer> answer_to(Channel& channel, uint64_t id);
  static void reset(LargePayload* large);
  bool restore_chunk(Channel& channel, const bridge::Record& record, LargePayload* large, bool* valid);
  bool restore(Channel& channel, uint64_t index, uint64_t term, const uint8_t* data, uint64_t size);
  bool take_snapshot(Channel& channel, const bridge::Record& record);
  void fail_apply(Channel& channel, uint64_t index, int code, uint32_t which, const std::string& reason);
  void publish_applied(Channel& channel, uint64_t index);
  void wake_applied_waiters();

  // --- server_reads.cc
  // Under mutex_.
  void finish_read(RAFT_Completion completion, void* user, int code, uint64_t index);

  // --- server_events.cc: the event thread, and whoever waits
  void run_events();
  void run_event(const Event& event);
  void answer_message(const Event& event);
  // Until `done` (under mutex_) or the deadline: reads the event ring, or sleeps on `wake` while another
  // thread does.
  template <typename Done>
  void pump(std::unique_lock<std::mutex>& lock, const bridge::Deadline& deadline,
            std::condition_variable& wake, Done done);
  void wait_for(Waiter& waiter, std::unique_lock<std::mutex>& lock, const bridge::Deadline& deadline);
  void read_events(const std::shared_ptr<Channel>& channel, const bridge::Deadline& deadline);
  // Reads what is left in the ring of an engine that has ended, or has let go of this server.
  void drain_events(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Channel>& channel);
  bool handle_event_record(const std::shared_ptr<Channel>& channel, const bridge::Record& record);
  bool handle_completions(const uint8_t* payload, uint64_t bytes);
  void interrupt_reader();
  // These under mutex_.
  void handle_reply(uint64_t id, const uint8_t* payload, uint64_t bytes);
  void handle_event(uint32_t event, uint64_t value, std::string text);
  void handle_state(int state);
  void finish_proposal(const PendingProposal& pending, int code, uint64_t index, uint64_t term);
  void finish_proposals(int code, bool only_waiters);
  // One of applied_waiters_, which the caller takes out of it; from any thread.
  void finish_applied(Waiter* waiter, int code);
  void finish_applied_waiters(int code);
  // One whose caller gives up.
  void forget_applied(const Waiter& waiter);
  void queue_event(Event event);

  const ServerSettings settings_;

  // Serialises start, stop and the re-creation after an engine's death.
  std::mutex lifecycle_mutex_;
  bool started_ = false;
  bool stopped_ = false;

  std::atomic<bool> stopping_{false};
  // It has stopped for good, and the host has been told.
  std::atomic<bool> failed_{false};
  std::atomic<bool> removed_{false};
  // stopping_, failed_ or removed_: ends proposals that wait for room.
  std::atomic<bool> closed_for_proposals_{false};

  std::mutex channel_mutex_;
  std::condition_variable channel_changed_;
  // Null while there is no engine. Guarded by channel_mutex_.
  std::shared_ptr<Channel> channel_;

  // A snapshot that comes in pieces; the apply thread's.
  struct Restoring {
    bool active = false;
    bool skip = false;
    uint64_t index = 0;
    uint64_t size = 0;
    uint64_t used = 0;
  };
  Restoring restoring_;

  HostThread apply_thread_;
  HostThread event_thread_;
  std::atomic<uint64_t> applied_;
  std::atomic<uint32_t> applied_waiter_count_{0};

  CompletionTable completions_;
  std::atomic<uint32_t> reads_due_{0};

  // The event side. Guarded by mutex_ from here on, but for the reader's own state.
  std::mutex mutex_;
  std::condition_variable event_wake_;
  bool reader_active_ = false;
  // What wakes the one that reads, where that is a call that waits: asleep in the ring, it does not hear it.
  const std::condition_variable* reader_wake_ = nullptr;
  // Somebody waits to drain the ring: nobody else starts to read it.
  bool drain_pending_ = false;
  bool events_over_ = false;
  EventQueue queue_;
  RequestTable requests_;
  // By the index that they wait for.
  std::multimap<uint64_t, Waiter*> applied_waiters_;
  // The DELETE_SERVER that is under way; only its reply or the engine's death ends it.
  uint64_t delete_request_ = 0;
  int last_state_ = -1;
};

}  // namespace polyraft

#endif  // POLYRAFT_API_SERVER_H_
