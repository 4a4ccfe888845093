#include "step/step_codec.h"

#include <endian.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  NUMBERS = 6,
  HEAD_WORDS =
      4 + NUMBERS, /* length of the rest, sender, type, count of entries, and the numbers of the type */
  HEAD_BYTES = HEAD_WORDS * 8,
  ENTRY_WORDS = 3, /* term, type, length of the bytes that follow */
  ENTRY_BYTES = ENTRY_WORDS * 8,
  FRAME_MAX = 64 << 20
};

void* must(void* memory) {
  if (memory != NULL) return memory;
  fputs("no memory\n", stderr);
  exit(1);
}

void add_bytes(struct bytes* bytes, const void* data, size_t length) {
  if (bytes->length + length > bytes->capacity) {
    bytes->capacity = (bytes->length + length) * 2;
    bytes->base = must(realloc(bytes->base, bytes->capacity));
  }
  if (length > 0) memcpy(bytes->base + bytes->length, data, length);
  bytes->length += length;
}

void drop_bytes(struct bytes* bytes, size_t length) {
  bytes->length -= length;
  memmove(bytes->base, bytes->base + length, bytes->length);
}

void add_words(struct bytes* bytes, const uint64_t* words, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const uint64_t word = htole64(words[i]);
    add_bytes(bytes, &word, sizeof word);
  }
}

void read_words(const char* from, uint64_t* words, size_t count) {
  for (size_t i = 0; i < count; i++) {
    memcpy(&words[i], from + i * sizeof *words, sizeof *words);
    words[i] = le64toh(words[i]);
  }
}

/* The fields of each type, in the order of the header. RAFT_INSTALL_SNAPSHOT is none: nobody takes snapshots
 * here. */
static bool write_numbers(const struct raft_message* message, uint64_t numbers[NUMBERS]) {
  switch (message->type) {
    case RAFT_APPEND_ENTRIES: {
      const struct raft_append_entries* const m = &message->append_entries;
      const uint64_t values[NUMBERS] = {m->version, m->term, m->prev_log_index, m->prev_log_term,
                                        m->leader_commit};
      memcpy(numbers, values, sizeof values);
      return true;
    }
    case RAFT_APPEND_ENTRIES_RESULT: {
      const struct raft_append_entries_result* const m = &message->append_entries_result;
      const uint64_t values[NUMBERS] = {m->version,        m->term,     m->rejected,
                                        m->last_log_index, m->features, m->capacity};
      memcpy(numbers, values, sizeof values);
      return true;
    }
    case RAFT_REQUEST_VOTE: {
      const struct raft_request_vote* const m = &message->request_vote;
      const uint64_t flags = (m->disrupt_leader ? 1u : 0u) | (m->pre_vote ? 2u : 0u);
      const uint64_t values[NUMBERS] = {m->version,        m->term,          m->candidate_id,
                                        m->last_log_index, m->last_log_term, flags};
      memcpy(numbers, values, sizeof values);
      return true;
    }
    case RAFT_REQUEST_VOTE_RESULT: {
      const struct raft_request_vote_result* const m = &message->request_vote_result;
      const uint64_t values[NUMBERS] = {m->version,  m->term,     m->vote_granted,
                                        m->pre_vote, m->features, m->capacity};
      memcpy(numbers, values, sizeof values);
      return true;
    }
    case RAFT_TIMEOUT_NOW: {
      const struct raft_timeout_now* const m = &message->timeout_now;
      const uint64_t values[NUMBERS] = {m->version, m->term, m->last_log_index, m->last_log_term};
      memcpy(numbers, values, sizeof values);
      return true;
    }
    default:
      return false;
  }
}

static bool read_numbers(struct raft_message* message, const uint64_t numbers[NUMBERS]) {
  const unsigned char version = (unsigned char)numbers[0];
  const raft_term term = numbers[1];
  switch (message->type) {
    case RAFT_APPEND_ENTRIES:
      message->append_entries = (struct raft_append_entries){.version = version,
                                                             .term = term,
                                                             .prev_log_index = numbers[2],
                                                             .prev_log_term = numbers[3],
                                                             .leader_commit = numbers[4]};
      return true;
    case RAFT_APPEND_ENTRIES_RESULT:
      message->append_entries_result =
          (struct raft_append_entries_result){.version = version,
                                              .term = term,
                                              .rejected = numbers[2],
                                              .last_log_index = numbers[3],
                                              .features = (unsigned short)numbers[4],
                                              .capacity = (unsigned short)numbers[5]};
      return true;
    case RAFT_REQUEST_VOTE:
      message->request_vote = (struct raft_request_vote){.version = version,
                                                         .term = term,
                                                         .candidate_id = numbers[2],
                                                         .last_log_index = numbers[3],
                                                         .last_log_term = numbers[4],
                                                         .disrupt_leader = (numbers[5] & 1) != 0,
                                                         .pre_vote = (numbers[5] & 2) != 0};
      return true;
    case RAFT_REQUEST_VOTE_RESULT:
      message->request_vote_result =
          (struct raft_request_vote_result){.version = version,
                                            .term = term,
                                            .vote_granted = numbers[2] != 0,
                                            .pre_vote = numbers[3] != 0,
                                            .features = (unsigned short)numbers[4],
                                            .capacity = (unsigned short)numbers[5]};
      return true;
    case RAFT_TIMEOUT_NOW:
      message->timeout_now = (struct raft_timeout_now){
          .version = version, .term = term, .last_log_index = numbers[2], .last_log_term = numbers[3]};
      return true;
    default:
      return false;
  }
}

void pack_message(struct bytes* frame, raft_id from, const struct raft_message* message,
                  const struct raft_entry* entries) {
  uint64_t words[HEAD_WORDS] = {0, from, message->type, 0};
  if (!write_numbers(message, words + 4)) {
    fprintf(stderr, "there is no form for a message of type %d\n", message->type);
    exit(1);
  }
  /* raft says which entries, and the program has them. */
  const struct raft_append_entries* const append =
      message->type == RAFT_APPEND_ENTRIES ? &message->append_entries : NULL;
  if (append != NULL) words[3] = append->n_entries;
  add_words(frame, words, HEAD_WORDS);
  for (unsigned i = 0; append != NULL && i < append->n_entries; i++) {
    const struct raft_entry* const entry = &entries[append->prev_log_index + i];
    const uint64_t head[ENTRY_WORDS] = {entry->term, entry->type, entry->buf.len};
    add_words(frame, head, ENTRY_WORDS);
    add_bytes(frame, entry->buf.base, entry->buf.len);
  }
  const uint64_t length = htole64(frame->length - sizeof length);
  memcpy(frame->base, &length, sizeof length);
}

/* False when the entries do not fill `size` bytes exactly. */
static bool read_entries(const char* from, size_t size, uint64_t count, struct raft_append_entries* append) {
  if (count > size / ENTRY_BYTES) return false;
  if (count == 0) return size == 0;
  struct raft_entry* const entries = must(malloc(count * sizeof *entries));
  char* const batch = must(raft_malloc(size));
  memcpy(batch, from, size);
  size_t at = 0;
  uint64_t i = 0;
  for (; i < count && size - at >= ENTRY_BYTES; i++) {
    uint64_t head[ENTRY_WORDS];
    read_words(from + at, head, ENTRY_WORDS);
    at += ENTRY_BYTES;
    if (head[2] > size - at) break;
    entries[i] = (struct raft_entry){
        .term = head[0], .type = (unsigned short)head[1], .buf = {batch + at, head[2]}, .batch = batch};
    at += head[2];
  }
  if (i == count && at == size) {
    append->entries = entries;
    append->n_entries = (unsigned)count;
    return true;
  }
  raft_free(batch);
  free(entries);
  return false;
}

enum unpacked unpack_message(struct bytes* received, raft_id* from, struct raft_message* message) {
  uint64_t words[HEAD_WORDS];
  if (received->length < HEAD_BYTES) return UNPACKED_INCOMPLETE;
  read_words(received->base, words, HEAD_WORDS);
  if (words[0] > FRAME_MAX || words[0] < HEAD_BYTES - sizeof *words) return UNPACKED_DAMAGED;
  const size_t size = (size_t)words[0] + sizeof *words;
  if (received->length < size) return UNPACKED_INCOMPLETE;
  *message = (struct raft_message){.type = (unsigned short)words[2], .server_id = words[1]};
  *from = words[1];
  if (!read_numbers(message, words + 4)) return UNPACKED_DAMAGED;
  if (message->type == RAFT_APPEND_ENTRIES &&
      !read_entries(received->base + HEAD_BYTES, size - HEAD_BYTES, words[3], &message->append_entries))
    return UNPACKED_DAMAGED;
  drop_bytes(received, size);
  return UNPACKED_MESSAGE;
}

void free_message_batch(struct raft_message* message) {
  if (message->type == RAFT_APPEND_ENTRIES && message->append_entries.n_entries > 0)
    raft_free(message->append_entries.entries[0].batch);
}

void free_message_entries(struct raft_message* message) {
  if (message->type == RAFT_APPEND_ENTRIES) free(message->append_entries.entries);
}
