#include "machine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kv/kv_bytes.h"

enum { APPLIED = 1, RESTORED = 2, STARTED = 3 };

static void write_journal(const struct machine* machine, uint64_t kind, uint64_t index, uint64_t term,
                          uint64_t hash) {
  const uint64_t record[4] = {kind, index, term, hash};
  if (write(machine->journal, record, sizeof record) != sizeof record) {
    perror("scenario_host: the journal");
    abort();
  }
}

bool machine_open(struct machine* machine, const char* journal_path) {
  memset(machine, 0, sizeof *machine);
  pthread_mutex_init(&machine->mutex, NULL);
  machine->journal = open(journal_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (machine->journal < 0) return false;
  write_journal(machine, STARTED, 0, 0, 0);
  return true;
}

static struct machine_writer* find_writer(struct machine* machine, uint64_t id) {
  for (size_t i = machine->writer_count; i-- > 0;) {
    if (machine->writers[i].id == id) return &machine->writers[i];
  }
  return NULL;
}

static struct machine_writer* add_writer(struct machine* machine, uint64_t id) {
  if (machine->writer_count == MACHINE_WRITERS_MAX) {
    fprintf(stderr, "scenario_host: more than %d writers\n", MACHINE_WRITERS_MAX);
    abort();
  }
  struct machine_writer* const writer = &machine->writers[machine->writer_count++];
  memset(writer, 0, sizeof *writer);
  writer->id = id;
  return writer;
}

static bool is_marked(const struct machine_writer* writer, uint64_t sequence) {
  const size_t word = sequence / 64;
  return word < writer->word_count && (writer->words[word] >> (sequence % 64) & 1) != 0;
}

static void mark(struct machine_writer* writer, uint64_t sequence) {
  const size_t word = sequence / 64;
  if (word >= writer->word_count) {
    const size_t count = word * 2 + 16;
    writer->words = kv_reallocate(writer->words, count * sizeof(uint64_t));
    memset(writer->words + writer->word_count, 0, (count - writer->word_count) * sizeof(uint64_t));
    writer->word_count = count;
  }
  writer->words[word] |= (uint64_t)1 << (sequence % 64);
}

static int apply_locked(struct machine* machine, uint64_t index, uint64_t term, const void* data,
                        uint64_t size) {
  if (size < MACHINE_PROPOSAL_BYTES_MIN || index <= machine->last_index) {
    fprintf(stderr, "scenario_host: entry %" PRIu64 " of %" PRIu64 " bytes after entry %" PRIu64 "\n", index,
            size, machine->last_index);
    return 1;
  }
  uint64_t id[2];
  memcpy(id, data, sizeof id);
  struct machine_writer* writer = find_writer(machine, id[0]);
  if (writer == NULL) writer = add_writer(machine, id[0]);
  if (is_marked(writer, id[1])) {
    fprintf(stderr, "scenario_host: proposal %" PRIu64 " of writer %" PRIu64 " comes twice\n", id[1], id[0]);
    machine->duplicates++;
  }
  mark(writer, id[1]);
  const uint64_t hash = kv_hash(term, data, size);
  const uint64_t link[3] = {machine->chain, index, hash};
  machine->chain = kv_hash(0, link, sizeof link);
  machine->last_index = index;
  machine->count++;
  write_journal(machine, APPLIED, index, term, hash);
  return 0;
}

int machine_apply(struct machine* machine, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  pthread_mutex_lock(&machine->mutex);
  const int code = apply_locked(machine, index, term, data, size);
  pthread_mutex_unlock(&machine->mutex);
  return code;
}

void* machine_encode(struct machine* machine, uint64_t* size) {
  struct kv_bytes bytes = {0};
  pthread_mutex_lock(&machine->mutex);
  kv_bytes_add_u64(&bytes, machine->last_index);
  kv_bytes_add_u64(&bytes, machine->count);
  kv_bytes_add_u64(&bytes, machine->chain);
  kv_bytes_add_u64(&bytes, machine->duplicates);
  kv_bytes_add_u64(&bytes, machine->writer_count);
  for (size_t i = 0; i < machine->writer_count; i++) {
    const struct machine_writer* const writer = &machine->writers[i];
    kv_bytes_add_u64(&bytes, writer->id);
    kv_bytes_add_u64(&bytes, writer->word_count);
    kv_bytes_add(&bytes, writer->words, writer->word_count * sizeof(uint64_t));
  }
  pthread_mutex_unlock(&machine->mutex);
  *size = bytes.size;
  return bytes.data;
}

static void clear(struct machine* machine) {
  for (size_t i = 0; i < machine->writer_count; i++) free(machine->writers[i].words);
  machine->writer_count = 0;
}

static int restore_locked(struct machine* machine, uint64_t index, uint64_t term, struct kv_reader* reader) {
  clear(machine);
  machine->last_index = kv_read_u64(reader);
  machine->count = kv_read_u64(reader);
  machine->chain = kv_read_u64(reader);
  machine->duplicates = kv_read_u64(reader);
  const uint64_t writers = kv_read_u64(reader);
  for (uint64_t i = 0; i < writers && !reader->failed; i++) {
    struct machine_writer* const writer = add_writer(machine, kv_read_u64(reader));
    const size_t word_count = kv_read_u64(reader);
    const char* const words = kv_read_bytes(reader, word_count * sizeof(uint64_t));
    if (words == NULL) break;
    writer->words = kv_allocate(word_count * sizeof(uint64_t));
    writer->word_count = word_count;
    memcpy(writer->words, words, word_count * sizeof(uint64_t));
  }
  if (reader->failed || reader->left != 0 || machine->last_index > index) {
    fprintf(stderr, "scenario_host: the snapshot of index %" PRIu64 " is wrong (last entry %" PRIu64 ")\n",
            index, machine->last_index);
    return 1;
  }
  machine->last_index = index;
  write_journal(machine, RESTORED, index, term, machine->chain);
  return 0;
}

int machine_restore(struct machine* machine, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  struct kv_reader reader = {.at = data, .left = size, .failed = false};
  pthread_mutex_lock(&machine->mutex);
  const int code = restore_locked(machine, index, term, &reader);
  pthread_mutex_unlock(&machine->mutex);
  return code;
}

bool machine_has(struct machine* machine, uint64_t writer, uint64_t sequence) {
  pthread_mutex_lock(&machine->mutex);
  const struct machine_writer* const found = find_writer(machine, writer);
  const bool has = found != NULL && is_marked(found, sequence);
  pthread_mutex_unlock(&machine->mutex);
  return has;
}
