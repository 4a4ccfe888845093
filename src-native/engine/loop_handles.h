// The two libuv handles of the addon: the host's doorbell, and the signal that file work has been done.
#ifndef POLYRAFT_ENGINE_LOOP_HANDLES_H_
#define POLYRAFT_ENGINE_LOOP_HANDLES_H_

#include <uv.h>

#include <functional>

namespace polyraft::engine {

// Lives on the heap, is used on the loop's thread, and frees itself after close(): libuv closes handles a
// turn later.
class LoopHandles {
 public:
  // Null when the loop refuses. `signalled` is called on the loop's thread after signal().
  static LoopHandles* open(uv_loop_t* loop, std::function<void()> signalled);

  // From any thread, before close().
  void signal() { uv_async_send(&async_); }

  // While there are holds, signal() keeps the loop alive.
  void hold();
  void release();

  // Calls `rung` on the loop's thread whenever the eventfd has been written to; keeps the loop alive. 0 or a
  // libuv error.
  int listen(int doorbell_fd, std::function<void()> rung);
  void stop_listening();

  // No callback is called any more; `closed` is, when the loop has let go of both handles.
  void close(std::function<void()> closed);

 private:
  LoopHandles() = default;
  ~LoopHandles() = default;

  static void on_readable(uv_poll_t* handle, int status, int events);
  static void on_closed(uv_handle_t* handle);

  uv_async_t async_{};
  uv_poll_t poll_{};
  bool has_poll_ = false;
  int doorbell_fd_ = -1;
  int holds_ = 0;
  int open_handles_ = 0;
  std::function<void()> signalled_;
  std::function<void()> rung_;
  std::function<void()> closed_;
};

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_LOOP_HANDLES_H_
