// CRC-32C (Castagnoli), by the processor's instruction where it has one.
#ifndef POLYRAFT_ENGINE_CRC32C_H_
#define POLYRAFT_ENGINE_CRC32C_H_

#include <cstddef>
#include <cstdint>

namespace polyraft::engine {

// Checksum of the bytes, continued from `seed` (0 to begin): as Go's crc32.Update with the Castagnoli table.
uint32_t crc32c(uint32_t seed, const uint8_t* bytes, size_t length);

// The same by tables only, on every processor.
uint32_t crc32c_portable(uint32_t seed, const uint8_t* bytes, size_t length);

// Whether crc32c uses the processor's instruction here.
bool crc32c_is_accelerated();

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_CRC32C_H_
