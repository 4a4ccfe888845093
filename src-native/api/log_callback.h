// The host's callback for lines of the log: a thread of its own, and what waits for it.
#ifndef POLYRAFT_API_LOG_CALLBACK_H_
#define POLYRAFT_API_LOG_CALLBACK_H_

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "api/log_line.h"
#include "polyraft.h"
#include "runtime/host_thread.h"

namespace polyraft::log {

class CallbackSink {
 public:
  static constexpr size_t kLinesMax = 8192;
  static constexpr size_t kBytesMax = 4u << 20;

  // Null takes the callback away. Waits until that of before has got what lies here for it, unless it is that
  // one which calls. False: no thread can be started, and nothing has changed.
  bool set(RAFT_LogCallback callback, void* context);
  // False: there is no callback.
  bool push(const Line& line);

  // Made in the parent of this process, and nothing that can be used here: its thread is not here.
  bool is_of_parent() const;

 private:
  struct Target {
    RAFT_LogCallback callback;
    void* context;
    // Lines that lie here for it or are with it.
    size_t pending = 0;
  };
  struct Waiting {
    std::shared_ptr<Target> target;
    uint64_t time_ns;
    uint64_t cluster_id;
    uint64_t node_id;
    int level;
    std::string source;
    std::string position;
    std::string message;
  };

  bool start_thread();
  void drop_waiting();
  void run();
  void hand_over(std::unique_lock<std::mutex>* lock);
  void add(const Line& line);

  std::mutex mutex_;
  // Something lies here, or nothing does any more.
  std::condition_variable changed_;
  std::shared_ptr<Target> target_;
  std::deque<Waiting> waiting_;
  size_t bytes_ = 0;
  uint64_t lost_ = 0;
  // The process in which the thread runs; 0: it does not.
  std::atomic<pid_t> running_in_{0};
  HostThread thread_;
};

}  // namespace polyraft::log

#endif  // POLYRAFT_API_LOG_CALLBACK_H_
