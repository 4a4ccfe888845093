/* Bytes, and messages of raft_step as bytes: what step_uv.c has on its connections and in its files. */
#ifndef STEP_CODEC_H_
#define STEP_CODEC_H_

#include <raft.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
  char* base;
  size_t length, capacity;
};

/** Ends the program where there is no memory. */
void* must(void* memory);
void add_bytes(struct bytes* bytes, const void* data, size_t length);
/** From the beginning. */
void drop_bytes(struct bytes* bytes, size_t length);
/** Little-endian. */
void add_words(struct bytes* bytes, const uint64_t* words, size_t count);
void read_words(const char* from, uint64_t* words, size_t count);

/** A frame; `entries` is the whole log, from index 1 on. */
void pack_message(struct bytes* frame, raft_id from, const struct raft_message* message,
                  const struct raft_entry* entries);

enum unpacked { UNPACKED_MESSAGE, UNPACKED_INCOMPLETE, UNPACKED_DAMAGED };
/**
 * Takes the first frame off `received`. The entries of the message lie in one batch, which raft_step takes
 * over, or free_message_batch frees; their array is for free_message_entries.
 */
enum unpacked unpack_message(struct bytes* received, raft_id* from, struct raft_message* message);
void free_message_batch(struct raft_message* message);
void free_message_entries(struct raft_message* message);

#endif
