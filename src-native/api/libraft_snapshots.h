// Snapshots between the program's state machine, which writes and reads files, and the engine, which wants
// bytes.
#ifndef POLYRAFT_API_LIBRAFT_SNAPSHOTS_H_
#define POLYRAFT_API_LIBRAFT_SNAPSHOTS_H_

#include <condition_variable>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "api/server_extension.h"
#include "libraft/raft_c_if.h"
#include "runtime/host_thread.h"

namespace polyraft::libraft {

// One request at a time, answered by a worker thread. Files lie in the directory, which is this object's
// alone.
class Snapshots {
 public:
  explicit Snapshots(std::string directory) : directory_(std::move(directory)) {}
  Snapshots(const Snapshots&) = delete;
  Snapshots& operator=(const Snapshots&) = delete;

  // Starts the worker. False: no thread.
  bool start();
  // Refuses what is open; waits for the worker.
  void stop();

  // Opens a request: calls `begin(path, request)`. Refuses when one is open.
  void take(uint64_t index, std::shared_ptr<SnapshotAnswer> answer,
            const std::function<void(const char* path, raft_snapshot_req request)>& begin);
  // See raft_fsm_snapshot_complete and raft_fsm_take_snapshot. False: no open request.
  bool complete(raft_snapshot_req request, bool success);
  bool write_later(raft_snapshot_req request, raft_fsm_snapshot_handle handle, raft_fsm_snapshot_func write);

  // A snapshot from the engine, piece by piece; codes of enum RAFT_Error. The path, at its end, until
  // restore_over.
  int restore_begin(uint64_t index);
  int restore_piece(const uint8_t* data, uint64_t size);
  int restore_finish(std::string* path);
  void restore_over();

 private:
  struct Request {
    uint64_t number = 0;
    std::string path;
    std::shared_ptr<SnapshotAnswer> answer;
    // What the program has said.
    bool told = false;
    bool success = false;
    raft_fsm_snapshot_handle handle = nullptr;
    raft_fsm_snapshot_func write = nullptr;
  };

  void run();
  static bool write_file(const Request& request);
  static void send(const Request& request);
  bool tell(raft_snapshot_req request, bool success, raft_fsm_snapshot_handle handle,
            raft_fsm_snapshot_func write);

  const std::string directory_;
  HostThread worker_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::shared_ptr<Request> open_;
  uint64_t next_number_ = 1;
  bool stopping_ = false;

  // Of the state machine's thread.
  std::FILE* restoring_ = nullptr;
  std::string restore_path_;
};

}  // namespace polyraft::libraft

#endif  // POLYRAFT_API_LIBRAFT_SNAPSHOTS_H_
