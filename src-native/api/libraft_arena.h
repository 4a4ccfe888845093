// Memory for commands that is shared with the engine: a memfd, and an allocator whose books are kept outside
// of it.
#ifndef POLYRAFT_API_LIBRAFT_ARENA_H_
#define POLYRAFT_API_LIBRAFT_ARENA_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace polyraft::libraft {

// Blocks of up to 4 KiB come from slabs of equal ones, larger ones in whole pages. A block that is freed
// while it is pinned is used again when its last pin goes. Thread-safe.
class Arena {
 public:
  static constexpr uint64_t kBytesMin = uint64_t{64} << 10;
  static constexpr uint64_t kBytesMax = uint64_t{2} << 30;

  // A block, for `unpin`.
  using Block = uint64_t;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  // `bytes` for blocks, rounded up to pages. 0 or errno; once.
  int create(uint64_t bytes);

  // Of the tickets and the blocks together, for the engine.
  int fd() const { return fd_; }
  uint64_t shared_bytes() const { return shared_bytes_; }
  std::atomic<uint32_t>& ticket(uint32_t index) const {
    return reinterpret_cast<std::atomic<uint32_t>*>(base_)[index];
  }

  // `bytes` (0: one), aligned to 16; null: no room.
  void* allocate(uint64_t bytes);
  // False: no block in use begins there.
  bool free(const void* address);
  // Pins the block that [address, address + bytes) lies in; *offset is where they lie in the shared memory.
  // False: they lie in no block that is in use.
  bool pin(const void* address, uint64_t bytes, Block* block, uint64_t* offset);
  void unpin(Block block);
  // Bytes of pages that hold a block in use or pinned.
  uint64_t used_bytes();

 private:
  static constexpr uint32_t kPageBytes = 4096;
  static constexpr uint32_t kSlabPages = 4;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kClasses = 13;
  static const uint32_t kClassBytes[kClasses];

  struct State {
    bool in_use = false;
    bool freed = false;
    uint32_t pins = 0;
  };

  // Pages in a row that hold one large block, or the equal ones of a slab.
  struct Run {
    uint32_t pages = 0;
    // kNone: one large block.
    uint32_t size_class = kNone;
    uint64_t block_bytes = 0;
    uint32_t used = 0;
    // Neighbours in the list of slabs of this class that have a free block.
    uint32_t previous = kNone;
    uint32_t next = kNone;
    std::vector<uint16_t> free_places;
    std::vector<State> states;
  };

  uint8_t* page_address(uint32_t page) const { return blocks_ + uint64_t{page} * kPageBytes; }
  // The run that the address lies in: its first page, and the place there; null: none.
  Run* find(const void* address, uint32_t* first_page, uint32_t* place);
  // kNone: there are not as many free pages in a row.
  uint32_t take_pages(uint32_t count);
  uint32_t search(uint32_t from, uint32_t to, uint32_t count) const;
  void give_back(uint32_t first_page);
  uint32_t new_slab(uint32_t size_class);
  void link(uint32_t first_page);
  void unlink(uint32_t first_page);
  void* allocate_small(uint32_t size_class);
  void* allocate_large(uint64_t bytes);
  void release(uint32_t first_page, uint32_t place);

  int fd_ = -1;
  uint8_t* base_ = nullptr;
  uint8_t* blocks_ = nullptr;
  uint64_t shared_bytes_ = 0;
  uint32_t pages_ = 0;

  std::mutex mutex_;
  // Guarded by mutex_ from here on. The first page of the run that a page belongs to; kNone: the page is
  // free.
  std::vector<uint32_t> run_of_page_;
  // By first page.
  std::vector<std::unique_ptr<Run>> runs_;
  // First slab with a free block, a class.
  uint32_t slabs_[kClasses];
  uint32_t search_from_ = 0;
  uint32_t used_pages_ = 0;
};

}  // namespace polyraft::libraft

#endif  // POLYRAFT_API_LIBRAFT_ARENA_H_
