// The host's end of a ring towards the engine: many threads write, the engine reads.
#ifndef POLYRAFT_BRIDGE_HOST_PRODUCER_H_
#define POLYRAFT_BRIDGE_HOST_PRODUCER_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>

#include "doorbell.h"
#include "futex.h"
#include "ring.h"

namespace polyraft::bridge {

// A payload in two parts: fixed fields, then bytes of the caller. Neither is kept.
struct Payload {
  const void* fixed = nullptr;
  uint32_t fixed_bytes = 0;
  const void* body = nullptr;
  uint64_t body_bytes = 0;
  // Fetches the body piece by piece, when `body` is null; false: it cannot be had.
  const std::function<bool(uint64_t from, uint32_t count, uint8_t* target)>* read = nullptr;

  uint64_t total() const { return fixed_bytes + body_bytes; }
  bool copy(uint64_t from, uint32_t count, uint8_t* target) const {
    if (from < fixed_bytes) {
      const auto part = static_cast<uint32_t>(std::min<uint64_t>(fixed_bytes - from, count));
      std::memcpy(target, static_cast<const uint8_t*>(fixed) + from, part);
      from += part;
      target += part;
      count -= part;
    }
    if (count == 0) return true;
    if (read != nullptr) return (*read)(from - fixed_bytes, count, target);
    std::memcpy(target, static_cast<const uint8_t*>(body) + (from - fixed_bytes), count);
    return true;
  }
};

enum class Push { kOk, kFull, kClosed, kCancelled };
// Whether other producers' records may come between the chunks of a payload.
enum class Chunks { kTogether, kInterleaved };

class HostProducer {
 public:
  // `doorbell` must outlive this object.
  HostProducer(RingMemory memory, const Doorbell* doorbell)
      : writer_(memory), memory_(memory), doorbell_(doorbell), chunk_bytes_(max_chunk_bytes(memory.bytes)) {}
  HostProducer(const HostProducer&) = delete;
  HostProducer& operator=(const HostProducer&) = delete;

  // Writes one payload, in chunks when it is large. Waits for room until the deadline (kFull: nothing was
  // written, or an unfinished payload that the engine will discard), until *cancel (may be null; then wake()
  // must be called) or close(). `begin(&id)` is called once, under the lock, when there is room for the first
  // chunk; false refuses (kFull). `abandon(id)` undoes it when later chunks did not fit.
  template <typename Begin, typename Abandon>
  Push push(uint16_t type, uint16_t flags, const Payload& payload, Chunks chunks, const Deadline& deadline,
            const std::atomic<bool>* cancel, Begin begin, Abandon abandon) {
    std::unique_lock<std::mutex> lock(mutex_);
    const uint64_t total = payload.total();
    uint64_t id = 0;
    uint64_t done = 0;
    bool begun = false;
    Push result = Push::kOk;
    do {
      const auto length = static_cast<uint32_t>(std::min<uint64_t>(total - done, chunk_bytes_));
      const bool owner = begun && chunks == Chunks::kTogether;
      uint8_t* target = nullptr;
      result = wait_for_room(lock, length, owner, deadline, cancel, &target);
      if (result != Push::kOk) break;
      if (!begun && !begin(&id)) {
        result = Push::kFull;
        break;
      }
      begun = true;
      if (!payload.copy(done, length, target)) {
        result = Push::kCancelled;
        break;
      }
      uint16_t record_flags = flags;
      if (done != 0) record_flags |= protocol::kCONTINUATION;
      if (done + length < total) record_flags |= protocol::kMORE;
      writer_.publish(type, record_flags, id, total);
      doorbell_->ring_if_parked();
      done += length;
      if (chunks == Chunks::kTogether) owned_ = done < total;
    } while (done < total);
    if (result != Push::kOk && begun) {
      if (chunks == Chunks::kTogether) owned_ = false;
      abandon(id);
    }
    if (total > chunk_bytes_) turn_.notify_all();
    return result;
  }

  // Writes the first of `count` payloads that find room now, one record each, under one lock and with one
  // ring of the doorbell; how many. `payload_of(i)`; `begin(i, &id)` as for push. Stops at a payload that
  // needs chunks.
  template <typename PayloadOf, typename Begin>
  size_t push_some(uint16_t type, uint16_t flags, size_t count, PayloadOf payload_of, Begin begin) {
    const std::lock_guard<std::mutex> lock(mutex_);
    size_t done = 0;
    while (done < count && !owned_ && !closed_.load(std::memory_order_seq_cst)) {
      const Payload payload = payload_of(done);
      if (payload.total() > chunk_bytes_) break;
      const auto length = static_cast<uint32_t>(payload.total());
      uint8_t* const target = writer_.reserve(length);
      uint64_t id = 0;
      if (target == nullptr || !begin(done, &id)) break;
      payload.copy(0, length, target);
      writer_.publish(type, flags, id, length);
      done++;
    }
    if (done != 0) doorbell_->ring_if_parked();
    return done;
  }

  Push push(uint16_t type, uint64_t id, const Payload& payload, Chunks chunks, const Deadline& deadline,
            const std::atomic<bool>* cancel = nullptr) {
    const auto begin = [id](uint64_t* given) {
      *given = id;
      return true;
    };
    return push(type, 0, payload, chunks, deadline, cancel, begin, [](uint64_t) {});
  }

  // No record is accepted from now on; who waits gets kClosed. Returns once no thread is in the middle of
  // one.
  void close() {
    closed_.store(true, std::memory_order_seq_cst);
    wake();
    std::unique_lock<std::mutex> lock(mutex_);
    turn_.notify_all();
    turn_.wait(lock, [this] { return !owned_; });
  }

  // Lets waiting producers look at their cancel flag and at close().
  void wake() {
    memory_.producer_waiting().store(0, std::memory_order_seq_cst);
    futex_wake_all(&memory_.producer_waiting());
    const std::lock_guard<std::mutex> lock(mutex_);
    turn_.notify_all();
  }

 private:
  Push wait_for_room(std::unique_lock<std::mutex>& lock, uint32_t length, bool owner,
                     const Deadline& deadline, const std::atomic<bool>* cancel, uint8_t** target) {
    for (;;) {
      if (closed_.load(std::memory_order_seq_cst)) return Push::kClosed;
      if (cancel != nullptr && cancel->load(std::memory_order_seq_cst)) return Push::kCancelled;
      const bool my_turn = owner || !owned_;
      if (my_turn && (*target = writer_.reserve(length)) != nullptr) return Push::kOk;
      if (has_passed(deadline)) return Push::kFull;
      if (!my_turn) {
        if (deadline) {
          turn_.wait_until(lock, *deadline);
        } else {
          turn_.wait(lock);
        }
        continue;
      }
      // Said before looking again: the engine frees room, then looks at this word. close() and wake() clear
      // it after they have set their flag.
      memory_.producer_waiting().store(1, std::memory_order_seq_cst);
      if (closed_.load(std::memory_order_seq_cst)) return Push::kClosed;
      if (cancel != nullptr && cancel->load(std::memory_order_seq_cst)) return Push::kCancelled;
      if ((*target = writer_.reserve(length)) != nullptr) return Push::kOk;
      lock.unlock();
      futex_wait(&memory_.producer_waiting(), 1, deadline);
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable turn_;
  bool owned_ = false;
  std::atomic<bool> closed_{false};
  RingWriter writer_;
  RingMemory memory_;
  const Doorbell* doorbell_;
  const uint32_t chunk_bytes_;
};

}  // namespace polyraft::bridge

#endif  // POLYRAFT_BRIDGE_HOST_PRODUCER_H_
