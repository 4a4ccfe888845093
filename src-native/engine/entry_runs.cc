#include "engine/entry_runs.h"

#include <cstring>

#include "engine/varint.h"

namespace polyraft::engine {
namespace {

constexpr uint8_t kTypeTag = 0x08;
constexpr uint8_t kTermTag = 0x10;
constexpr uint8_t kIndexTag = 0x18;
constexpr uint8_t kDataTag = 0x22;
constexpr size_t kPrefixBytes = 8;
// Type, three tags and three numbers of ten bytes at most.
constexpr size_t kEntryOverheadBytes = 40;
constexpr size_t kPayloadHeaderBytes = 8;
constexpr uint32_t kNotForHost = 1;

// Null when the number does not end before `end`, or within 63 bits.
const uint8_t* read_varint(const uint8_t* at, const uint8_t* end, uint64_t* value) {
  uint64_t number = 0;
  for (unsigned shift = 0; at < end && shift < 63; shift += 7) {
    const uint8_t byte = *at++;
    number |= static_cast<uint64_t>(byte & 127) << shift;
    if (byte < 128) {
      *value = number;
      return at;
    }
  }
  return nullptr;
}

const uint8_t* read_field(const uint8_t* at, const uint8_t* end, uint8_t tag, uint64_t* value) {
  return at < end && *at == tag ? read_varint(at + 1, end, value) : nullptr;
}

// Where the payload of the entry in [at, end) starts; null when it is not a normal one of this term and index
// in the usual form.
const uint8_t* payload_of(const uint8_t* at, const uint8_t* end, uint64_t term, uint64_t index) {
  uint64_t type = 0;
  uint64_t entry_term = 0;
  uint64_t entry_index = 0;
  if ((at = read_field(at, end, kTypeTag, &type)) == nullptr || type != 0) return nullptr;
  if ((at = read_field(at, end, kTermTag, &entry_term)) == nullptr || entry_term != term) return nullptr;
  if ((at = read_field(at, end, kIndexTag, &entry_index)) == nullptr || entry_index != index) return nullptr;
  if (at == end) return at;
  uint64_t length = 0;
  if ((at = read_field(at, end, kDataTag, &length)) == nullptr) return nullptr;
  return length == static_cast<uint64_t>(end - at) ? at : nullptr;
}

void put_prefix(uint8_t* at, uint64_t size) {
  const uint64_t word = __builtin_bswap64(size);
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  std::memcpy(at, &word, sizeof word);
}

bool has_room(WriteBytes target, size_t at, size_t size) {
  return at <= target.length && target.length - at >= size;
}

}  // namespace

size_t encode_entries(WriteBytes target, size_t at, ReadBytes source, const uint32_t* starts,
                      const uint32_t* ends, size_t count, uint64_t first_index, uint64_t term,
                      uint32_t* entry_ends, uint32_t* data_starts) {
  uint8_t head[kEntryOverheadBytes];
  for (size_t i = 0; i < count; ++i) {
    if (starts[i] > ends[i] || ends[i] > source.length) return kDoesNotFit;
    const size_t length = ends[i] - starts[i];
    uint8_t* next = head;
    *next++ = kTypeTag;
    *next++ = 0;
    *next++ = kTermTag;
    next = put_varint(next, term);
    *next++ = kIndexTag;
    next = put_varint(next, first_index + i);
    if (length > 0) {
      *next++ = kDataTag;
      next = put_varint(next, length);
    }
    const auto head_bytes = static_cast<size_t>(next - head);
    if (!has_room(target, at, head_bytes + length)) return kDoesNotFit;
    std::memcpy(target.data + at, head, head_bytes);
    at += head_bytes;
    data_starts[i] = static_cast<uint32_t>(at);
    if (length > 0) std::memcpy(target.data + at, source.data + starts[i], length);
    at += length;
    entry_ends[i] = static_cast<uint32_t>(at);
  }
  return at;
}

size_t prefix_entries(WriteBytes target, size_t at, ReadBytes source, size_t start, const uint32_t* ends,
                      size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const size_t end = ends[i];
    if (start > end || end > source.length || !has_room(target, at, kPrefixBytes + (end - start))) {
      return kDoesNotFit;
    }
    put_prefix(target.data + at, end - start);
    at += kPrefixBytes;
    std::memcpy(target.data + at, source.data + start, end - start);
    at += end - start;
    start = end;
  }
  return at;
}

size_t take_prefixed(WriteBytes target, size_t at, ReadBytes source, size_t start, size_t count,
                     uint64_t first_index, uint64_t term, uint32_t* entry_ends, uint32_t* data_starts) {
  size_t taken = 0;
  while (taken < count && start <= source.length && source.length - start >= kPrefixBytes) {
    uint64_t size = 0;
    std::memcpy(&size, source.data + start, sizeof size);
    size = __builtin_bswap64(size);
    const uint8_t* const entry = source.data + start + kPrefixBytes;
    if (size > source.length - start - kPrefixBytes || !has_room(target, at, size)) break;
    const uint8_t* const payload = payload_of(entry, entry + size, term, first_index + taken);
    if (payload == nullptr) break;
    std::memcpy(target.data + at, entry, size);
    data_starts[taken] = static_cast<uint32_t>(at + static_cast<size_t>(payload - entry));
    at += size;
    entry_ends[taken] = static_cast<uint32_t>(at);
    start += kPrefixBytes + size;
    ++taken;
  }
  return taken;
}

size_t write_payloads(WriteBytes target, size_t at, ReadBytes source, const uint32_t* data_starts,
                      const uint32_t* ends, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (data_starts[i] > ends[i] || ends[i] > source.length) return kDoesNotFit;
    const uint32_t length = ends[i] - data_starts[i];
    const size_t padded = (size_t{length} + 7) & ~size_t{7};
    if (!has_room(target, at, kPayloadHeaderBytes + padded)) return kDoesNotFit;
    const uint32_t head[2] = {length, length == 0 ? kNotForHost : 0};
    std::memcpy(target.data + at, head, sizeof head);
    at += kPayloadHeaderBytes;
    if (length > 0) std::memcpy(target.data + at, source.data + data_starts[i], length);
    at += padded;
  }
  return at;
}

}  // namespace polyraft::engine
