// Threads of the library: signals blocked, named, and marked when callbacks run on them.
#ifndef POLYRAFT_RUNTIME_HOST_THREAD_H_
#define POLYRAFT_RUNTIME_HOST_THREAD_H_

#include <pthread.h>

#include <functional>

namespace polyraft {

class HostThread {
 public:
  HostThread() = default;
  HostThread(const HostThread&) = delete;
  HostThread& operator=(const HostThread&) = delete;

  // `name` has at most 15 characters. `runs_callbacks`: on_callback_thread() is true on it. False: no thread
  // (errno).
  bool start(const char* name, bool runs_callbacks, std::function<void()> body);
  // Nothing when it was not started.
  void join();
  // Nobody joins it: for threads that live as long as the process.
  void detach();

 private:
  pthread_t thread_{};
  bool running_ = false;
};

// Whether the caller is inside a callback: then nothing may wait.
bool on_callback_thread();

// From the first start of a runtime on, a child of fork() may not use the library.
void watch_for_fork();
bool is_forked_child();
// A descriptor that a forked child closes at once (the lifeline of an engine: it must end with this process).
void close_in_forked_child(int fd);
void forget_descriptor(int fd);

}  // namespace polyraft

#endif  // POLYRAFT_RUNTIME_HOST_THREAD_H_
