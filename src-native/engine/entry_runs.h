// Runs of log entries, each a raftpb.Entry: encoded, put into frames and taken out of them, and handed to the
// host, a run at a time. What src-ts does entry by entry in the same way, for where there is no addon.
#ifndef POLYRAFT_ENGINE_ENTRY_RUNS_H_
#define POLYRAFT_ENGINE_ENTRY_RUNS_H_

#include <cstddef>
#include <cstdint>

namespace polyraft::engine {

struct ReadBytes {
  const uint8_t* data;
  size_t length;
};

struct WriteBytes {
  uint8_t* data;
  size_t length;
};

// What functions return when a range lies outside of its bytes or there is no room; part of the target may
// have been written then.
inline constexpr size_t kDoesNotFit = SIZE_MAX;

// Encodes normal entries with these payloads, source[starts[i], ends[i]), behind each other from target[at]
// on. Entry i gets index first_index + i; entry_ends[i] and data_starts[i] are where it and its payload lie.
// Returns the end.
size_t encode_entries(WriteBytes target, size_t at, ReadBytes source, const uint32_t* starts,
                      const uint32_t* ends, size_t count, uint64_t first_index, uint64_t term,
                      uint32_t* entry_ends, uint32_t* data_starts);

// Copies encoded entries, the first from source[start] on and each up to ends[i], to target[at], a big-endian
// u64 length before each. Returns the end.
size_t prefix_entries(WriteBytes target, size_t at, ReadBytes source, size_t start, const uint32_t* ends,
                      size_t count);

// The reverse, from source[start] on, for normal entries of this term with indexes from first_index on in the
// usual form (fields in order, each once). Returns how many were taken: it stops before the first that is
// something else, is not there whole, or has no room.
size_t take_prefixed(WriteBytes target, size_t at, ReadBytes source, size_t start, size_t count,
                     uint64_t first_index, uint64_t term, uint32_t* entry_ends, uint32_t* data_starts);

// Writes the entries' payloads, source[data_starts[i], ends[i]), as the bridge's batch record has them: a u32
// length, a u32 that is 1 when it is empty, the bytes, up to a multiple of eight. Returns the end.
size_t write_payloads(WriteBytes target, size_t at, ReadBytes source, const uint32_t* data_starts,
                      const uint32_t* ends, size_t count);

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_ENTRY_RUNS_H_
