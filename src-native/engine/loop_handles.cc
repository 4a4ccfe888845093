#include "engine/loop_handles.h"

#include <unistd.h>

#include <cstdint>
#include <utility>

namespace polyraft::engine {

LoopHandles* LoopHandles::open(uv_loop_t* loop, std::function<void()> signalled) {
  auto* self = new LoopHandles;
  self->signalled_ = std::move(signalled);
  self->async_.data = self;
  const auto on_signal = [](uv_async_t* handle) {
    auto* const handles = static_cast<LoopHandles*>(handle->data);
    if (handles->signalled_) handles->signalled_();
  };
  if (uv_async_init(loop, &self->async_, on_signal) != 0) {
    delete self;
    return nullptr;
  }
  self->open_handles_ = 1;
  uv_unref(reinterpret_cast<uv_handle_t*>(&self->async_));
  return self;
}

void LoopHandles::hold() {
  if (holds_++ == 0) uv_ref(reinterpret_cast<uv_handle_t*>(&async_));
}

void LoopHandles::release() {
  if (--holds_ == 0) uv_unref(reinterpret_cast<uv_handle_t*>(&async_));
}

int LoopHandles::listen(int doorbell_fd, std::function<void()> rung) {
  rung_ = std::move(rung);
  if (!has_poll_) {
    const int error = uv_poll_init(async_.loop, &poll_, doorbell_fd);
    if (error != 0) return error;
    has_poll_ = true;
    doorbell_fd_ = doorbell_fd;
    poll_.data = this;
    ++open_handles_;
  }
  return uv_poll_start(&poll_, UV_READABLE, on_readable);
}

void LoopHandles::stop_listening() {
  if (has_poll_) uv_poll_stop(&poll_);
}

void LoopHandles::on_readable(uv_poll_t* handle, int status, int events) {
  auto* const self = static_cast<LoopHandles*>(handle->data);
  if (status == 0 && (events & UV_READABLE) != 0) {
    // One read takes all rings so far. A failed one means that another wake-up has taken them.
    uint64_t rings = 0;
    if (read(self->doorbell_fd_, &rings, sizeof rings) < 0) rings = 0;
  }
  if (self->rung_) self->rung_();
}

void LoopHandles::close(std::function<void()> closed) {
  signalled_ = nullptr;
  rung_ = nullptr;
  closed_ = std::move(closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&async_), on_closed);
  if (has_poll_) uv_close(reinterpret_cast<uv_handle_t*>(&poll_), on_closed);
}

void LoopHandles::on_closed(uv_handle_t* handle) {
  auto* const self = static_cast<LoopHandles*>(handle->data);
  if (--self->open_handles_ > 0) return;
  if (self->closed_) self->closed_();
  delete self;
}

}  // namespace polyraft::engine
