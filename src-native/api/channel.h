// A server's slot in one run of the engine: four rings.
#ifndef POLYRAFT_API_CHANNEL_H_
#define POLYRAFT_API_CHANNEL_H_

#include <atomic>
#include <memory>
#include <utility>

#include "api/engine.h"
#include "bridge/assembler.h"
#include "bridge/host_consumer.h"
#include "bridge/host_producer.h"

namespace polyraft {

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  // Bound of a payload of the event ring that comes in chunks: replies and messages.
  static constexpr uint64_t kEventPayloadBytesMax = uint64_t{256} << 20;

  // Owns the slot, which it returns to the engine at the end when `give_back` was called.
  Channel(std::shared_ptr<Engine> engine, uint32_t slot)
      : commands(engine->region().command_ring(slot), &engine->doorbell()),
        submits(engine->region().submit_ring(slot), &engine->doorbell()),
        events(engine->region().event_ring(slot), &engine->doorbell()),
        applies(engine->region().apply_ring(slot), &engine->doorbell()),
        event_assembler(kEventPayloadBytesMax),
        engine_(std::move(engine)),
        slot_(slot) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    if (give_back_) engine_->return_slot(slot_);
  }

  Engine& engine() const { return *engine_; }
  uint32_t slot() const { return slot_; }
  std::atomic<uint64_t>& applied_word() const { return engine_->region().applied_index(slot_); }
  // Only the apply thread writes: no read-modify-write is needed.
  void count_apply(uint64_t nanoseconds) const {
    uint32_t bucket = 0;
    uint64_t bound = protocol::kAPPLY_TIME_FIRST_NANOSECONDS;
    while (bucket + 1 < protocol::kAPPLY_TIME_BUCKETS && nanoseconds > bound) {
      bucket++;
      bound *= 4;
    }
    add_to(engine_->region().apply_time(slot_, bucket), 1);
    add_to(engine_->region().apply_time(slot_, protocol::kAPPLY_TIME_BUCKETS), nanoseconds);
  }
  bool is_dead() const { return engine_->is_dead(); }
  // The engine does not use the slot any more.
  void give_back() { give_back_ = true; }

  bridge::HostProducer commands;
  bridge::HostProducer submits;
  bridge::HostConsumer events;
  bridge::HostConsumer applies;
  // Of the thread that reads `events` now.
  bridge::Assembler event_assembler;

 private:
  static void add_to(std::atomic<uint64_t>& word, uint64_t amount) {
    word.store(word.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  const std::shared_ptr<Engine> engine_;
  const uint32_t slot_;
  std::atomic<bool> give_back_{false};
};

}  // namespace polyraft

#endif  // POLYRAFT_API_CHANNEL_H_
