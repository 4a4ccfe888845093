// Protobuf's variable-length numbers.
#ifndef POLYRAFT_ENGINE_VARINT_H_
#define POLYRAFT_ENGINE_VARINT_H_

#include <cstdint>

namespace polyraft::engine {

// At most ten bytes; returns the position behind them.
inline uint8_t* put_varint(uint8_t* at, uint64_t value) {
  for (; value >= 128; value >>= 7) *at++ = static_cast<uint8_t>(value | 128);
  *at++ = static_cast<uint8_t>(value);
  return at;
}

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_VARINT_H_
