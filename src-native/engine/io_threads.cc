#include "engine/io_threads.h"

#include <signal.h>

#include <utility>

namespace polyraft::engine {
namespace {

// Threads inherit the mask of the thread that starts them. Restores it when it goes.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

IoThreads::~IoThreads() {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    stopping_ = true;
  }
  has_work_.notify_all();
  for (const pthread_t thread : threads_) pthread_join(thread, nullptr);
}

bool IoThreads::submit(std::unique_ptr<IoTask> task) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    const bool needs_thread = idle_threads_ <= waiting_.size() && threads_.size() < kThreadsMax;
    if (needs_thread && !start_thread() && threads_.empty()) return false;
    waiting_.push_back(std::move(task));
  }
  has_work_.notify_one();
  return true;
}

std::vector<std::unique_ptr<IoTask>> IoThreads::take_completed() {
  const std::lock_guard<std::mutex> hold(mutex_);
  return std::exchange(done_, {});
}

bool IoThreads::start_thread() {
  const SignalsBlocked blocked;
  pthread_t thread{};
  const auto entry = [](void* self) -> void* {
    static_cast<IoThreads*>(self)->work();
    return nullptr;
  };
  if (pthread_create(&thread, nullptr, entry, this) != 0) return false;
  threads_.push_back(thread);
  ++idle_threads_;
  return true;
}

void IoThreads::work() {
  pthread_setname_np(pthread_self(), "polyraft-io");
  std::unique_lock<std::mutex> hold(mutex_);
  for (;;) {
    has_work_.wait(hold, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    --idle_threads_;
    std::unique_ptr<IoTask> task = std::move(waiting_.front());
    waiting_.pop_front();
    hold.unlock();
    task->run();
    hold.lock();
    ++idle_threads_;
    done_.push_back(std::move(task));
    // Whoever finds others waiting to be taken need not tell again.
    if (done_.size() == 1) {
      hold.unlock();
      completed_();
      hold.lock();
    }
  }
}

}  // namespace polyraft::engine
