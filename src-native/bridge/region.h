// The one memory region of an engine: control rings, then a slot of four rings for each server. Sparse: pages
// that no server has used cost nothing. The layout is definitions/polyraft.json's.
#ifndef POLYRAFT_BRIDGE_REGION_H_
#define POLYRAFT_BRIDGE_REGION_H_

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "protocol_generated.h"

namespace polyraft::bridge {

static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);
static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8);

inline constexpr size_t kRegionBytes =
    protocol::kFIRST_SLOT_AT + static_cast<size_t>(protocol::kMAX_SERVERS) * protocol::kSLOT_BYTES;

// Where one ring lies: its header, then `bytes` (a power of two) of records.
struct RingMemory {
  uint8_t* header = nullptr;
  uint32_t bytes = 0;

  std::atomic<uint32_t>& word(uint32_t at) const {
    return *reinterpret_cast<std::atomic<uint32_t>*>(header + at);
  }
  std::atomic<uint32_t>& head() const { return word(protocol::kRING_HEAD); }
  std::atomic<uint32_t>& tail() const { return word(protocol::kRING_TAIL); }
  std::atomic<uint32_t>& consumer_parked() const { return word(protocol::kRING_CONSUMER_PARKED); }
  std::atomic<uint32_t>& producer_waiting() const { return word(protocol::kRING_PRODUCER_WAITING); }
  uint8_t* records() const { return header + protocol::kRING_HEADER_BYTES; }
};

class Region {
 public:
  Region() = default;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  ~Region() {
    if (base_ != nullptr) munmap(base_, kRegionBytes);
    if (fd_ >= 0) close(fd_);
  }

  // Plain memory of this process, for an engine on a thread of it. 0 or errno.
  int create_private() {
    void* mapped = mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return adopt(mapped, -1);
  }

  // A memfd that a child maps too. It is sealed: a dying child cannot truncate it under us. 0 or errno.
  int create_shared() {
    const int fd = memfd_create("polyraft-bridge", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return errno;
    if (ftruncate(fd, static_cast<off_t>(kRegionBytes)) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
      const int error = errno;
      close(fd);
      return error;
    }
    return map(fd);
  }

  // The engine's side: maps a region that the host made. Takes ownership of fd. 0 or errno.
  int open_shared(int fd) {
    struct stat info {};
    if (fstat(fd, &info) != 0) return errno;
    if (info.st_size != static_cast<off_t>(kRegionBytes)) return EINVAL;
    const int error = map(fd);
    if (error != 0) return error;
    if (word(protocol::kREGION_MAGIC_AT).load() != protocol::kREGION_MAGIC) return EINVAL;
    return word(protocol::kREGION_VERSION_AT).load() == protocol::kPROTOCOL_VERSION ? 0 : EPROTO;
  }

  // Writes the header of a fresh region.
  void initialise(uint32_t epoch) {
    word(protocol::kREGION_MAGIC_AT).store(protocol::kREGION_MAGIC);
    word(protocol::kREGION_VERSION_AT).store(protocol::kPROTOCOL_VERSION);
    word(protocol::kREGION_SLOTS_AT).store(protocol::kMAX_SERVERS);
    word(protocol::kREGION_ENGINE_EPOCH_AT).store(epoch);
    word(protocol::kREGION_HOST_PID_AT).store(static_cast<uint32_t>(getpid()));
  }

  int fd() const { return fd_; }
  uint8_t* base() const { return base_; }
  std::atomic<uint32_t>& word(uint32_t at) const {
    return *reinterpret_cast<std::atomic<uint32_t>*>(base_ + at);
  }
  std::atomic<uint32_t>& engine_parked() const { return word(protocol::kREGION_ENGINE_PARKED_AT); }

  RingMemory control_command_ring() const {
    return {base_ + protocol::kCONTROL_COMMAND_RING_AT, protocol::kCONTROL_COMMAND_RING_BYTES};
  }
  RingMemory control_event_ring() const {
    return {base_ + protocol::kCONTROL_EVENT_RING_AT, protocol::kCONTROL_EVENT_RING_BYTES};
  }
  RingMemory command_ring(uint32_t slot) const {
    return {slot_base(slot) + protocol::kSLOT_COMMAND_RING_AT, protocol::kSLOT_COMMAND_RING_BYTES};
  }
  RingMemory event_ring(uint32_t slot) const {
    return {slot_base(slot) + protocol::kSLOT_EVENT_RING_AT, protocol::kSLOT_EVENT_RING_BYTES};
  }
  RingMemory submit_ring(uint32_t slot) const {
    return {slot_base(slot) + protocol::kSLOT_SUBMIT_RING_AT, protocol::kSLOT_SUBMIT_RING_BYTES};
  }
  RingMemory apply_ring(uint32_t slot) const {
    return {slot_base(slot) + protocol::kSLOT_APPLY_RING_AT, protocol::kSLOT_APPLY_RING_BYTES};
  }
  std::atomic<uint32_t>& slot_state(uint32_t slot) const {
    return *reinterpret_cast<std::atomic<uint32_t>*>(slot_base(slot) + protocol::kSLOT_STATE_AT);
  }
  std::atomic<uint64_t>& applied_index(uint32_t slot) const {
    return *reinterpret_cast<std::atomic<uint64_t>*>(slot_base(slot) + protocol::kSLOT_APPLIED_INDEX_AT);
  }

  // Word `i` of SLOT_APPLY_TIMES_AT.
  std::atomic<uint64_t>& apply_time(uint32_t slot, uint32_t i) const {
    return reinterpret_cast<std::atomic<uint64_t>*>(slot_base(slot) + protocol::kSLOT_APPLY_TIMES_AT)[i];
  }

  // Makes a slot as good as new and gives its pages back. Neither end may use it meanwhile.
  void clear_slot(uint32_t slot) const {
    madvise(slot_base(slot), protocol::kSLOT_BYTES, fd_ >= 0 ? MADV_REMOVE : MADV_DONTNEED);
  }

 private:
  int map(int fd) {
    return adopt(mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0), fd);
  }

  int adopt(void* mapped, int fd) {
    if (mapped == MAP_FAILED) {
      const int error = errno;
      if (fd >= 0) close(fd);
      return error;
    }
    base_ = static_cast<uint8_t*>(mapped);
    fd_ = fd;
    return 0;
  }

  uint8_t* slot_base(uint32_t slot) const {
    return base_ + protocol::kFIRST_SLOT_AT + static_cast<size_t>(slot) * protocol::kSLOT_BYTES;
  }

  uint8_t* base_ = nullptr;
  int fd_ = -1;
};

}  // namespace polyraft::bridge

#endif  // POLYRAFT_BRIDGE_REGION_H_
