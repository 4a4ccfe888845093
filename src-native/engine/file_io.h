// System calls on files, as the log needs them. Every function returns 0 or errno.
#ifndef POLYRAFT_ENGINE_FILE_IO_H_
#define POLYRAFT_ENGINE_FILE_IO_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace polyraft::engine {

struct WriteResult {
  int error = 0;
  // The call that failed, or "".
  const char* syscall = "";
};

// Writes all the bytes at `position`; when `sync`, then fdatasync, so that all earlier writes are durable
// too. (One synchronous write, RWF_DSYNC, was measured to take as long as the two calls.)
WriteResult write_file(int fd, const uint8_t* bytes, size_t length, off_t position, bool sync);

// Exclusive lock on the open file, not waiting: EAGAIN when another open file holds it. It is an
// open-file-description lock as etcd takes it, or flock where the file system has none.
int lock_file(int fd);

// Makes the file at least `size` bytes long, with allocated blocks that hold zeros: a later write syncs
// faster there than where blocks are missing or only reserved. What is in the file stays. Not durable before
// a sync.
int preallocate_zeros(int fd, off_t size);

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_FILE_IO_H_
