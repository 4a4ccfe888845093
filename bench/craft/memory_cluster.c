#include "memory_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUEUE_LENGTH = 1024, LOG_LENGTH = 1 << 16, TIMES_MAX = 1 << 21 };

struct server {
  struct raft raft;
  raft_id id;
  char address[16];
  /* Entry i of the log is at i % LOG_LENGTH. */
  struct raft_entry log[LOG_LENGTH];
  raft_index last;
  raft_index dropped;
};

struct packet {
  raft_id to;
  struct raft_message message;
};

static struct server servers[CLUSTER_SERVERS];
static struct packet queue[QUEUE_LENGTH];
static size_t queue_first, queue_count;
static raft_time now_ms = 1000;
static uint64_t steps;

static bool times_are_kept;
static struct {
  uint8_t kind;
  uint32_t ns;
} times[TIMES_MAX];
static size_t times_count;

static void fail(const char* what, int code) {
  fprintf(stderr, "craft_bench: %s: %s\n", what, code == 0 ? "unexpected" : raft_strerror(code));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

const char* cluster_step_name(enum cluster_step kind) {
  static const char* const names[] = {
      "submit", "persisted entries", "receive append entries", "receive append entries result", "timeout",
      "other"};
  return kind < STEP_KINDS ? names[kind] : "all";
}

void cluster_time_steps(bool is_on) {
  times_are_kept = is_on;
  if (is_on) times_count = 0;
}

static int compare_ns(const void* a, const void* b) {
  const uint32_t first = *(const uint32_t*)a, second = *(const uint32_t*)b;
  return first < second ? -1 : first > second;
}

uint64_t cluster_step_ns(enum cluster_step kind, double share) {
  uint32_t* const sorted = malloc((times_count + 1) * sizeof *sorted);
  size_t count = 0;
  if (sorted == NULL) fail("memory", RAFT_NOMEM);
  for (size_t i = 0; i < times_count; i++)
    if (kind == STEP_KINDS || times[i].kind == kind) sorted[count++] = times[i].ns;
  qsort(sorted, count, sizeof *sorted, compare_ns);
  const uint64_t found = count == 0 ? 0 : sorted[(size_t)((double)(count - 1) * share)];
  free(sorted);
  return found;
}

uint64_t cluster_steps(void) {
  return steps;
}

static void step(struct server* server, struct raft_event* event, enum cluster_step kind);

/* Entries first to first + n - 1 of the server's log, copied into one batch as if they had come over a
 * network. */
static struct raft_entry* copy_entries(const struct server* server, raft_index first, unsigned n) {
  struct raft_entry* const list = raft_malloc(n * sizeof *list);
  size_t bytes = 0;
  for (unsigned i = 0; i < n; i++) bytes += server->log[(first + i) % LOG_LENGTH].buf.len;
  char* at = raft_malloc(bytes + 1);
  if (list == NULL || at == NULL) fail("memory", RAFT_NOMEM);
  char* const batch = at;
  for (unsigned i = 0; i < n; i++) {
    list[i] = server->log[(first + i) % LOG_LENGTH];
    memcpy(at, list[i].buf.base, list[i].buf.len);
    list[i].buf.base = at;
    list[i].batch = batch;
    at += list[i].buf.len;
  }
  return list;
}

static void send(const struct server* server, const struct raft_message* message) {
  if (queue_count == QUEUE_LENGTH) fail("the network is full", 0);
  struct packet* const packet = &queue[(queue_first + queue_count++) % QUEUE_LENGTH];
  packet->to = message->server_id;
  packet->message = *message;
  packet->message.server_id = server->id;
  packet->message.server_address = server->address;
  if (message->type != RAFT_APPEND_ENTRIES) return;
  struct raft_append_entries* const append = &packet->message.append_entries;
  append->entries =
      append->n_entries == 0 ? NULL : copy_entries(server, append->prev_log_index + 1, append->n_entries);
}

/* Each entry's bytes go into a block of their own, so that the log can drop them one by one. */
static void keep(struct server* server, const struct raft_update* update) {
  if (update->entries.index != server->last + 1) fail("a log was truncated", 0);
  for (unsigned i = 0; i < update->entries.n; i++) {
    const struct raft_entry* const source = &update->entries.batch[i];
    struct raft_entry* const entry = &server->log[++server->last % LOG_LENGTH];
    if (server->last - server->dropped > LOG_LENGTH) fail("a log is full", 0);
    *entry = *source;
    entry->batch = NULL;
    entry->buf.base = malloc(source->buf.len + 1);
    if (entry->buf.base == NULL) fail("memory", RAFT_NOMEM);
    memcpy(entry->buf.base, source->buf.base, source->buf.len);
  }
  raft_free(update->entries.batch[0].batch);
  raft_free(update->entries.batch);
}

static void take_snapshot(struct server* server) {
  struct raft_event event = {.type = RAFT_SNAPSHOT};
  event.snapshot.metadata.index = raft_commit_index(&server->raft);
  event.snapshot.metadata.term = server->log[event.snapshot.metadata.index % LOG_LENGTH].term;
  event.snapshot.metadata.configuration_index = 1;
  event.snapshot.trailing = CLUSTER_TRAILING_ENTRIES;
  raft_configuration_init(&event.snapshot.metadata.configuration);
  for (size_t i = 0; i < CLUSTER_SERVERS; i++)
    raft_configuration_add(&event.snapshot.metadata.configuration, servers[i].id, servers[i].address,
                           RAFT_VOTER);
  const raft_index kept_from = event.snapshot.metadata.index - CLUSTER_TRAILING_ENTRIES;
  step(server, &event, STEP_OTHER);
  raft_configuration_close(&event.snapshot.metadata.configuration);
  while (server->dropped < kept_from) free(server->log[++server->dropped % LOG_LENGTH].buf.base);
}

static void step(struct server* server, struct raft_event* event, enum cluster_step kind) {
  struct raft_update update;
  event->time = now_ms;
  event->capacity = 60000;
  const uint64_t began = times_are_kept ? now_ns() : 0;
  const int code = raft_step(&server->raft, event, &update);
  if (times_are_kept && times_count < TIMES_MAX) {
    const uint64_t took = now_ns() - began;
    times[times_count].kind = (uint8_t)kind;
    times[times_count++].ns = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
  }
  steps++;
  if (code != 0) fail(cluster_step_name(kind), code);
  if (update.flags & RAFT_UPDATE_ENTRIES) keep(server, &update);
  if (update.flags & RAFT_UPDATE_MESSAGES)
    for (unsigned i = 0; i < update.messages.n; i++) send(server, &update.messages.batch[i]);
  if (update.flags & RAFT_UPDATE_ENTRIES) {
    struct raft_event persisted = {.type = RAFT_PERSISTED_ENTRIES};
    persisted.persisted_entries.index = server->last;
    step(server, &persisted, STEP_PERSISTED);
  }
}

static void deliver_all(void) {
  while (queue_count > 0) {
    struct packet packet = queue[queue_first];
    queue_first = (queue_first + 1) % QUEUE_LENGTH;
    queue_count--;
    struct raft_event event = {.type = RAFT_RECEIVE};
    event.receive.message = &packet.message;
    enum cluster_step kind = STEP_OTHER;
    if (packet.message.type == RAFT_APPEND_ENTRIES) kind = STEP_RECEIVE_APPEND;
    if (packet.message.type == RAFT_APPEND_ENTRIES_RESULT) kind = STEP_RECEIVE_APPEND_RESULT;
    step(&servers[packet.to - 1], &event, kind);
    if (packet.message.type == RAFT_APPEND_ENTRIES) raft_free(packet.message.append_entries.entries);
  }
  for (size_t i = 0; i < CLUSTER_SERVERS; i++)
    if (raft_commit_index(&servers[i].raft) >=
        servers[i].dropped + CLUSTER_SNAPSHOT_ENTRIES + CLUSTER_TRAILING_ENTRIES)
      take_snapshot(&servers[i]);
}

static void start(struct server* server, unsigned inflight_entries_max) {
  struct raft_configuration configuration;
  raft_configuration_init(&configuration);
  for (raft_id id = 1; id <= CLUSTER_SERVERS; id++) {
    char address[16];
    snprintf(address, sizeof address, "server-%u", (unsigned)id);
    raft_configuration_add(&configuration, id, address, RAFT_VOTER);
  }
  struct raft_buffer encoded;
  int code = raft_configuration_encode(&configuration, &encoded);
  raft_configuration_close(&configuration);
  if (code != 0) fail("raft_configuration_encode", code);

  code = raft_init(&server->raft, server->id, server->address);
  if (code != 0) fail("raft_init", code);
  raft_seed(&server->raft, (unsigned)server->id);
  raft_set_max_inflight_entries(&server->raft, inflight_entries_max);
  struct raft_entry* const first = &server->log[1];
  *first = (struct raft_entry){.term = 1, .type = RAFT_CHANGE, .buf = encoded, .batch = NULL};
  server->last = 1;
  struct raft_event event = {.type = RAFT_START};
  event.start.term = 1;
  event.start.start_index = 1;
  struct raft_entry* const loaded = copy_entries(server, 1, 1);
  event.start.entries = loaded;
  event.start.n_entries = 1;
  void* const batch = loaded[0].batch;
  step(server, &event, STEP_OTHER);
  raft_free(batch);
  raft_free(loaded);
}

void cluster_open(unsigned inflight_entries_max) {
  for (raft_id id = 1; id <= CLUSTER_SERVERS; id++) {
    struct server* const server = &servers[id - 1];
    server->id = id;
    snprintf(server->address, sizeof server->address, "server-%u", (unsigned)id);
    start(server, inflight_entries_max);
  }
  now_ms = raft_timeout(&servers[0].raft);
  struct raft_event event = {.type = RAFT_TIMEOUT};
  step(&servers[0], &event, STEP_TIMEOUT);
  deliver_all();
  cluster_heartbeat();
  if (raft_state(&servers[0].raft) != RAFT_LEADER) fail("server 1 was not elected", 0);
}

void cluster_close(void) {
  for (size_t i = 0; i < CLUSTER_SERVERS; i++) {
    struct server* const server = &servers[i];
    raft_close(&server->raft);
    while (server->dropped < server->last) free(server->log[++server->dropped % LOG_LENGTH].buf.base);
    server->dropped = server->last = 0;
  }
}

void cluster_submit(unsigned entries, size_t bytes) {
  struct server* const leader = &servers[0];
  struct raft_entry list[1024];
  if (entries > sizeof list / sizeof *list) fail("too many entries a submit", 0);
  char* const batch = raft_malloc(entries * bytes + 1);
  if (batch == NULL) fail("memory", RAFT_NOMEM);
  memset(batch, 'x', entries * bytes);
  for (unsigned i = 0; i < entries; i++)
    list[i] = (struct raft_entry){.term = raft_current_term(&leader->raft),
                                  .type = RAFT_COMMAND,
                                  .buf = {.base = batch + i * bytes, .len = bytes},
                                  .batch = batch};
  struct raft_event event = {.type = RAFT_SUBMIT};
  event.submit.entries = list;
  event.submit.n = entries;
  step(leader, &event, STEP_SUBMIT);
  deliver_all();
}

void cluster_heartbeat(void) {
  now_ms = raft_timeout(&servers[0].raft);
  struct raft_event event = {.type = RAFT_TIMEOUT};
  step(&servers[0], &event, STEP_TIMEOUT);
  deliver_all();
}

raft_index cluster_committed(void) {
  return raft_commit_index(&servers[0].raft);
}
