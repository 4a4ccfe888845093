#include "runtime/host_thread.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

namespace polyraft {

namespace {

thread_local bool callback_thread = false;

struct Start {
  const char* name;
  bool runs_callbacks;
  std::function<void()> body;
};

void* run(void* argument) {
  const std::unique_ptr<Start> start(static_cast<Start*>(argument));
  pthread_setname_np(pthread_self(), start->name);
  callback_thread = start->runs_callbacks;
  start->body();
  return nullptr;
}

// Faults stay deliverable, so that a host's own crash handler works while its callbacks run.
sigset_t blocked_signals() {
  sigset_t set;
  sigfillset(&set);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) sigdelset(&set, fault);
  return set;
}

std::atomic<bool> forked_child{false};
std::array<std::atomic<int>, 16> child_closes;

void in_forked_child() {
  forked_child.store(true);
  for (std::atomic<int>& place : child_closes) {
    // Places hold the descriptor plus one, so that zero is free.
    const int fd = place.load() - 1;
    if (fd >= 0) close(fd);
  }
}

}  // namespace

bool HostThread::start(const char* name, bool runs_callbacks, std::function<void()> body) {
  auto start = std::make_unique<Start>(Start{name, runs_callbacks, std::move(body)});
  const sigset_t blocked = blocked_signals();
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  const int error = pthread_create(&thread_, nullptr, run, start.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    errno = error;
    return false;
  }
  // Owned by the thread now.
  static_cast<void>(start.release());
  running_ = true;
  return true;
}

void HostThread::join() {
  if (!running_) return;
  running_ = false;
  pthread_join(thread_, nullptr);
}

void HostThread::detach() {
  if (!running_) return;
  running_ = false;
  pthread_detach(thread_);
}

bool on_callback_thread() {
  return callback_thread;
}

void watch_for_fork() {
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, in_forked_child); });
}

bool is_forked_child() {
  return forked_child.load(std::memory_order_relaxed);
}

void close_in_forked_child(int fd) {
  for (std::atomic<int>& place : child_closes) {
    int free = 0;
    if (place.compare_exchange_strong(free, fd + 1)) return;
  }
}

void forget_descriptor(int fd) {
  for (std::atomic<int>& place : child_closes) {
    int expected = fd + 1;
    if (place.compare_exchange_strong(expected, 0)) return;
  }
}

}  // namespace polyraft
