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
  std::shared_ptr<DirectFile> file(new DirectFile(fd, direct_fd));
  file->tail_ = allocate(kBlockBytes);
  return file->tail_ == nullptr ? nullptr : file;
}

DirectFile::~DirectFile() {
  ::close(direct_fd_);
}

DirectFile::Aligned DirectFile::allocate(size_t size) {
  return Aligned(static_cast<uint8_t*>(std::aligned_alloc(kBlockBytes, size)));
}

bool DirectFile::reserve(size_t size) {
  size = std::min(size, kBufferBytesMax);
  if (size <= buffer_bytes_) return true;
  size = std::max(size, std::min(2 * buffer_bytes_, kBufferBytesMax));
  Aligned larger = allocate(size);
  if (larger == nullptr) return false;
  buffer_bytes_ = size;
  buffer_ = std::move(larger);
  return true;
}

// The bytes of the block before the write.
WriteResult DirectFile::put_lead(uint8_t* target, off_t block, size_t lead) {
  if (lead == 0) return {};
  if (block == tail_block_ && lead <= tail_bytes_) {
    std::memcpy(target, tail_.get(), lead);
    return {};
  }
  size_t have = 0;
  while (have < lead) {
    const ssize_t count = pread(fd_, target + have, lead - have, block + static_cast<off_t>(have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return {errno, "pread"};
    if (count == 0) break;
    have += static_cast<size_t>(count);
  }
  std::memset(target + have, 0, lead - have);
  return {};
}

WriteResult DirectFile::write_blocks(const uint8_t* bytes, size_t size, off_t position, bool sync) {
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

// `end` is behind the last byte written, and its block begins in front of it.
void DirectFile::keep_tail(const uint8_t* end, off_t position) {
  tail_bytes_ = static_cast<size_t>(position) % kBlockBytes;
  tail_block_ = position - static_cast<off_t>(tail_bytes_);
  std::memcpy(tail_.get(), end - tail_bytes_, tail_bytes_);
}

WriteResult DirectFile::write_in_place(WritePart part, off_t position, bool sync) {
  const size_t lead = static_cast<size_t>(position) % kBlockBytes;
  const off_t block = position - static_cast<off_t>(lead);
  uint8_t* const first = part.data - lead;
  const WriteResult leading = put_lead(first, block, lead);
  if (leading.error != 0) return leading;
  const size_t filled = lead + part.length;
  const size_t size = up_to_block(filled);
  std::memset(first + filled, 0, size - filled);
  const WriteResult result = write_blocks(first, size, block, sync);
  if (result.error == 0) keep_tail(first + filled, position + static_cast<off_t>(part.length));
  return result;
}

WriteResult DirectFile::write_copied(WritePart part, off_t position, bool sync) {
  size_t filled = static_cast<size_t>(position) % kBlockBytes;
  off_t block = position - static_cast<off_t>(filled);
  if (!reserve(up_to_block(filled + part.length))) return {ENOMEM, "malloc"};
  uint8_t* const buffer = buffer_.get();
  const WriteResult leading = put_lead(buffer, block, filled);
  if (leading.error != 0) return leading;
  for (size_t taken = 0;;) {
    const size_t piece = std::min(part.length - taken, buffer_bytes_ - filled);
    std::memcpy(buffer + filled, part.data + taken, piece);
    filled += piece;
    taken += piece;
    const bool is_last = taken == part.length;
    const size_t size = up_to_block(filled);
    std::memset(buffer + filled, 0, size - filled);
    const WriteResult result = write_blocks(buffer, size, block, sync && is_last);
    if (result.error != 0) return result;
    if (is_last) {
      keep_tail(buffer + filled, block + static_cast<off_t>(filled));
      return {};
    }
    block += static_cast<off_t>(size);
    filled = 0;
  }
}

WriteResult DirectFile::write(WritePart part, off_t position, bool sync) {
  if (!is_direct_.load(std::memory_order_relaxed) || part.length == 0) {
    return write_file(fd_, part.data, part.length, position, sync);
  }
  const size_t lead = static_cast<size_t>(position) % kBlockBytes;
  const size_t filled = lead + part.length;
  const bool is_in_place = reinterpret_cast<uintptr_t>(part.data) % kBlockBytes == lead &&
                           lead <= part.before && up_to_block(filled) - filled <= part.behind;
  const WriteResult result =
      is_in_place ? write_in_place(part, position, sync) : write_copied(part, position, sync);
  if (result.error == 0) return result;
  tail_block_ = -1;
  // Written again from its start, through the cache: what a part of it may have left there is the same.
  if (!means_not_direct(result.error)) return result;
  is_direct_.store(false, std::memory_order_relaxed);
  return write_file(fd_, part.data, part.length, position, sync);
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
