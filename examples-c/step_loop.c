/*
 * Three Raft servers, and later a fourth, in one process: raft_step with a network, disks and a clock that
 * are nothing but arrays and a number. What a program with an event loop of its own does is all here, in the
 * order of the header (raft.h); step_uv.c does the same with real files and connections.
 *
 *     step_loop [SEED]
 *
 * The seed decides how long messages and writes take and who is elected. The same seed prints the same lines.
 */
#include <raft.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVERS = 4, VOTERS_AT_FIRST = 3, LOG_MAX = 200, COMING_MAX = 500, PATIENCE_MS = 60000 };

/* What a server keeps. Its disk is: the term, the vote, and the log up to `stored`. */
struct server {
  struct raft raft;
  bool is_running;
  bool is_cut_off;
  raft_term stored_term;
  raft_id stored_vote;
  raft_index stored;
  struct raft_entry log[LOG_MAX + 1]; /* By index, from 1 on; each entry's batch is its own. */
  raft_index last;
  raft_index applied;
};

/* A message on its way, or a write that ends. */
struct coming {
  raft_time at;
  raft_id to;
  struct raft_message* message; /* NULL: the entries up to `stored` of `to` are on its disk. */
  struct raft_entry* entries;   /* Those of the message. */
  raft_index stored;
};

static struct server servers[SERVERS + 1]; /* By id. */
static struct coming coming[COMING_MAX];
static size_t coming_count;
static raft_time now;
static uint64_t random_state;

static const char* const addresses[SERVERS + 1] = {"", "one", "two", "three", "four"};

static void say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("%6llu ms  ", now);
  vprintf(format, arguments);
  putchar('\n');
  va_end(arguments);
}

static void need(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "step_loop: %s\n", what);
  exit(1);
}

static unsigned random_below(unsigned n) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)(random_state >> 33) % n;
}

/* ---- the log */

/* A copy of the bytes in a block of its own. */
static struct raft_entry copy_entry(const struct raft_entry* source) {
  struct raft_entry entry = *source;
  entry.batch = entry.buf.base = raft_malloc(source->buf.len + 1);
  need(entry.batch != NULL, "no memory");
  memcpy(entry.buf.base, source->buf.base, source->buf.len);
  return entry;
}

static void cut_log(struct server* server, raft_index from) {
  while (server->last >= from) raft_free(server->log[server->last--].batch);
  if (server->stored > server->last) server->stored = server->last;
}

/* Entries from `first` on in one block, as if they had been read from a disk or a connection. */
static struct raft_entry* read_entries(const struct server* server, raft_index first, unsigned n) {
  if (n == 0) return NULL;
  size_t bytes = 1;
  for (unsigned i = 0; i < n; i++) bytes += server->log[first + i].buf.len;
  char* at = raft_malloc(bytes);
  struct raft_entry* const entries = malloc(n * sizeof *entries);
  need(at != NULL && entries != NULL, "no memory");
  void* const batch = at;
  for (unsigned i = 0; i < n; i++) {
    entries[i] = server->log[first + i];
    memcpy(at, entries[i].buf.base, entries[i].buf.len);
    entries[i].buf.base = at;
    entries[i].batch = batch;
    at += entries[i].buf.len;
  }
  return entries;
}

/* ---- what takes time */

static struct coming* add_coming(raft_id to, unsigned after_ms) {
  need(coming_count < COMING_MAX, "too much is under way");
  struct coming* const added = &coming[coming_count++];
  *added = (struct coming){.at = now + after_ms, .to = to};
  return added;
}

static void send_message(const struct server* from, const struct raft_message* message) {
  if (from->is_cut_off || servers[message->server_id].is_cut_off) return;
  struct coming* const packet = add_coming(message->server_id, 1 + random_below(10));
  packet->message = malloc(sizeof *packet->message);
  need(packet->message != NULL, "no memory");
  *packet->message = *message;
  packet->message->server_id = from->raft.id;
  packet->message->server_address = addresses[from->raft.id];
  if (message->type != RAFT_APPEND_ENTRIES) return;
  /* raft says which entries, and the program has them. */
  const struct raft_append_entries* const append = &message->append_entries;
  packet->entries = read_entries(from, append->prev_log_index + 1, append->n_entries);
  packet->message->append_entries.entries = packet->entries;
}

/* ---- updates */

static void step(struct server* server, struct raft_event* event);

static void store_entries(struct server* server, struct raft_update* update) {
  const raft_index first = update->entries.index;
  cut_log(server, first);
  /* What is replaced is not told to be stored any more. */
  for (size_t i = 0; i < coming_count; i++)
    if (coming[i].message == NULL && coming[i].to == server->raft.id && coming[i].stored >= first)
      coming[i].stored = first - 1;
  void* batch = NULL;
  for (unsigned i = 0; i < update->entries.n; i++) {
    const struct raft_entry* const entry = &update->entries.batch[i];
    need(server->last < LOG_MAX, "the log is full; a real program takes snapshots");
    server->log[++server->last] = copy_entry(entry);
    if (i > 0 && entry->batch != batch) raft_free(batch);
    batch = entry->batch;
  }
  raft_free(batch);
  raft_free(update->entries.batch);
  add_coming(server->raft.id, 1 + random_below(5))->stored = server->last;
}

static void apply(struct server* server) {
  while (server->applied < raft_commit_index(&server->raft)) {
    const struct raft_entry* const entry = &server->log[++server->applied];
    if (entry->type == RAFT_COMMAND && raft_state(&server->raft) == RAFT_LEADER)
      say("committed by server %llu: \"%.*s\", entry %llu of term %llu", server->raft.id, (int)entry->buf.len,
          (const char*)entry->buf.base, server->applied, entry->term);
    if (entry->type != RAFT_CHANGE) continue;
    struct raft_event event = {.type = RAFT_CONFIGURATION};
    event.configuration.index = server->applied;
    need(raft_configuration_decode(&entry->buf, &event.configuration.conf) == 0, "a damaged configuration");
    struct raft_configuration conf = event.configuration.conf;
    step(server, &event);
    raft_configuration_close(&conf);
  }
}

/* The order matters: term and vote, entries, messages, what is committed. */
static void process(struct server* server, struct raft_update* update) {
  if (update->flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR)) {
    server->stored_term = raft_current_term(&server->raft);
    server->stored_vote = raft_voted_for(&server->raft);
  }
  if (update->flags & RAFT_UPDATE_ENTRIES) store_entries(server, update);
  need(!(update->flags & RAFT_UPDATE_SNAPSHOT), "a snapshot, though nobody takes any");
  if (update->flags & RAFT_UPDATE_MESSAGES)
    for (unsigned i = 0; i < update->messages.n; i++) send_message(server, &update->messages.batch[i]);
  if (update->flags & RAFT_UPDATE_STATE && raft_state(&server->raft) == RAFT_LEADER)
    say("server %llu leads in term %llu", server->raft.id, raft_current_term(&server->raft));
  if (update->flags & RAFT_UPDATE_COMMIT_INDEX) apply(server);
}

static int try_step(struct server* server, struct raft_event* event) {
  struct raft_update update;
  event->time = now;
  const int code = raft_step(&server->raft, event, &update);
  if (code == 0) process(server, &update);
  return code;
}

static void step(struct server* server, struct raft_event* event) {
  need(try_step(server, event) == 0, raft_errmsg(&server->raft));
}

/* ---- the loop */

static void deliver(struct coming what) {
  struct server* const server = &servers[what.to];
  struct raft_event event = {0};
  if (what.message == NULL) {
    if (!server->is_running || what.stored <= server->stored) return;
    server->stored = what.stored;
    event.type = RAFT_PERSISTED_ENTRIES;
    event.persisted_entries.index = what.stored;
    step(server, &event);
    return;
  }
  event.type = RAFT_RECEIVE;
  event.receive.message = what.message;
  if (server->is_running && !server->is_cut_off)
    step(server, &event);
  else if (what.entries != NULL)
    raft_free(what.entries[0].batch);
  free(what.entries);
  free(what.message);
}

/* The next thing that happens: a message, the end of a write, or a time that has come. */
static void turn(void) {
  size_t next = 0;
  for (size_t i = 1; i < coming_count; i++)
    if (coming[i].at < coming[next].at) next = i;
  struct server* due = NULL;
  for (raft_id id = 1; id <= SERVERS; id++)
    if (servers[id].is_running && (due == NULL || raft_timeout(&servers[id].raft) < raft_timeout(&due->raft)))
      due = &servers[id];
  if (coming_count > 0 && (due == NULL || coming[next].at <= raft_timeout(&due->raft))) {
    const struct coming what = coming[next];
    memmove(&coming[next], &coming[next + 1], (--coming_count - next) * sizeof *coming);
    if (what.at > now) now = what.at;
    deliver(what);
    return;
  }
  if (raft_timeout(&due->raft) > now) now = raft_timeout(&due->raft);
  struct raft_event event = {.type = RAFT_TIMEOUT};
  step(due, &event);
}

static void run_for(raft_time ms) {
  for (const raft_time end = now + ms; now < end;) turn();
}

/* ---- a server's life */

static void start(raft_id id) {
  struct server* const server = &servers[id];
  need(raft_init(&server->raft, id, addresses[id]) == 0, raft_errmsg(&server->raft));
  raft_seed(&server->raft, random_below(1u << 30));
  raft_set_pre_vote(&server->raft, true);
  server->is_running = true;
  server->applied = 0;
  struct raft_event event = {.type = RAFT_START};
  event.start.term = server->stored_term;
  event.start.voted_for = server->stored_vote;
  event.start.start_index = 1;
  event.start.n_entries = (unsigned)server->last;
  struct raft_entry* const entries = read_entries(server, 1, (unsigned)server->last);
  event.start.entries = entries;
  step(server, &event);
  if (entries != NULL) raft_free(entries[0].batch);
  free(entries);
}

/* The first entry of all is the same on the disks of all first members. */
static void bootstrap(void) {
  struct raft_configuration members;
  raft_configuration_init(&members);
  for (raft_id id = 1; id <= VOTERS_AT_FIRST; id++)
    raft_configuration_add(&members, id, addresses[id], RAFT_VOTER);
  struct raft_entry first = {.term = 1, .type = RAFT_CHANGE};
  need(raft_configuration_encode(&members, &first.buf) == 0, "no memory");
  raft_configuration_close(&members);
  for (raft_id id = 1; id <= VOTERS_AT_FIRST; id++) {
    servers[id].log[1] = copy_entry(&first);
    servers[id].last = servers[id].stored = 1;
    servers[id].stored_term = 1;
  }
  raft_free(first.buf.base);
}

/* As a power cut does it: what was not stored yet is lost, and so is what was under way to it. */
static void crash(struct server* server) {
  const raft_id id = server->raft.id;
  raft_close(&server->raft);
  server->is_running = false;
  size_t kept = 0;
  for (size_t i = 0; i < coming_count; i++)
    if (coming[i].message != NULL || coming[i].to != id) coming[kept++] = coming[i];
  coming_count = kept;
  cut_log(server, server->stored + 1);
  say("server %llu crashes, with %llu entries on its disk", id, server->last);
}

/* ---- what the phases ask for */

static struct server* wait_for_leader(void) {
  for (const raft_time end = now + PATIENCE_MS; now < end; turn())
    for (raft_id id = 1; id <= SERVERS; id++) {
      struct server* const server = &servers[id];
      if (server->is_running && !server->is_cut_off && raft_state(&server->raft) == RAFT_LEADER)
        return server;
    }
  need(false, "nobody was elected");
  return NULL;
}

static int submit(struct server* leader, unsigned short type, struct raft_buffer bytes) {
  struct raft_entry entry = {.type = type, .buf = bytes, .batch = bytes.base};
  struct raft_event event = {.type = RAFT_SUBMIT};
  event.submit.entries = &entry;
  event.submit.n = 1;
  const int code = try_step(leader, &event);
  if (code != 0) raft_free(bytes.base); /* It has not changed owner. */
  return code;
}

static void command(struct server* leader, const char* text) {
  struct raft_buffer bytes = {raft_malloc(strlen(text) + 1), strlen(text)};
  need(bytes.base != NULL, "no memory");
  memcpy(bytes.base, text, bytes.len);
  need(submit(leader, RAFT_COMMAND, bytes) == 0, raft_errmsg(&leader->raft));
}

/* All that are not cut off have applied all that the leader has. */
static void wait_until_applied(const struct server* leader) {
  const raft_index wanted = leader->last;
  for (const raft_time end = now + PATIENCE_MS; now < end; turn()) {
    bool is_everywhere = true;
    for (raft_id id = 1; id <= SERVERS; id++)
      if (servers[id].is_running && !servers[id].is_cut_off && servers[id].applied < wanted)
        is_everywhere = false;
    if (is_everywhere) return;
  }
  need(false, "an entry was not committed");
}

static void change_role_of_fourth(struct server* leader, int role) {
  struct raft_configuration members;
  raft_configuration_init(&members);
  for (raft_id id = 1; id <= VOTERS_AT_FIRST; id++)
    raft_configuration_add(&members, id, addresses[id], RAFT_VOTER);
  raft_configuration_add(&members, SERVERS, addresses[SERVERS], role);
  /* One change at a time, and none before the leader has committed an entry of its own term. */
  int code;
  do {
    struct raft_buffer bytes;
    need(raft_configuration_encode(&members, &bytes) == 0, "no memory");
    code = submit(leader, RAFT_CHANGE, bytes);
    if (code == RAFT_CANTCHANGE) turn();
  } while (code == RAFT_CANTCHANGE);
  need(code == 0, raft_errmsg(&leader->raft));
  raft_configuration_close(&members);
}

static void catch_up_fourth(struct server* leader) {
  struct raft_event event = {.type = RAFT_CATCH_UP};
  event.catch_up.server_id = SERVERS;
  step(leader, &event);
  int status = RAFT_CATCH_UP_NONE;
  for (const raft_time end = now + PATIENCE_MS; now < end; turn()) {
    need(raft_catch_up(&leader->raft, SERVERS, &status) == 0, "the stand-by is unknown");
    if (status == RAFT_CATCH_UP_FINISHED) return;
    need(status != RAFT_CATCH_UP_ABORTED, "the stand-by was too slow");
  }
  need(false, "the stand-by was not brought up to date");
}

static struct server* transfer(struct server* leader) {
  struct raft_event event = {.type = RAFT_TRANSFER}; /* server_id 0: raft chooses. */
  step(leader, &event);
  say("server %llu hands over to server %llu", leader->raft.id, raft_transferee(&leader->raft));
  while (raft_state(&leader->raft) == RAFT_LEADER) turn();
  return wait_for_leader();
}

static void need_same_logs(const struct server* leader) {
  for (raft_id id = 1; id <= SERVERS; id++) {
    need(servers[id].last == leader->last, "the logs differ in length");
    for (raft_index index = 1; index <= leader->last; index++) {
      const struct raft_entry *ours = &leader->log[index], *theirs = &servers[id].log[index];
      need(ours->term == theirs->term && ours->buf.len == theirs->buf.len &&
               memcmp(ours->buf.base, theirs->buf.base, ours->buf.len) == 0,
           "the logs differ");
    }
  }
}

int main(int argc, char** argv) {
  char* end = NULL;
  random_state = argc > 1 ? strtoull(argv[1], &end, 10) : 1;
  if (argc > 2 || (end != NULL && (*end != '\0' || end == argv[1]))) {
    fputs("usage: step_loop [SEED]\n", stderr);
    return 2;
  }
  now = 1000;

  say("ELECT: three servers start");
  bootstrap();
  for (raft_id id = 1; id <= VOTERS_AT_FIRST; id++) start(id);
  struct server* leader = wait_for_leader();

  say("REPLICATE: commands go to the leader");
  command(leader, "red");
  command(leader, "green");
  wait_until_applied(leader);

  say("PARTITION: server %llu is cut off and does not know it", leader->raft.id);
  struct server* const old = leader;
  old->is_cut_off = true;
  command(old, "lost");
  leader = wait_for_leader();
  command(leader, "blue");
  wait_until_applied(leader);
  const raft_index in_doubt = old->last;
  need(old->applied < in_doubt, "a leader without followers has committed an entry");
  old->is_cut_off = false;
  wait_until_applied(leader);
  say("server %llu is back: in place of what it took alone it has \"%.*s\"", old->raft.id,
      (int)leader->log[leader->last].buf.len, (const char*)leader->log[leader->last].buf.base);

  say("CRASH: server %llu loses what is not on its disk", old->raft.id);
  command(leader, "violet");
  crash(old);
  run_for(500);
  start(old->raft.id);
  wait_until_applied(leader);
  say("server %llu has started from its disk, and has all %llu entries", old->raft.id, old->applied);

  say("TRANSFER: another one is to lead");
  leader = transfer(leader);

  say("CATCH UP: server %d joins as a stand-by", SERVERS);
  start(SERVERS);
  change_role_of_fourth(leader, RAFT_STANDBY);
  catch_up_fourth(leader);
  change_role_of_fourth(leader, RAFT_VOTER);
  wait_until_applied(leader);
  say("server %d is a %s", SERVERS, raft_role_name(raft_role(&servers[SERVERS].raft)));
  command(leader, "white");
  wait_until_applied(leader);
  need_same_logs(leader);
  say("DONE: %d servers have the same %llu entries", SERVERS, leader->last);

  for (raft_id id = 1; id <= SERVERS; id++) {
    raft_close(&servers[id].raft);
    cut_log(&servers[id], 1);
  }
  for (size_t i = 0; i < coming_count; i++) {
    if (coming[i].entries != NULL) raft_free(coming[i].entries[0].batch);
    free(coming[i].entries);
    free(coming[i].message);
  }
  return 0;
}
