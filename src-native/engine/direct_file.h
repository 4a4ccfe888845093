// A file whose writes go past the page cache, as a log's should: nothing reads them back, and copying them
// into the cache and out of it again took a third of all processor time under a deep load.
#ifndef POLYRAFT_ENGINE_DIRECT_FILE_H_
#define POLYRAFT_ENGINE_DIRECT_FILE_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "engine/file_io.h"

namespace polyraft::engine {

// Every direct write begins, ends and lies in memory at a multiple of this. Devices want 512 or 4096.
inline constexpr size_t kBlockBytes = 4096;

// Bytes to write, and how many before and behind them may be changed meanwhile.
struct WritePart {
  uint8_t* data = nullptr;
  size_t length = 0;
  size_t before = 0;
  size_t behind = 0;
};

// `write` from one thread at a time; `preallocate` may run beside it.
class DirectFile {
 public:
  // `fd`, open to read and write, stays the caller's and must outlive this. Null where the file system has no
  // direct writes, or has them in other blocks than ours.
  static std::shared_ptr<DirectFile> open(int fd);
  ~DirectFile();
  DirectFile(const DirectFile&) = delete;
  DirectFile& operator=(const DirectFile&) = delete;

  // As write_file. What lies behind the bytes in their last block of 4096 becomes zeros. They are not copied
  // when they lie within a block of memory as in the file, and their first and last blocks are whole there.
  WriteResult write(WritePart part, off_t position, bool sync);
  // As preallocate_zeros. Writes at the same time must end at or before the size that the file had.
  WriteResult preallocate(off_t size);

 private:
  struct Free {
    void operator()(uint8_t* bytes) const { std::free(bytes); }
  };
  using Aligned = std::unique_ptr<uint8_t, Free>;

  DirectFile(int fd, int direct_fd) : fd_(fd), direct_fd_(direct_fd) {}
  static Aligned allocate(size_t size);
  bool reserve(size_t size);
  WriteResult put_lead(uint8_t* target, off_t block, size_t lead);
  WriteResult write_blocks(const uint8_t* bytes, size_t size, off_t position, bool sync);
  WriteResult write_in_place(WritePart part, off_t position, bool sync);
  WriteResult write_copied(WritePart part, off_t position, bool sync);
  void keep_tail(const uint8_t* end, off_t position);

  const int fd_;
  const int direct_fd_;
  // False once a direct write was refused: from then on all go through the cache.
  std::atomic<bool> is_direct_{true};
  Aligned buffer_;
  size_t buffer_bytes_ = 0;
  // What was written of the block at tail_block_: a write that begins within it writes these bytes again.
  Aligned tail_;
  off_t tail_block_ = -1;
  size_t tail_bytes_ = 0;
};

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_DIRECT_FILE_H_
