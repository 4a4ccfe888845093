#include "engine/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace polyraft::engine {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78u;  // reflected

// Slicing by eight: table[k] holds the checksum of a byte that is followed by k zero bytes.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = value;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 255];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

uint64_t load_u64(const uint8_t* at) {
  uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

#if defined(__x86_64__)

[[gnu::target("sse4.2")]] uint32_t crc32c_instruction(uint32_t seed, const uint8_t* bytes, size_t length) {
  uint64_t crc = ~seed;
  for (; length >= 8; bytes += 8, length -= 8) crc = _mm_crc32_u64(crc, load_u64(bytes));
  auto crc32 = static_cast<uint32_t>(crc);
  for (; length > 0; ++bytes, --length) crc32 = _mm_crc32_u8(crc32, *bytes);
  return ~crc32;
}

bool has_instruction() {
  return __builtin_cpu_supports("sse4.2") != 0;
}

#elif defined(__aarch64__)

[[gnu::target("+crc")]] uint32_t crc32c_instruction(uint32_t seed, const uint8_t* bytes, size_t length) {
  uint32_t crc = ~seed;
  for (; length >= 8; bytes += 8, length -= 8) crc = __crc32cd(crc, load_u64(bytes));
  for (; length > 0; ++bytes, --length) crc = __crc32cb(crc, *bytes);
  return ~crc;
}

bool has_instruction() {
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}

#else

uint32_t crc32c_instruction(uint32_t seed, const uint8_t* bytes, size_t length) {
  return crc32c_portable(seed, bytes, length);
}

bool has_instruction() {
  return false;
}

#endif

}  // namespace

uint32_t crc32c_portable(uint32_t seed, const uint8_t* bytes, size_t length) {
  uint32_t crc = ~seed;
  for (; length >= 8; bytes += 8, length -= 8) {
    const uint64_t word = load_u64(bytes) ^ crc;
    crc = kTables[7][word & 255] ^ kTables[6][(word >> 8) & 255] ^ kTables[5][(word >> 16) & 255] ^
          kTables[4][(word >> 24) & 255] ^ kTables[3][(word >> 32) & 255] ^ kTables[2][(word >> 40) & 255] ^
          kTables[1][(word >> 48) & 255] ^ kTables[0][word >> 56];
  }
  for (; length > 0; ++bytes, --length) crc = (crc >> 8) ^ kTables[0][(crc ^ *bytes) & 255];
  return ~crc;
}

bool crc32c_is_accelerated() {
  static const bool accelerated = has_instruction();
  return accelerated;
}

uint32_t crc32c(uint32_t seed, const uint8_t* bytes, size_t length) {
  return crc32c_is_accelerated() ? crc32c_instruction(seed, bytes, length)
                                 : crc32c_portable(seed, bytes, length);
}

}  // namespace polyraft::engine
