#include "engine/wal_frame.h"

#include <cassert>
#include <cstring>

#include "engine/crc32c.h"
#include "engine/varint.h"

namespace polyraft::engine {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr uint8_t kTypeTag = 0x08;
constexpr uint8_t kCrcTag = 0x10;
constexpr uint8_t kDataTag = 0x1a;
constexpr uint64_t kPaddingFlag = 0x80;

}  // namespace

size_t write_frame(uint8_t* target, uint32_t record_type, const uint8_t* data, size_t length, uint32_t* crc) {
  uint8_t* const record = target + kLengthBytes;
  uint8_t* at = record;
  *at++ = kTypeTag;
  at = put_varint(at, record_type);
  *crc = crc32c(*crc, data, length);
  *at++ = kCrcTag;
  at = put_varint(at, *crc);
  *at++ = kDataTag;
  at = put_varint(at, length);
  if (length > 0) std::memcpy(at, data, length);
  at += length;
  const auto record_bytes = static_cast<size_t>(at - record);
  const size_t padding = (kLengthBytes - record_bytes % kLengthBytes) % kLengthBytes;
  std::memset(at, 0, padding);
  uint64_t word = record_bytes;
  if (padding != 0) word |= (kPaddingFlag | padding) << 56;
  // Both processors that we build for are little-endian.
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  std::memcpy(target, &word, sizeof word);
  const size_t size = kLengthBytes + record_bytes + padding;
  assert(size <= length + kFrameOverheadBytes);
  return size;
}

}  // namespace polyraft::engine
