// Both ends at once: an echo engine on a thread of its own, producers that fight for room, sleepers on both
// sides.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "bridge/host_consumer.h"
#include "bridge/host_producer.h"
#include "fake/engine_end.h"

namespace polyraft::bridge {
namespace {

// Sends every payload of a slot's submit ring back on its apply ring.
class EchoEngine {
 public:
  explicit EchoEngine(const Region& region, const Doorbell& doorbell) : region_(region), doorbell_(doorbell) {
    thread_ = std::thread([this] { run(); });
  }
  ~EchoEngine() { stop(); }

  void stop() {
    stopping_ = true;
    doorbell_.ring();
    if (thread_.joinable()) thread_.join();
  }

  std::atomic<bool> broken{false};

 private:
  void run() {
    fake::Input input(region_.submit_ring(0));
    fake::Output output(region_.apply_ring(0));
    constexpr uint64_t kBacklogBytesMax = 16u << 20;
    const auto may_read = [&output] { return output.waiting_bytes() < kBacklogBytesMax; };
    while (!stopping_) {
      output.flush();
      if (may_read()) {
        const bool good =
            input.read_all([&](uint16_t type, uint16_t, uint64_t id, const std::string& payload) {
              output.send(type, id, payload);
              return may_read();
            });
        if (!good) broken = true;
      }
      fake::sleep_until_rung(region_.engine_parked(), doorbell_.fd(), -1,
                             [&] { return stopping_.load() || (may_read() && input.has_records()); });
    }
  }

  const Region& region_;
  const Doorbell& doorbell_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

struct Bridge {
  Bridge() {
    EXPECT_EQ(region.create_private(), 0);
    region.initialise(1);
    EXPECT_EQ(doorbell.create(&region.engine_parked()), 0);
    producer = std::make_unique<HostProducer>(region.submit_ring(0), &doorbell);
    consumer = std::make_unique<HostConsumer>(region.apply_ring(0), &doorbell);
  }
  Region region;
  Doorbell doorbell;
  std::unique_ptr<HostProducer> producer;
  std::unique_ptr<HostConsumer> consumer;
};

// id: thread in the high part, number within the thread in the low one. Content follows from both.
std::string content(uint64_t id, uint64_t size) {
  std::string text(size, '\0');
  for (uint64_t at = 0; at < size; at += 61) text[at] = static_cast<char>(id * 7 + at);
  return text;
}

void run_echo(int threads, uint64_t each_thread, uint64_t large_every) {
  Bridge bridge;
  EchoEngine engine(bridge.region, bridge.doorbell);
  std::vector<std::thread> producers;
  for (int thread = 0; thread < threads; thread++) {
    producers.emplace_back([&, thread] {
      std::mt19937_64 random(static_cast<uint64_t>(thread));
      for (uint64_t each = 0; each < each_thread; each++) {
        const uint64_t id = (static_cast<uint64_t>(thread) << 32) | each;
        const uint64_t size =
            large_every != 0 && each % large_every == large_every - 1 ? random() % 6000000 : random() % 3000;
        const std::string payload = content(id, size);
        ASSERT_EQ(
            bridge.producer->push(protocol::kPROPOSE, id, Payload{nullptr, 0, payload.data(), payload.size()},
                                  Chunks::kTogether, std::nullopt),
            Push::kOk);
      }
    });
  }
  std::vector<uint64_t> next(static_cast<size_t>(threads), 0);
  Assembler assembler(8000000);
  Record record;
  for (uint64_t received = 0; received < each_thread * static_cast<uint64_t>(threads);) {
    const ReadResult result = bridge.consumer->peek(&record);
    ASSERT_NE(result, ReadResult::kBroken);
    if (result == ReadResult::kEmpty) {
      bridge.consumer->wait(deadline_after_ms(60000));
      continue;
    }
    std::string storage;
    const uint8_t* payload = nullptr;
    uint64_t bytes = 0;
    const auto added = assembler.add(record, &storage, &payload, &bytes);
    ASSERT_NE(added, Assembler::Result::kBroken);
    if (added == Assembler::Result::kWhole) {
      ASSERT_EQ(record.id & 0xffffffffu, next[record.id >> 32]++);
      ASSERT_TRUE(content(record.id, bytes) == std::string(reinterpret_cast<const char*>(payload), bytes));
      received++;
    }
    bridge.consumer->release();
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_FALSE(engine.broken);
}

TEST(Echo, SmallRecordsOfManyThreads) {
  run_echo(4, 8000, 0);
}

TEST(Echo, LargeOnesBetween) {
  run_echo(3, 60, 5);
}

TEST(Echo, OneAtATimeWakesBothSides) {
  Bridge bridge;
  EchoEngine engine(bridge.region, bridge.doorbell);
  Record record;
  for (uint64_t each = 1; each <= 3000; each++) {
    ASSERT_EQ(bridge.producer->push(protocol::kPROPOSE, each, Payload{nullptr, 0, "ping", 4},
                                    Chunks::kTogether, std::nullopt),
              Push::kOk);
    while (bridge.consumer->peek(&record) == ReadResult::kEmpty)
      bridge.consumer->wait(deadline_after_ms(60000));
    ASSERT_EQ(record.id, each);
    bridge.consumer->release();
  }
}

TEST(HostProducer, DeadlineCancelAndCloseEndAWait) {
  Bridge bridge;
  const std::string megabyte(1000000, 'x');
  const Payload payload{nullptr, 0, megabyte.data(), megabyte.size()};
  const auto fill = [&](const Deadline& deadline, const std::atomic<bool>* cancel) {
    Push result = Push::kOk;
    while (result == Push::kOk) {
      result = bridge.producer->push(protocol::kPROPOSE, 1, payload, Chunks::kTogether, deadline, cancel);
    }
    return result;
  };
  EXPECT_EQ(fill(deadline_after_ms(20), nullptr), Push::kFull);
  EXPECT_EQ(fill(Clock::now(), nullptr), Push::kFull);
  std::atomic<bool> cancel{false};
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancel = true;
    bridge.producer->wake();
  });
  EXPECT_EQ(fill(std::nullopt, &cancel), Push::kCancelled);
  canceller.join();
  std::thread closer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    bridge.producer->close();
  });
  EXPECT_EQ(fill(std::nullopt, nullptr), Push::kClosed);
  closer.join();
}

// The reader dies while a payload is half written: its producer and those behind it are let go.
TEST(HostProducer, ReaderThatDiesMidRecord) {
  for (int round = 0; round < 20; round++) {
    Bridge bridge;
    auto engine = std::make_unique<EchoEngine>(bridge.region, bridge.doorbell);
    const std::string large(9000000 + round, 'x');
    std::atomic<int> ended{0};
    std::vector<std::thread> producers;
    for (int thread = 0; thread < 3; thread++) {
      producers.emplace_back([&] {
        Push result = Push::kOk;
        // Nobody reads the echo, so the engine stops reading sooner or later.
        while (result == Push::kOk) {
          int begun = 0;
          int abandoned = 0;
          result = bridge.producer->push(
              protocol::kPROPOSE, 0, Payload{nullptr, 0, large.data(), large.size()}, Chunks::kTogether,
              std::nullopt, nullptr,
              [&](uint64_t* id) {
                *id = 1;
                begun++;
                return true;
              },
              [&](uint64_t) { abandoned++; });
          EXPECT_LE(begun, 1);
          EXPECT_EQ(abandoned, result == Push::kOk ? 0 : begun);
        }
        EXPECT_EQ(result, Push::kClosed);
        ended++;
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    engine->stop();
    bridge.producer->close();
    for (std::thread& producer : producers) producer.join();
    EXPECT_EQ(ended, 3);
  }
}

TEST(HostConsumer, InterruptIsNeverMissed) {
  Bridge bridge;
  std::atomic<uint64_t> wanted{0};
  std::atomic<uint64_t> seen{0};
  std::thread sleeper([&] {
    while (seen < 5000) {
      if (wanted.load() == seen.load()) bridge.consumer->wait(deadline_after_ms(60000));
      seen = wanted.load();
    }
  });
  for (uint64_t each = 1; each <= 5000; each++) {
    wanted = each;
    bridge.consumer->interrupt();
    while (seen < each) std::this_thread::yield();
  }
  sleeper.join();
}

TEST(RegionMemory, SharedOneIsSealedAndChecked) {
  Region region;
  ASSERT_EQ(region.create_shared(), 0);
  EXPECT_NE(ftruncate(region.fd(), 4096), 0);
  Region early;
  EXPECT_NE(early.open_shared(dup(region.fd())), 0);
  region.initialise(3);
  Region other;
  ASSERT_EQ(other.open_shared(dup(region.fd())), 0);
  EXPECT_EQ(other.word(protocol::kREGION_ENGINE_EPOCH_AT).load(), 3u);
  region.applied_index(63).store(17);
  EXPECT_EQ(other.applied_index(63).load(), 17u);
  region.clear_slot(63);
  EXPECT_EQ(other.applied_index(63).load(), 0u);
  Region nonsense;
  EXPECT_NE(nonsense.open_shared(-1), 0);
}

}  // namespace
}  // namespace polyraft::bridge
