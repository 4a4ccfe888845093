#include "api/libraft_requests.h"

#include <utility>

namespace polyraft::libraft {

using bridge::Payload;

namespace {

bool may_be_sent_later(int code) {
  return code == RAFT_ERR_BUSY || code == RAFT_ERR_ENGINE_DIED;
}

std::string bytes_of(const Payload& payload) {
  std::string bytes(static_cast<const char*>(payload.fixed), payload.fixed_bytes);
  return bytes.append(static_cast<const char*>(payload.body), payload.body_bytes);
}

}  // namespace

bool Requests::start(Server* server) {
  server_ = server;
  return thread_.start("polyraft-ask", false, [this] { run(); });
}

void Requests::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

int Requests::send(uint16_t type, const Payload& payload, const Waiter::Answered& answered) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return RAFT_ERR_STOPPED;
  if (waiting_.empty()) {
    const int code = server_->request_async(type, payload, bridge::Clock::now(), answered);
    if (!may_be_sent_later(code)) return code;
  }
  waiting_.push_back({type, bytes_of(payload), answered});
  changed_.notify_all();
  return RAFT_OK;
}

void Requests::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    // It stays where it is while others come.
    const Request& request = waiting_.front();
    lock.unlock();
    const Payload payload{request.payload.data(), static_cast<uint32_t>(request.payload.size()), nullptr, 0};
    int code = server_->request_async(request.type, payload, std::nullopt, request.answered);
    lock.lock();
    if (may_be_sent_later(code) && stopping_) code = RAFT_ERR_STOPPED;
    if (may_be_sent_later(code)) continue;
    if (code != RAFT_OK) request.answered(code, "");
    waiting_.pop_front();
  }
}

}  // namespace polyraft::libraft
