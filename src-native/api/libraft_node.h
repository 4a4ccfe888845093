// This process's node of the libraft interface.
#ifndef POLYRAFT_API_LIBRAFT_NODE_H_
#define POLYRAFT_API_LIBRAFT_NODE_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/engine_host.h"
#include "api/libraft_arena.h"
#include "api/libraft_futures.h"
#include "api/libraft_requests.h"
#include "api/libraft_snapshots.h"
#include "api/server.h"
#include "api/server_extension.h"

namespace polyraft::libraft {

class Node : public ServerExtension {
 public:
  Node(const RaftFSM& fsm, const RaftConfig& config, FutureTable::Release release, EngineHost* host);
  ~Node() override;

  // Once. False with a text; then the object is done with.
  bool start(std::string* error);
  // Ends server and engine; waits. May be called again, and from several threads.
  void stop();

  Arena& arena() { return arena_; }
  FutureTable& futures() { return futures_; }
  Snapshots* snapshots() { return snapshots_.get(); }
  RaftState state() const { return static_cast<RaftState>(state_.load(std::memory_order_seq_cst)); }
  bool is_shut_down() const { return shut_down_.load(std::memory_order_seq_cst); }

  // Futures; 0: no memory for one.
  FutureId apply(const char* command, uint64_t size, uint64_t timeout_ns);
  FutureId barrier(uint64_t timeout_ns);
  FutureId request(uint16_t type, const bridge::Payload& payload, FutureKind kind = FutureKind::kOther);
  FutureId shutdown();
  FutureId ended(FutureKind kind, RaftError error);

  // What the engine says of the cluster, as JSON. Waits.
  RaftError contact(std::string* text);

  // ServerExtension
  int apply(uint64_t sequence, uint64_t index, uint64_t term, const uint8_t* data, uint64_t size) override;
  int restore_begin(uint64_t index, uint64_t size) override;
  int restore_piece(const uint8_t* data, uint64_t size) override;
  int restore_end() override;
  void take_snapshot(uint64_t index, std::shared_ptr<SnapshotAnswer> answer) override;
  void proposal_ended(uint64_t sequence, int code) override;
  void proposal_sent(uint64_t sequence) override;
  void engine_died() override;
  void state_changed(int state) override;
  void event(int event, uint64_t value, const std::string& text) override;

 private:
  static constexpr int kContactTimeoutMs = 5000;

  RaftError error_of(int code) const;
  FutureId propose(FutureKind kind, const Arena::Block* block, uint64_t offset, uint64_t size,
                   uint64_t timeout_ns);

  const RaftFSM fsm_;
  const RaftConfig config_;
  const FutureTable::Release release_;
  EngineHost* const host_;
  Arena arena_;
  FutureTable futures_{&arena_, release_};
  std::unique_ptr<Snapshots> snapshots_;
  std::shared_ptr<Server> server_;
  Requests requests_;
  // Removed at the end; empty when it is the program's.
  std::string temporary_directory_;

  std::atomic<int> state_{RAFT_FOLLOWER};
  // Shut down, failed or removed for good: the state stays RAFT_SHUTDOWN.
  std::atomic<bool> is_over_{false};
  std::atomic<bool> shut_down_{false};
  std::atomic<uint64_t> engine_deaths_{0};

  std::mutex stop_mutex_;
  // Guarded by stop_mutex_.
  bool stopped_ = false;

  std::mutex shutdown_mutex_;
  // Guarded by shutdown_mutex_.
  HostThread shutdown_thread_;
  bool shutdown_begun_ = false;
  bool shutdown_done_ = false;
  std::vector<FutureId> shutdown_futures_;
};

}  // namespace polyraft::libraft

#endif  // POLYRAFT_API_LIBRAFT_NODE_H_
