// A few threads that do blocking file work, so that the engine's thread does not.
#ifndef POLYRAFT_ENGINE_IO_THREADS_H_
#define POLYRAFT_ENGINE_IO_THREADS_H_

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace polyraft::engine {

// One piece of work. `run` is called on a thread of the pool; afterwards the task waits to be taken by the
// owner.
class IoTask {
 public:
  virtual ~IoTask() = default;
  virtual void run() = 0;
};

// Threads start when there is work that no idle one can take, at most kThreadsMax; they block all signals.
// The queue is as long as its owner lets it be: one task for each open file.
class IoThreads {
 public:
  static constexpr size_t kThreadsMax = 4;

  // `completed` is called on a thread of the pool whenever tasks can be taken; several completions may share
  // a call.
  explicit IoThreads(std::function<void()> completed) : completed_(std::move(completed)) {}
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;
  // Ends the threads; tasks that have begun are finished, others are dropped.
  ~IoThreads();

  // False when no thread can be started.
  bool submit(std::unique_ptr<IoTask> task);

  // The finished tasks, in the order in which they finished.
  std::vector<std::unique_ptr<IoTask>> take_completed();

 private:
  bool start_thread();
  void work();

  const std::function<void()> completed_;
  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<std::unique_ptr<IoTask>> waiting_;
  std::vector<std::unique_ptr<IoTask>> done_;
  std::vector<pthread_t> threads_;
  // Those that wait for work, and those that are about to.
  size_t idle_threads_ = 0;
  bool stopping_ = false;
};

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_IO_THREADS_H_
