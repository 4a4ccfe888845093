#include "engine/wal_frame.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "engine/crc32c.h"

namespace polyraft::engine {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes frame(uint32_t type, const Bytes& data, uint32_t* crc) {
  Bytes target(data.size() + kFrameOverheadBytes, 0xee);
  const size_t size = write_frame(target.data(), type, data.data(), data.size(), crc);
  // Nothing is written behind the frame.
  for (size_t i = size; i < target.size(); ++i) EXPECT_EQ(target[i], 0xee);
  target.resize(size);
  return target;
}

TEST(WalFrame, HasTheBytesOfTheFormat) {
  uint32_t crc = 0;
  // Record: type 2, checksum 0xe3069283 as a varint of five bytes, nine bytes of data: 19 bytes, 5 of
  // padding.
  const Bytes expected = {19,   0,    0,    0,    0,    0,    0, 0x85, 0x08, 2,   0x10,
                          0x83, 0xa5, 0x9a, 0x98, 0x0e, 0x1a, 9, '1',  '2',  '3', '4',
                          '5',  '6',  '7',  '8',  '9',  0,    0, 0,    0,    0};
  EXPECT_EQ(frame(2, {'1', '2', '3', '4', '5', '6', '7', '8', '9'}, &crc), expected);
  EXPECT_EQ(crc, 0xe3069283u);
}

TEST(WalFrame, RollsTheChecksumOverRecords) {
  uint32_t crc = 0;
  frame(2, {'1', '2', '3', '4'}, &crc);
  frame(2, {'5', '6', '7', '8', '9'}, &crc);
  EXPECT_EQ(crc, 0xe3069283u);
}

TEST(WalFrame, IsAlignedAndPaddedAtEverySize) {
  for (size_t size = 0; size < 300; ++size) {
    uint32_t crc = static_cast<uint32_t>(size) * 7919;
    const Bytes written = frame(2, Bytes(size, 'x'), &crc);
    ASSERT_EQ(written.size() % 8, 0u);
    uint64_t word = 0;
    memcpy(&word, written.data(), sizeof word);
    const uint64_t record_bytes = word & 0x00ffffffffffffff;
    const uint64_t padding = word >> 56 == 0 ? 0 : (word >> 56) & 0x7f;
    ASSERT_LT(padding, 8u);
    ASSERT_EQ(8 + record_bytes + padding, written.size());
    if (padding != 0) {
      ASSERT_NE(word >> 63, 0u);
    }
    for (size_t i = written.size() - padding; i < written.size(); ++i) ASSERT_EQ(written[i], 0);
  }
}

}  // namespace
}  // namespace polyraft::engine
