// One ring, one thread: what is written is read, whatever the sizes; what is damaged is refused.
#include "bridge/ring.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "bridge/assembler.h"
#include "bridge/region.h"

namespace polyraft::bridge {
namespace {

constexpr uint32_t kBytes = 4096;

struct Memory {
  alignas(64) uint8_t bytes[protocol::kRING_HEADER_BYTES + kBytes] = {};
  RingMemory ring() { return {bytes, kBytes}; }
};

bool write(RingWriter& writer, uint64_t id, const std::string& payload) {
  uint8_t* const target = writer.reserve(static_cast<uint32_t>(payload.size()));
  if (target == nullptr) return false;
  std::memcpy(target, payload.data(), payload.size());
  writer.publish(protocol::kPROPOSE, 0, id, payload.size());
  return true;
}

TEST(Ring, KeepsOrderAndContentThroughManyWraps) {
  Memory memory;
  RingWriter writer(memory.ring());
  RingReader reader(memory.ring());
  std::mt19937 random(7);
  std::vector<std::string> written;
  size_t read = 0;
  Record record;
  for (int turn = 0; turn < 20000; turn++) {
    const std::string payload(random() % (max_chunk_bytes(kBytes) + 1), static_cast<char>('a' + turn % 26));
    if (write(writer, written.size(), payload)) {
      written.push_back(payload);
    } else {
      ASSERT_EQ(reader.peek(&record), ReadResult::kRecord);
    }
    if (random() % 2 == 0) continue;
    const ReadResult result = reader.peek(&record);
    ASSERT_NE(result, ReadResult::kBroken);
    if (result == ReadResult::kEmpty) continue;
    ASSERT_EQ(record.id, read);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(record.data) % 8, 0u);
    ASSERT_EQ(std::string(reinterpret_cast<const char*>(record.data), record.length), written[read]);
    reader.release();
    read++;
  }
  EXPECT_GT(read, 5000u);
}

TEST(Ring, PositionsPassTheirHighestValue) {
  Memory memory;
  const uint32_t near_the_end = 0xffffffffu - 3000 / 8 * 8 - 7;
  memory.ring().head().store(near_the_end & ~7u);
  memory.ring().tail().store(near_the_end & ~7u);
  RingWriter writer(memory.ring());
  RingReader reader(memory.ring());
  Record record;
  for (uint64_t each = 0; each < 100; each++) {
    ASSERT_TRUE(write(writer, each, std::string(each * 7 % 500, 'x')));
    ASSERT_EQ(reader.peek(&record), ReadResult::kRecord);
    ASSERT_EQ(record.id, each);
    reader.release();
  }
}

TEST(Ring, FillsToTheLastByte) {
  Memory memory;
  RingWriter writer(memory.ring());
  for (int each = 0; each < 4; each++)
    ASSERT_TRUE(write(writer, 1, std::string(max_chunk_bytes(kBytes), 'x')));
  EXPECT_FALSE(write(writer, 1, ""));
}

// Whatever a dying engine leaves behind, the reader stays inside the ring and says so.
TEST(Ring, NonsenseIsRefused) {
  const auto broken = [](const auto& damage) {
    Memory memory;
    RingWriter writer(memory.ring());
    RingReader reader(memory.ring());
    write(writer, 1, "hello");
    damage(memory, memory.bytes + protocol::kRING_HEADER_BYTES);
    Record record;
    return reader.peek(&record) == ReadResult::kBroken;
  };
  const auto set32 = [](uint8_t* at, uint32_t value) { std::memcpy(at, &value, 4); };
  EXPECT_TRUE(broken([&](Memory&, uint8_t* record) { set32(record, 0xffffffffu); }));
  EXPECT_TRUE(broken([&](Memory&, uint8_t* record) { set32(record, 9); }));
  EXPECT_TRUE(broken([&](Memory&, uint8_t* record) { set32(record, kBytes); }));
  EXPECT_TRUE(broken([&](Memory&, uint8_t* record) { set32(record, 4); }));
  EXPECT_TRUE(broken([&](Memory&, uint8_t* record) { record[protocol::kRECORD_TYPE_AT] = 0; }));
  EXPECT_TRUE(broken([&](Memory&, uint8_t* record) { record[protocol::kRECORD_TOTAL_AT] = 77; }));
  EXPECT_TRUE(broken([&](Memory& memory, uint8_t*) { memory.ring().tail().store(8); }));
  EXPECT_TRUE(broken([&](Memory& memory, uint8_t*) { memory.ring().tail().store(31); }));
  EXPECT_TRUE(broken([&](Memory& memory, uint8_t*) { memory.ring().tail().store(kBytes + 8); }));
  EXPECT_TRUE(broken([&](Memory& memory, uint8_t*) { memory.ring().tail().store(0u - 8); }));
  EXPECT_FALSE(broken([&](Memory&, uint8_t*) {}));
}

TEST(Ring, RandomBytesNeverLeadOutside) {
  std::mt19937 random(11);
  for (int turn = 0; turn < 20000; turn++) {
    Memory memory;
    for (size_t at = protocol::kRING_HEADER_BYTES; at < 600; at++)
      memory.bytes[at] = static_cast<uint8_t>(random() % 7);
    memory.ring().tail().store(random() % 5 == 0 ? random() : random() % kBytes / 8 * 8);
    RingReader reader(memory.ring());
    Assembler assembler(kBytes);
    Record record;
    while (reader.peek(&record) == ReadResult::kRecord) {
      ASSERT_GE(record.data, memory.bytes + protocol::kRING_HEADER_BYTES);
      ASSERT_LE(record.data + record.length, memory.bytes + sizeof memory.bytes);
      std::string storage;
      const uint8_t* payload = nullptr;
      uint64_t bytes = 0;
      if (assembler.add(record, &storage, &payload, &bytes) == Assembler::Result::kBroken) break;
      reader.release();
    }
  }
}

TEST(Assembler, InterleavedChunksAndTheirFaults) {
  Assembler assembler(100);
  std::string storage;
  const uint8_t* payload = nullptr;
  uint64_t bytes = 0;
  const auto add = [&](uint64_t id, uint16_t flags, const std::string& data, uint64_t total) {
    Record record;
    record.type = protocol::kREPLY;
    record.flags = flags;
    record.id = id;
    record.length = static_cast<uint32_t>(data.size());
    record.total = total;
    record.data = reinterpret_cast<const uint8_t*>(data.data());
    return assembler.add(record, &storage, &payload, &bytes);
  };
  constexpr uint16_t kMiddle = protocol::kMORE | protocol::kCONTINUATION;
  EXPECT_EQ(add(1, protocol::kMORE, "ab", 6), Assembler::Result::kUnfinished);
  EXPECT_EQ(add(2, protocol::kMORE, "12", 4), Assembler::Result::kUnfinished);
  EXPECT_EQ(add(1, kMiddle, "cd", 6), Assembler::Result::kUnfinished);
  EXPECT_EQ(add(2, protocol::kCONTINUATION, "34", 4), Assembler::Result::kWhole);
  EXPECT_EQ(storage, "1234");
  EXPECT_EQ(add(1, protocol::kCONTINUATION, "ef", 6), Assembler::Result::kWhole);
  EXPECT_EQ(storage, "abcdef");
  EXPECT_EQ(add(1, protocol::kCONTINUATION, "gh", 6), Assembler::Result::kBroken);
  EXPECT_EQ(add(3, protocol::kMORE, "ab", 101), Assembler::Result::kBroken);
  EXPECT_EQ(add(4, protocol::kMORE, "ab", 3), Assembler::Result::kUnfinished);
  EXPECT_EQ(add(4, protocol::kCONTINUATION, "cd", 3), Assembler::Result::kBroken);
  EXPECT_EQ(add(4, protocol::kMORE, "ab", 4), Assembler::Result::kUnfinished);
  EXPECT_EQ(add(4, protocol::kCONTINUATION, "c", 4), Assembler::Result::kBroken);
  // A fresh beginning discards what its producer gave up.
  EXPECT_EQ(add(4, protocol::kMORE, "xy", 3), Assembler::Result::kUnfinished);
  EXPECT_EQ(add(4, protocol::kCONTINUATION, "z", 3), Assembler::Result::kWhole);
  EXPECT_EQ(storage, "xyz");
}

}  // namespace
}  // namespace polyraft::bridge
