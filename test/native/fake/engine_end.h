// The engine's end of the bridge in C++, for tests that need no engine: what src-ts/bridge does in
// TypeScript.
#ifndef POLYRAFT_TEST_FAKE_ENGINE_END_H_
#define POLYRAFT_TEST_FAKE_ENGINE_END_H_

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <utility>

#include "bridge/assembler.h"
#include "bridge/futex.h"
#include "bridge/region.h"
#include "bridge/ring.h"

namespace polyraft::fake {

// A ring towards the host. What does not fit waits in memory until flush() finds room.
class Output {
 public:
  explicit Output(bridge::RingMemory memory) : writer_(memory), memory_(memory) {}

  void send(uint16_t type, uint64_t id, std::string payload) {
    bytes_ += payload.size();
    waiting_.push_back({type, id, std::move(payload), 0});
    flush();
  }

  uint64_t waiting_bytes() const { return bytes_; }

  // True when everything is in the ring. Else the host rings the doorbell once there is room.
  bool flush() {
    while (!waiting_.empty()) {
      if (write_chunk()) continue;
      memory_.producer_waiting().store(1, std::memory_order_seq_cst);
      if (!write_chunk()) return false;
    }
    return true;
  }

 private:
  struct Waiting {
    uint16_t type;
    uint64_t id;
    std::string payload;
    uint64_t done;
  };

  bool write_chunk() {
    Waiting& next = waiting_.front();
    const uint64_t total = next.payload.size();
    const auto length =
        static_cast<uint32_t>(std::min<uint64_t>(total - next.done, bridge::max_chunk_bytes(memory_.bytes)));
    uint8_t* const target = writer_.reserve(length);
    if (target == nullptr) return false;
    std::memcpy(target, next.payload.data() + next.done, length);
    uint16_t flags = next.done != 0 ? protocol::kCONTINUATION : 0;
    if (next.done + length < total) flags |= protocol::kMORE;
    writer_.publish(next.type, flags, next.id, total);
    std::atomic<uint32_t>& parked = memory_.consumer_parked();
    if (parked.load(std::memory_order_seq_cst) == 1) {
      parked.store(0, std::memory_order_seq_cst);
      bridge::futex_wake_all(&parked);
    }
    next.done += length;
    if (next.done < total) return true;
    bytes_ -= total;
    waiting_.pop_front();
    return true;
  }

  bridge::RingWriter writer_;
  bridge::RingMemory memory_;
  std::deque<Waiting> waiting_;
  uint64_t bytes_ = 0;
};

// A ring from the host.
class Input {
 public:
  explicit Input(bridge::RingMemory memory) : reader_(memory), assembler_(uint64_t{1} << 32) {}

  bool has_records() const { return !reader_.is_empty(std::memory_order_seq_cst); }

  // The next record in place; release() follows.
  bridge::ReadResult peek(bridge::Record* record) { return reader_.peek(record); }
  void release() {
    reader_.release();
    std::atomic<uint32_t>& waiting = reader_.memory().producer_waiting();
    if (waiting.load(std::memory_order_seq_cst) == 0) return;
    waiting.store(0, std::memory_order_seq_cst);
    bridge::futex_wake_all(&waiting);
  }

  // Calls handle(type, flags, id, payload) for every whole payload that is there. False: the ring is broken.
  template <typename Handle>
  bool read_all(Handle handle) {
    bridge::Record record;
    for (;;) {
      const bridge::ReadResult result = reader_.peek(&record);
      if (result == bridge::ReadResult::kEmpty) return true;
      if (result == bridge::ReadResult::kBroken) return false;
      std::string storage;
      const uint8_t* payload = nullptr;
      uint64_t bytes = 0;
      const auto added = assembler_.add(record, &storage, &payload, &bytes);
      if (added == bridge::Assembler::Result::kBroken) return false;
      if (added == bridge::Assembler::Result::kWhole) {
        const std::string whole(reinterpret_cast<const char*>(payload), bytes);
        const bridge::Record whose = record;
        // Before the record is handled: a slot may not be touched after the reply that lets go of it.
        release();
        if (!handle(whose.type, whose.flags, whose.id, whole)) return true;
      } else {
        release();
      }
    }
  }

 private:
  bridge::RingReader reader_;
  bridge::Assembler assembler_;
};

// Sleeps until the host rings, unless `has_work` sees something after saying so. False: `stop_fd` hung up.
template <typename HasWork>
bool sleep_until_rung(std::atomic<uint32_t>& engine_parked, int doorbell_fd, int stop_fd, HasWork has_work) {
  engine_parked.store(1, std::memory_order_seq_cst);
  pollfd watched[2] = {{doorbell_fd, POLLIN, 0}, {stop_fd, POLLIN, 0}};
  poll(watched, stop_fd >= 0 ? 2 : 1, has_work() ? 0 : -1);
  engine_parked.store(0, std::memory_order_seq_cst);
  uint64_t rings = 0;
  if ((watched[0].revents & POLLIN) != 0 && read(doorbell_fd, &rings, sizeof rings) < 0) return true;
  return stop_fd < 0 || watched[1].revents == 0;
}

template <typename Integer>
void append(std::string* to, Integer value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename Integer>
Integer read_at(const std::string& from, size_t at) {
  Integer value{};
  std::memcpy(&value, from.data() + at, sizeof value);
  return value;
}

}  // namespace polyraft::fake

#endif  // POLYRAFT_TEST_FAKE_ENGINE_END_H_
