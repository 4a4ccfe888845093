#include "engine/direct_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace polyraft::engine {
namespace {

// Every direct write begins, ends and lies in memory at a multiple of this. Devices want 512 or 4096.
constexpr size_t kBlockBytes = 4096;
constexpr size_t kBufferBytesMax = size_t{1} << 20;
// A sync that comes meanwhile waits for one of these: small pieces, one at a time.
constexpr size_t kZeroPieceBytes = size_t{256} << 10;

constexpr size_t up_to_block(size_t size) {
  return (size + kBlockBytes - 1) & ~(kBlockBytes - 1);
}

bool takes_blocks(int fd) {
#ifdef STATX_DIOALIGN
  struct statx info {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) != 0) return true;
  if ((info.stx_mask & STATX_DIOALIGN) == 0) return true;
  return info.stx_dio_offset_align != 0 && kBlockBytes % info.stx_dio_offset_align == 0 &&
         info.stx_dio_mem_align != 0 && kBlockBytes % info.stx_dio_mem_align == 0;
#else
  (void)fd;
  return true;
#endif
}

// Zeros that take no memory, since nothing writes to them. Null when there is no room for the mapping.
const uint8_t* zero_piece() {
  static const void* const zeros =
      mmap(nullptr, kZeroPieceBytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return zeros == MAP_FAILED ? nullptr : static_cast<const uint8_t*>(zeros);
}

bool means_not_direct(int error) {
  return error == EINVAL || error == EOPNOTSUPP || error == ENOSYS;
}

}  // namespace

std::shared_ptr<DirectFile> DirectFile::open(int fd) {
  if (!takes_blocks(fd)) return nullptr;
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const int direct_fd = ::open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
  if (direct_fd < 0) return nullptr;
  return std::shared_ptr<DirectFile>(new DirectFile(fd, direct_fd));
}

DirectFile::~DirectFile() {
  ::close(direct_fd_);
}

DirectFile::Aligned DirectFile::allocate(size_t size) {
  return Aligned(static_cast<uint8_t*>(std::aligned_alloc(kBlockBytes, size)));
}

bool DirectFile::reserve(size_t size) {
  if (tail_ == nullptr && (tail_ = allocate(kBlockBytes)) == nullptr) return false;
  size = std::min(size, kBufferBytesMax);
  if (size <= buffer_bytes_) return true;
  Aligned larger = allocate(std::max(size, std::min(2 * buffer_bytes_, kBufferBytesMax)));
  if (larger == nullptr) return false;
  buffer_bytes_ = std::max(size, std::min(2 * buffer_bytes_, kBufferBytesMax));
  buffer_ = std::move(larger);
  return true;
}

// The bytes of the block before the write, to the front of the buffer.
WriteResult DirectFile::put_lead(off_t block, size_t lead) {
  if (block == tail_block_ && lead <= tail_bytes_) {
    std::memcpy(buffer_.get(), tail_.get(), lead);
    return {};
  }
  size_t have = 0;
  while (have < lead) {
    const ssize_t count = pread(fd_, buffer_.get() + have, lead - have, block + static_cast<off_t>(have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return {errno, "pread"};
    if (count == 0) break;
    have += static_cast<size_t>(count);
  }
  std::memset(buffer_.get() + have, 0, lead - have);
  return {};
}

WriteResult DirectFile::write_blocks(size_t size, off_t position, bool sync) {
  const uint8_t* bytes = buffer_.get();
  while (size > 0) {
    iovec part{const_cast<uint8_t*>(bytes), size};
    ssize_t written = pwritev2(direct_fd_, &part, 1, position, sync ? RWF_DSYNC : 0);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return {errno, "pwritev2"};
    // Less than a block was written where the disk is full or the file's limit reached: the next call tells
    // which.
    written &= ~static_cast<ssize_t>(kBlockBytes - 1);
    if (written == 0) return {EIO, "pwritev2"};
    bytes += written;
    size -= static_cast<size_t>(written);
    position += written;
  }
  return {};
}

WriteResult DirectFile::write(const uint8_t* bytes, size_t length, off_t position, bool sync) {
  const size_t lead = static_cast<size_t>(position) % kBlockBytes;
  if (!is_direct_.load(std::memory_order_relaxed) || length == 0 || !reserve(up_to_block(lead + length))) {
    tail_block_ = -1;
    return write_file(fd_, bytes, length, position, sync);
  }
  const off_t first_block = position - static_cast<off_t>(lead);
  const WriteResult leading = lead == 0 ? WriteResult{} : put_lead(first_block, lead);
  if (leading.error != 0) return leading;
  off_t block = first_block;
  size_t filled = lead;
  size_t taken = 0;
  for (;;) {
    const size_t piece = std::min(length - taken, buffer_bytes_ - filled);
    std::memcpy(buffer_.get() + filled, bytes + taken, piece);
    filled += piece;
    taken += piece;
    const bool is_last = taken == length;
    const size_t size = up_to_block(filled);
    std::memset(buffer_.get() + filled, 0, size - filled);
    const WriteResult result = write_blocks(size, block, sync && is_last);
    if (result.error != 0) {
      tail_block_ = -1;
      if (block != first_block || !means_not_direct(result.error)) return result;
      is_direct_.store(false, std::memory_order_relaxed);
      return write_file(fd_, bytes, length, position, sync);
    }
    if (is_last) {
      tail_bytes_ = filled % kBlockBytes;
      tail_block_ = block + static_cast<off_t>(filled - tail_bytes_);
      std::memcpy(tail_.get(), buffer_.get() + (filled - tail_bytes_), tail_bytes_);
      return {};
    }
    block += static_cast<off_t>(size);
    filled = 0;
  }
}

WriteResult DirectFile::preallocate(off_t size) {
  if (!is_direct_.load(std::memory_order_relaxed)) return {preallocate_zeros(fd_, size), "fallocate"};
  struct stat info {};
  if (fstat(fd_, &info) != 0) return {errno, "fstat"};
  if (info.st_size >= size) return {};
  // The last block may be written at the same time, directly: no zero may lie in the cache for it.
  const auto from = static_cast<off_t>(up_to_block(static_cast<size_t>(info.st_size)));
  const auto end = static_cast<off_t>(up_to_block(static_cast<size_t>(size)));
  if (fallocate(fd_, 0, info.st_size, end - info.st_size) != 0) {
    if (!means_not_direct(errno) && errno != EINTR) return {errno, "fallocate"};
    if (ftruncate(fd_, end) != 0) return {errno, "ftruncate"};
  }
  const uint8_t* const zeros = zero_piece();
  if (zeros == nullptr) return {ENOMEM, "mmap"};
  for (off_t at = from; at < end;) {
    const size_t piece = std::min<size_t>(kZeroPieceBytes, static_cast<size_t>(end - at));
    const ssize_t written = pwrite(direct_fd_, zeros, piece, at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && means_not_direct(errno) && at == from) {
      is_direct_.store(false, std::memory_order_relaxed);
      return {preallocate_zeros(fd_, size), "fallocate"};
    }
    if (written <= 0) return {written == 0 ? EIO : errno, "pwrite"};
    at += written;
  }
  // Here, and not at the cost of the first write that is synced behind it.
  if (fdatasync(fd_) != 0) return {errno, "fdatasync"};
  return {};
}

}  // namespace polyraft::engine
