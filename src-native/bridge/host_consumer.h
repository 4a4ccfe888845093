// The host's end of a ring from the engine: one thread at a time reads, and sleeps when there is nothing.
#ifndef POLYRAFT_BRIDGE_HOST_CONSUMER_H_
#define POLYRAFT_BRIDGE_HOST_CONSUMER_H_

#include <algorithm>
#include <atomic>

#include "doorbell.h"
#include "futex.h"
#include "ring.h"

namespace polyraft::bridge {

class HostConsumer {
 public:
  // `doorbell` must outlive this object.
  HostConsumer(RingMemory memory, const Doorbell* doorbell) : reader_(memory), doorbell_(doorbell) {}
  HostConsumer(const HostConsumer&) = delete;
  HostConsumer& operator=(const HostConsumer&) = delete;

  ReadResult peek(Record* record) { return reader_.peek(record); }

  void release() {
    reader_.release();
    std::atomic<uint32_t>& waiting = reader_.memory().producer_waiting();
    if (waiting.load(std::memory_order_seq_cst) != 0 && waiting.exchange(0, std::memory_order_seq_cst) != 0) {
      doorbell_->ring();
    }
  }

  // Sleeps until there is a record, interrupt() was called since the last wait, or the deadline.
  void wait(const Deadline& deadline) {
    for (uint32_t turn = 0; turn < spins_; turn++) {
      if (has_news(std::memory_order_acquire)) {
        spins_ = std::min(kSpinsMax, spins_ * 2 + kSpinsMin);
        interrupted_.store(false, std::memory_order_seq_cst);
        return;
      }
      spin_pause();
    }
    spins_ /= 2;
    std::atomic<uint32_t>& parked = reader_.memory().consumer_parked();
    parked.store(1, std::memory_order_seq_cst);
    while (!has_news(std::memory_order_seq_cst) && !has_passed(deadline)) {
      futex_wait(&parked, 1, deadline);
      // The waker stored 0; say again that we sleep before looking again.
      parked.store(1, std::memory_order_seq_cst);
    }
    parked.store(0, std::memory_order_seq_cst);
    interrupted_.store(false, std::memory_order_seq_cst);
  }

  // Ends the running wait, or the next one; from any thread.
  void interrupt() {
    interrupted_.store(true, std::memory_order_seq_cst);
    reader_.memory().consumer_parked().store(0, std::memory_order_seq_cst);
    futex_wake_all(&reader_.memory().consumer_parked());
  }

 private:
  // About 3 us at most: on two cores a spinning reader takes the processor that its writer needs.
  static constexpr uint32_t kSpinsMax = 64;
  static constexpr uint32_t kSpinsMin = 4;

  bool has_news(std::memory_order order) const {
    return !reader_.is_empty(order) || interrupted_.load(order);
  }

  RingReader reader_;
  const Doorbell* doorbell_;
  std::atomic<bool> interrupted_{false};
  uint32_t spins_ = 0;
};

}  // namespace polyraft::bridge

#endif  // POLYRAFT_BRIDGE_HOST_CONSUMER_H_
