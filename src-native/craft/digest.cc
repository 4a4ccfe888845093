// raft_digest: SHA-1 (FIPS 180-4), for ids, not for secrets.
#include <craft/raft.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr size_t kBlockBytes = 64;

uint32_t rotate(uint32_t value, int bits) {
  return value << bits | value >> (32 - bits);
}

void put_big_endian(uint8_t* target, uint64_t value) {
  for (int i = 0; i < 8; i++) target[i] = static_cast<uint8_t>(value >> (56 - 8 * i));
}

void add_block(std::array<uint32_t, 5>& hash, const uint8_t* block) {
  std::array<uint32_t, 80> words{};
  for (size_t i = 0; i < 16; i++)
    words[i] = static_cast<uint32_t>(block[4 * i]) << 24 | static_cast<uint32_t>(block[4 * i + 1]) << 16 |
               static_cast<uint32_t>(block[4 * i + 2]) << 8 | block[4 * i + 3];
  for (size_t i = 16; i < words.size(); i++)
    words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  auto [a, b, c, d, e] = hash;
  for (size_t i = 0; i < words.size(); i++) {
    uint32_t mixed = 0;
    if (i < 20) {
      mixed = ((b & c) | (~b & d)) + 0x5a827999;
    } else if (i < 40) {
      mixed = (b ^ c ^ d) + 0x6ed9eba1;
    } else if (i < 60) {
      mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    } else {
      mixed = (b ^ c ^ d) + 0xca62c1d6;
    }
    const uint32_t next = rotate(a, 5) + mixed + e + words[i];
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  hash = {hash[0] + a, hash[1] + b, hash[2] + c, hash[3] + d, hash[4] + e};
}

}  // namespace

extern "C" unsigned long long raft_digest(const char* text, unsigned long long n) {
  const size_t text_bytes = strlen(text);
  const size_t bytes = text_bytes + 8;
  // The end mark, and the length in bits.
  std::vector<uint8_t> message((bytes + 1 + 8 + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
  memcpy(message.data(), text, text_bytes);
  put_big_endian(message.data() + text_bytes, n);
  message[bytes] = 0x80;
  put_big_endian(message.data() + message.size() - 8, uint64_t{bytes} * 8);
  std::array<uint32_t, 5> hash = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (size_t at = 0; at < message.size(); at += kBlockBytes) add_block(hash, message.data() + at);
  return static_cast<unsigned long long>(hash[3]) << 32 | hash[4];
}
