#include "engine/file_io.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace polyraft::engine {
namespace {

constexpr size_t kZeroChunkBytes = size_t{1} << 20;

int write_all(int fd, const uint8_t* bytes, size_t length, off_t position) {
  while (length > 0) {
    const ssize_t written = pwrite(fd, bytes, length, position);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (written == 0) return EIO;
    bytes += written;
    length -= static_cast<size_t>(written);
    position += written;
  }
  return 0;
}

}  // namespace

WriteResult write_file(int fd, const uint8_t* bytes, size_t length, off_t position, bool sync) {
  const int error = write_all(fd, bytes, length, position);
  if (error != 0) return {error, "pwrite"};
  if (sync && fdatasync(fd) != 0) return {errno, "fdatasync"};
  return {};
}

int lock_file(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  int result = 0;
  do {
    result = fcntl(fd, F_OFD_SETLK, &lock);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return 0;
  if (errno == EACCES) return EAGAIN;
  if (errno != EINVAL && errno != ENOLCK && errno != EOPNOTSUPP) return errno;
  do {
    result = flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

int preallocate_zeros(int fd, off_t size) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return errno;
  if (info.st_size >= size) return 0;
  // First the blocks in one piece; the writes below then only fill them. File systems without it do both at
  // once.
  if (fallocate(fd, 0, info.st_size, size - info.st_size) != 0 && errno != EOPNOTSUPP && errno != ENOSYS &&
      errno != EINTR) {
    return errno;
  }
  const std::vector<uint8_t> zeros(
      std::min<size_t>(kZeroChunkBytes, static_cast<size_t>(size - info.st_size)));
  for (off_t at = info.st_size; at < size; at += static_cast<off_t>(zeros.size())) {
    const int error =
        write_all(fd, zeros.data(), std::min<size_t>(zeros.size(), static_cast<size_t>(size - at)), at);
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace polyraft::engine
