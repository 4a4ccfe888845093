#include "engine/engine_host.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdlib>

#include "bridge/protocol_generated.h"

namespace polyraft::engine {
namespace {

EngineHost host;
bool is_set = false;

// -1 when the variable is absent or no open descriptor. The descriptor is closed on exec from here on.
int descriptor_from(const char* variable) {
  const char* text = getenv(variable);
  if (text == nullptr || *text == '\0') return -1;
  char* end = nullptr;
  const long fd = strtol(text, &end, 10);
  if (*end != '\0' || fd < 0 || fd > INT32_MAX) return -1;
  return fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC) == 0 ? static_cast<int>(fd) : -1;
}

bool map_at(void* address, size_t bytes, int fd) {
  return mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) !=
         MAP_FAILED;
}

const char* map_inherited_region() {
  if (getenv(kRegionFdVariable) == nullptr) return nullptr;
  const int fd = descriptor_from(kRegionFdVariable);
  const int doorbell_fd = descriptor_from(kDoorbellFdVariable);
  if (fd < 0 || doorbell_fd < 0)
    return "POLYRAFT_REGION_FD and POLYRAFT_DOORBELL_FD must name inherited descriptors";
  struct stat info {};
  if (fstat(fd, &info) != 0 || info.st_size < static_cast<off_t>(protocol::kFIRST_SLOT_AT)) {
    return "POLYRAFT_REGION_FD is not a bridge region";
  }
  const auto region_bytes = static_cast<size_t>(info.st_size);
  size_t arena_bytes = 0;
  const int arena_fd = descriptor_from(kArenaFdVariable);
  if (arena_fd >= 0) {
    if (region_bytes != protocol::kARENA_AT || fstat(arena_fd, &info) != 0)
      return "POLYRAFT_ARENA_FD is not an arena";
    arena_bytes = static_cast<size_t>(info.st_size);
  }
  // One range of addresses, so that the engine sees one buffer.
  void* const base = mmap(nullptr, region_bytes + arena_bytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return "there is no room for the bridge region";
  if (!map_at(base, region_bytes, fd)) return "the bridge region cannot be mapped";
  if (arena_bytes != 0 && !map_at(static_cast<uint8_t*>(base) + region_bytes, arena_bytes, arena_fd))
    return "the arena cannot be mapped";
  host = {static_cast<uint8_t*>(base), region_bytes + arena_bytes, doorbell_fd, "process"};
  return nullptr;
}

}  // namespace

const EngineHost* engine_host(const char** error) {
  if (!is_set) {
    const char* problem = map_inherited_region();
    if (problem != nullptr) {
      *error = problem;
      return nullptr;
    }
    is_set = true;
  }
  return &host;
}

void set_engine_host(const EngineHost& embedded) {
  host = embedded;
  is_set = true;
}

}  // namespace polyraft::engine
