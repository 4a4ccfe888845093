// The host rings, the engine answers: an eventfd, written to only when the engine has said that it sleeps.
#ifndef POLYRAFT_BRIDGE_DOORBELL_H_
#define POLYRAFT_BRIDGE_DOORBELL_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace polyraft::bridge {

class Doorbell {
 public:
  Doorbell() = default;
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;
  ~Doorbell() {
    if (fd_ >= 0) close(fd_);
  }

  // `engine_parked` is the region's word; it must outlive this object. 0 or errno.
  int create(std::atomic<uint32_t>* engine_parked) {
    engine_parked_ = engine_parked;
    fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd_ < 0 ? errno : 0;
  }

  int fd() const { return fd_; }

  // After a record has been published with a sequentially consistent store of the tail.
  void ring_if_parked() const {
    if (engine_parked_->load(std::memory_order_seq_cst) == 0) return;
    if (engine_parked_->exchange(0, std::memory_order_seq_cst) != 0) ring();
  }

  // EAGAIN means that the counter is full: the engine will wake all the same.
  void ring() const {
    const uint64_t one = 1;
    while (write(fd_, &one, sizeof one) < 0 && errno == EINTR) {
    }
  }

 private:
  std::atomic<uint32_t>* engine_parked_ = nullptr;
  int fd_ = -1;
};

}  // namespace polyraft::bridge

#endif  // POLYRAFT_BRIDGE_DOORBELL_H_
