// Frames of the write-ahead log, in etcd's format (walpb.Record behind a length word).
#ifndef POLYRAFT_ENGINE_WAL_FRAME_H_
#define POLYRAFT_ENGINE_WAL_FRAME_H_

#include <cstddef>
#include <cstdint>

namespace polyraft::engine {

// Most bytes that a frame has beside the record's data.
inline constexpr size_t kFrameOverheadBytes = 40;

// Writes one frame at `target`, which has room for length + kFrameOverheadBytes: a little-endian length word
// with the padding count in its top byte, the record (type, rolling checksum, data), zeros up to eight bytes.
// Updates *crc, the checksum over the data of all records so far. Returns the frame's size.
size_t write_frame(uint8_t* target, uint32_t record_type, const uint8_t* data, size_t length, uint32_t* crc);

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_WAL_FRAME_H_
