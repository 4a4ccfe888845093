// What the engine's host has handed over: the bridge region and the doorbell.
#ifndef POLYRAFT_ENGINE_ENGINE_HOST_H_
#define POLYRAFT_ENGINE_ENGINE_HOST_H_

#include <cstddef>
#include <cstdint>

namespace polyraft::engine {

// In a child process these environment variables name the inherited descriptors.
inline constexpr char kRegionFdVariable[] = "POLYRAFT_REGION_FD";
inline constexpr char kDoorbellFdVariable[] = "POLYRAFT_DOORBELL_FD";
// Only where the host shares an arena.
inline constexpr char kArenaFdVariable[] = "POLYRAFT_ARENA_FD";

struct EngineHost {
  // With the arena behind it, where there is one. Mapped for the life of the engine; null when there is no
  // host (tools, tests).
  uint8_t* region = nullptr;
  size_t region_bytes = 0;
  // An eventfd that does not block; -1 when there is no host.
  int doorbell_fd = -1;
  // "embedded", "process", or "none".
  const char* runtime = "none";
};

// The host of this engine. `*error` is set to a text when there is one that cannot be used (then the result
// is null).
const EngineHost* engine_host(const char** error);

// Embedded runtime, before the engine starts: what engine_host answers.
void set_engine_host(const EngineHost& host);

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_ENGINE_HOST_H_
