#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "measures.h"
#include "samples.h"

enum { WRITES_MAX = 4000, FILE_BYTES_MAX = 256 << 20 };

typedef int write_durably(int file, const char* data, uint64_t bytes, uint64_t offset);

static int write_and_sync(int file, const char* data, uint64_t bytes, uint64_t offset) {
  return pwrite(file, data, bytes, (off_t)offset) == (ssize_t)bytes && fdatasync(file) == 0;
}

static int write_dsync(int file, const char* data, uint64_t bytes, uint64_t offset) {
  const struct iovec vector = {.iov_base = (void*)data, .iov_len = bytes};
  return pwritev2(file, &vector, 1, (off_t)offset, RWF_DSYNC) == (ssize_t)bytes;
}

static void fill_with_zeros(int file, uint64_t bytes) {
  static const char zeros[1 << 16];
  for (uint64_t part; bytes != 0; bytes -= part) {
    part = bytes < sizeof zeros ? bytes : sizeof zeros;
    if (write(file, zeros, part) != (ssize_t)part) fail("filling a file with zeros");
  }
  if (fsync(file) != 0) fail("fsync");
}

static void measure(int file, const char* method, write_durably* write_once, uint64_t bytes, uint64_t writes,
                    uint64_t time_ns) {
  char* const data = malloc(bytes);
  if (data == NULL) fail("memory");
  memset(data, 'x', bytes);
  struct samples samples = samples_open(writes);
  const uint64_t until = now_ns() + time_ns;
  for (uint64_t i = 0; i < writes; i++) {
    const uint64_t began = now_ns();
    if (began > until) break;
    if (!write_once(file, data, bytes, i * bytes)) {
      if (errno == EOPNOTSUPP && i == 0) break;
      fail(method);
    }
    samples_add(&samples, now_ns() - began);
  }
  free(data);
  if (samples.count == 0) return;
  printf("{\"limit\":\"sync\",\"method\":\"%s\",\"bytes\":%" PRIu64, method, bytes);
  samples_print(&samples);
  printf("}\n");
}

static void with_file(const char* path, const char* method, write_durably* write_once, uint64_t bytes,
                      uint64_t time_ns) {
  const uint64_t fitting = FILE_BYTES_MAX / bytes;
  const uint64_t writes = fitting < WRITES_MAX ? fitting : WRITES_MAX;
  const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) fail(path);
  unlink(path);
  fill_with_zeros(file, writes * bytes);
  measure(file, method, write_once, bytes, writes, time_ns);
  close(file);
}

void measure_sync(const char* directory, uint64_t bytes, uint64_t time_ns) {
  char path[4200];
  if (bytes == 0 || bytes > FILE_BYTES_MAX) {
    errno = EINVAL;
    fail("batches have 1 byte to 256 MiB");
  }
  snprintf(path, sizeof path, "%s/limits-probe", directory);
  with_file(path, "write+fdatasync", write_and_sync, bytes, time_ns / 2);
  with_file(path, "pwritev2 RWF_DSYNC", write_dsync, bytes, time_ns / 2);
}
