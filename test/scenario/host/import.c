#include "import.h"

#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "host_lines.h"
#include "machine.h"

enum { OPEN_MAX = 256, ROOM_TIMEOUT_MS = 20000 };

struct import {
  RAFT_Handle raft;
  sem_t room;
  atomic_int failure;
  uint64_t count;
};

static void completed(void* user, int code, uint64_t index, uint64_t term) {
  struct import* const import = user;
  (void)index;
  (void)term;
  if (code != RAFT_OK) atomic_store(&import->failure, code);
  sem_post(&import->room);
}

static void propose(struct import* import, uint64_t writer, uint64_t sequence) {
  const uint64_t data[2] = {writer, sequence};
  while (sem_wait(&import->room) != 0) continue;
  const int code = RAFT_ProposeAsync(import->raft, data, sizeof data, ROOM_TIMEOUT_MS, completed, import);
  if (code != RAFT_OK) completed(import, code, 0, 0);
  import->count++;
}

static void propose_all(struct import* import, const struct machine* from) {
  for (size_t i = 0; i < from->writer_count; i++) {
    const struct machine_writer* const writer = &from->writers[i];
    for (uint64_t sequence = 0; sequence < writer->word_count * 64; sequence++) {
      if (atomic_load(&import->failure) != RAFT_OK) return;
      if ((writer->words[sequence / 64] >> (sequence % 64) & 1) != 0) propose(import, writer->id, sequence);
    }
  }
}

int import_state(RAFT_Handle raft, const char* path, uint64_t* count) {
  /* Without a journal: this one is only read. */
  static struct machine from;
  struct import import = {.raft = raft};
  size_t size = 0;
  char* const state = read_file(path, &size);
  const bool restored = state != NULL && machine_open(&from, "/dev/null") &&
                        machine_restore(&from, UINT64_MAX, 0, state, size) == 0;
  free(state);
  if (!restored) return RAFT_ERR_IO;
  sem_init(&import.room, 0, OPEN_MAX);
  propose_all(&import, &from);
  for (int i = 0; i < OPEN_MAX; i++) {
    while (sem_wait(&import.room) != 0) continue;
  }
  sem_destroy(&import.room);
  *count = import.count;
  const int code = atomic_load(&import.failure);
  /* Committed is not applied: who asks this node next shall find it all. */
  return code == RAFT_OK ? RAFT_ReadIndex(raft, RAFT_READ_SAFE, ROOM_TIMEOUT_MS, NULL) : code;
}
