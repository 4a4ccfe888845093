#include "engine/io_threads.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace polyraft::engine {
namespace {

class Call : public IoTask {
 public:
  explicit Call(std::function<void()> body) : body_(std::move(body)) {}
  void run() override { body_(); }

 private:
  std::function<void()> body_;
};

// An owner that waits for completions, as the event loop does.
class Owner {
 public:
  Owner() : threads_([this] { tell(); }) {}

  bool submit(std::function<void()> body) { return threads_.submit(std::make_unique<Call>(std::move(body))); }

  // Takes completions until there have been `count` in all.
  void wait_for(size_t count) {
    while (taken_ < count) {
      {
        std::unique_lock<std::mutex> hold(mutex_);
        told_.wait(hold, [this] { return signals_ > 0; });
        signals_ = 0;
      }
      taken_ += threads_.take_completed().size();
    }
  }
  size_t taken() const { return taken_; }

 private:
  void tell() {
    // Told while the lock is held, so that the owner cannot be gone by then.
    const std::lock_guard<std::mutex> hold(mutex_);
    ++signals_;
    told_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable told_;
  int signals_ = 0;
  size_t taken_ = 0;
  IoThreads threads_;
};

TEST(IoThreads, RunsEveryTaskOnceAndHandsItBack) {
  constexpr size_t kTasks = 5000;
  std::vector<std::atomic<int>> runs(kTasks);
  Owner owner;
  for (size_t i = 0; i < kTasks; ++i) {
    ASSERT_TRUE(owner.submit([&runs, i] { runs[i]++; }));
    if (i % 7 == 0) owner.wait_for(i / 2);
  }
  owner.wait_for(kTasks);
  EXPECT_EQ(owner.taken(), kTasks);
  for (const std::atomic<int>& count : runs) ASSERT_EQ(count.load(), 1);
}

TEST(IoThreads, WorksInParallelUpToItsBound) {
  Owner owner;
  std::mutex mutex;
  std::condition_variable changed;
  size_t inside = 0;
  // No task ends before as many as there may be threads have begun.
  const auto body = [&] {
    std::unique_lock<std::mutex> hold(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(hold, [&] { return inside >= IoThreads::kThreadsMax; });
  };
  for (size_t i = 0; i < IoThreads::kThreadsMax; ++i) ASSERT_TRUE(owner.submit(body));
  owner.wait_for(IoThreads::kThreadsMax);

  std::set<pthread_t> threads;
  for (size_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(owner.submit([&] {
      const std::lock_guard<std::mutex> hold(mutex);
      threads.insert(pthread_self());
    }));
  }
  owner.wait_for(IoThreads::kThreadsMax + 200);
  EXPECT_LE(threads.size(), IoThreads::kThreadsMax);
}

TEST(IoThreads, OneTaskAtATimeNeedsOneThread) {
  Owner owner;
  std::set<pthread_t> threads;
  for (size_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(owner.submit([&threads] { threads.insert(pthread_self()); }));
    owner.wait_for(i);
    // The thread is idle a moment after its task has been taken.
    usleep(2000);
  }
  EXPECT_EQ(threads.size(), 1u);
}

TEST(IoThreads, BlocksSignalsInItsThreadsOnly) {
  Owner owner;
  sigset_t before;
  sigset_t inside;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  ASSERT_TRUE(owner.submit([&inside] { pthread_sigmask(SIG_SETMASK, nullptr, &inside); }));
  owner.wait_for(1);
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGUSR1, SIGCHLD}) {
    EXPECT_EQ(sigismember(&inside, number), 1) << number;
    EXPECT_EQ(sigismember(&before, number), sigismember(&after, number)) << number;
  }
}

TEST(IoThreads, EndsWhatHasBegunAndDropsTheRest) {
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  std::atomic<bool> go{false};
  {
    IoThreads threads([] {});
    for (size_t i = 0; i < 100; ++i) {
      ASSERT_TRUE(threads.submit(std::make_unique<Call>([&] {
        begun++;
        while (!go.load()) usleep(100);
        ended++;
      })));
    }
    while (begun.load() == 0) usleep(100);
    go = true;
  }
  EXPECT_EQ(begun.load(), ended.load());
}

}  // namespace
}  // namespace polyraft::engine
