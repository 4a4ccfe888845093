/*
 * A state machine that notices whatever a raft engine can do wrong to it: a chain of hashes over all entries
 * in their order, and for each writer the set of its sequences that were applied.
 *
 * A proposal is u64 writer, u64 sequence (from 1 on), then padding; numbers in the machine's own byte order.
 * The engine never repeats a proposal, and writers never use a sequence twice: one that comes twice is a
 * fault.
 *
 * Journal: the file gets a record of 32 bytes for each event, in order, written before the callback returns:
 * u64 kind (1 applied, 2 restored, 3 process started), u64 index, u64 term, u64 hash (of the entry; of the
 * whole chain when restored).
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MACHINE_WRITERS_MAX = 4096, MACHINE_PROPOSAL_BYTES_MIN = 16 };

struct machine_writer {
  uint64_t id;
  /* Bit s % 64 of words[s / 64]: sequence s was applied. */
  uint64_t* words;
  size_t word_count;
};

struct machine {
  pthread_mutex_t mutex;
  int journal;
  uint64_t last_index;
  uint64_t count;
  uint64_t chain;
  uint64_t duplicates;
  size_t writer_count;
  struct machine_writer writers[MACHINE_WRITERS_MAX];
};

/* False when the journal cannot be opened. */
bool machine_open(struct machine* machine, const char* journal_path);

/* 0, or 1 when the entry is no proposal of this program, or not after the one before. */
int machine_apply(struct machine* machine, uint64_t index, uint64_t term, const void* data, uint64_t size);
/* The whole state as bytes; free() them. */
void* machine_encode(struct machine* machine, uint64_t* size);
/* 0, or 1 when the bytes are wrong, or hold an entry after `index`. */
int machine_restore(struct machine* machine, uint64_t index, uint64_t term, const void* data, uint64_t size);
bool machine_has(struct machine* machine, uint64_t writer, uint64_t sequence);

#endif
