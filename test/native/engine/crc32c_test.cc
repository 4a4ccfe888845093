#include "engine/crc32c.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace polyraft::engine {
namespace {

uint32_t crc_of(const char* text) {
  return crc32c(0, reinterpret_cast<const uint8_t*>(text), strlen(text));
}

// Check value of the CRC catalogue, and two test vectors of RFC 3720, appendix B.4.
TEST(Crc32c, HasThePublishedValues) {
  EXPECT_EQ(crc_of("123456789"), 0xe3069283u);
  const std::vector<uint8_t> zeros(32, 0x00);
  const std::vector<uint8_t> ones(32, 0xff);
  EXPECT_EQ(crc32c(0, zeros.data(), zeros.size()), 0x8a9136aau);
  EXPECT_EQ(crc32c(0, ones.data(), ones.size()), 0x62a8ab43u);
  EXPECT_EQ(crc32c(0, nullptr, 0), 0u);
}

TEST(Crc32c, TablesAndInstructionAgreeAtEveryLengthAndAlignment) {
  std::mt19937 random(1);
  std::vector<uint8_t> bytes(512);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  for (size_t start = 0; start < 9; ++start) {
    for (size_t length = 0; length + start <= bytes.size(); length += 1 + length / 20) {
      const uint32_t seed = random();
      ASSERT_EQ(crc32c(seed, bytes.data() + start, length),
                crc32c_portable(seed, bytes.data() + start, length))
          << start << " " << length;
    }
  }
}

TEST(Crc32c, ContinuesFromAPart) {
  const char* const text = "the quick brown fox jumps over the lazy dog";
  for (size_t cut = 0; cut <= strlen(text); ++cut) {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(text);
    ASSERT_EQ(crc32c(crc32c(0, bytes, cut), bytes + cut, strlen(text) - cut), crc_of(text));
  }
}

}  // namespace
}  // namespace polyraft::engine
