// Reading and writing the records of one ring, without sleeping or waking: what both ends share. See the
// ring's description in protocol_generated.h. The other end may be a process that is dying: a reader checks
// every record.
#ifndef POLYRAFT_BRIDGE_RING_H_
#define POLYRAFT_BRIDGE_RING_H_

#include <cstdint>
#include <cstring>

#include "protocol_generated.h"
#include "region.h"

namespace polyraft::bridge {

inline constexpr uint64_t align_record(uint64_t bytes) {
  return (bytes + (protocol::kRECORD_ALIGNMENT_BYTES - 1)) & ~uint64_t{protocol::kRECORD_ALIGNMENT_BYTES - 1};
}

// The most payload that one record of a ring carries.
inline constexpr uint32_t max_chunk_bytes(uint32_t ring_bytes) {
  return ring_bytes / 4 - protocol::kRECORD_HEADER_BYTES;
}

// A record in place: `data` points into the ring and is valid until it is released.
struct Record {
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t length = 0;
  uint64_t id = 0;
  uint64_t total = 0;
  const uint8_t* data = nullptr;

  bool continues() const { return (flags & protocol::kCONTINUATION) != 0; }
  bool has_more() const { return (flags & protocol::kMORE) != 0; }
};

enum class ReadResult { kRecord, kEmpty, kBroken };

// One thread at a time.
class RingReader {
 public:
  explicit RingReader(RingMemory memory)
      : memory_(memory), head_(memory.head().load(std::memory_order_relaxed)) {}

  const RingMemory& memory() const { return memory_; }

  bool is_empty(std::memory_order order) const { return memory_.tail().load(order) == head_; }

  // The next record, which stays in the ring until release(). kBroken: the ring cannot be trusted any more.
  ReadResult peek(Record* record) {
    for (;;) {
      const uint32_t tail = memory_.tail().load(std::memory_order_acquire);
      const uint32_t available = tail - head_;
      if (available == 0) return ReadResult::kEmpty;
      if (available > memory_.bytes || available % protocol::kRECORD_ALIGNMENT_BYTES != 0)
        return ReadResult::kBroken;
      const uint32_t offset = head_ & (memory_.bytes - 1);
      const uint32_t contiguous = memory_.bytes - offset;
      const uint8_t* at = memory_.records() + offset;
      uint32_t length = 0;
      uint16_t type = 0;
      std::memcpy(&length, at + protocol::kRECORD_LENGTH_AT, sizeof length);
      std::memcpy(&type, at + protocol::kRECORD_TYPE_AT, sizeof type);
      if (type == protocol::kPAD) {
        if (uint64_t{length} + protocol::kPAD_HEADER_BYTES != contiguous || contiguous > available) {
          return ReadResult::kBroken;
        }
        head_ += contiguous;
        continue;
      }
      const uint64_t size = align_record(uint64_t{length} + protocol::kRECORD_HEADER_BYTES);
      if (size > memory_.bytes / 4 || size > contiguous || size > available) return ReadResult::kBroken;
      record->type = type;
      record->length = length;
      std::memcpy(&record->flags, at + protocol::kRECORD_FLAGS_AT, sizeof record->flags);
      std::memcpy(&record->id, at + protocol::kRECORD_ID_AT, sizeof record->id);
      std::memcpy(&record->total, at + protocol::kRECORD_TOTAL_AT, sizeof record->total);
      record->data = at + protocol::kRECORD_HEADER_BYTES;
      const bool is_chunk = record->continues() || record->has_more();
      if (is_chunk ? record->total < length : record->total != length) return ReadResult::kBroken;
      size_ = static_cast<uint32_t>(size);
      return ReadResult::kRecord;
    }
  }

  // Gives the room of the record that peek returned back to the producer.
  void release() {
    head_ += size_;
    size_ = 0;
    memory_.head().store(head_, std::memory_order_seq_cst);
  }

 private:
  RingMemory memory_;
  uint32_t head_;
  uint32_t size_ = 0;
};

// One thread at a time.
class RingWriter {
 public:
  explicit RingWriter(RingMemory memory)
      : memory_(memory), tail_(memory.tail().load(std::memory_order_relaxed)) {}

  const RingMemory& memory() const { return memory_; }

  // Room for one record with this many payload bytes (at most max_chunk_bytes), with a pad where it would
  // wrap: where its payload goes, or null when there is no room now. Nothing is visible to the reader before
  // publish().
  uint8_t* reserve(uint32_t length) {
    const auto size = static_cast<uint32_t>(align_record(uint64_t{length} + protocol::kRECORD_HEADER_BYTES));
    const uint32_t used = tail_ - memory_.head().load(std::memory_order_seq_cst);
    const uint32_t offset = tail_ & (memory_.bytes - 1);
    const uint32_t contiguous = memory_.bytes - offset;
    const uint32_t pad = contiguous < size ? contiguous : 0;
    // A head out of range is a dead reader's garbage; then there is no room, and the death will be noticed.
    if (used > memory_.bytes || uint64_t{used} + pad + size > memory_.bytes) return nullptr;
    if (pad != 0)
      write_head(memory_.records() + offset, pad - protocol::kPAD_HEADER_BYTES, protocol::kPAD, 0);
    start_ = tail_ + pad;
    end_ = start_ + size;
    length_ = length;
    return memory_.records() + (start_ & (memory_.bytes - 1)) + protocol::kRECORD_HEADER_BYTES;
  }

  void publish(uint16_t type, uint16_t flags, uint64_t id, uint64_t total) {
    uint8_t* at = memory_.records() + (start_ & (memory_.bytes - 1));
    write_head(at, length_, type, flags);
    std::memcpy(at + protocol::kRECORD_ID_AT, &id, sizeof id);
    std::memcpy(at + protocol::kRECORD_TOTAL_AT, &total, sizeof total);
    tail_ = end_;
    memory_.tail().store(tail_, std::memory_order_seq_cst);
  }

 private:
  static void write_head(uint8_t* at, uint32_t length, uint16_t type, uint16_t flags) {
    std::memcpy(at + protocol::kRECORD_LENGTH_AT, &length, sizeof length);
    std::memcpy(at + protocol::kRECORD_TYPE_AT, &type, sizeof type);
    std::memcpy(at + protocol::kRECORD_FLAGS_AT, &flags, sizeof flags);
  }

  RingMemory memory_;
  uint32_t tail_;
  uint32_t start_ = 0;
  uint32_t end_ = 0;
  uint32_t length_ = 0;
};

}  // namespace polyraft::bridge

#endif  // POLYRAFT_BRIDGE_RING_H_
