/*
 * raft_step on a libuv loop: one server of a cluster, with TCP connections and files.
 *
 *     step_uv ID DIRECTORY ADDRESS...
 *
 * The addresses (IPv4:port) are those of all servers, ID says which of them this one is, from 1 on. Each line
 * that is typed is a command; what is committed is printed. Three terminals:
 *
 *     ./step_uv 1 /tmp/raft1 127.0.0.1:9001 127.0.0.1:9002 127.0.0.1:9003
 *     ./step_uv 2 /tmp/raft2 127.0.0.1:9001 127.0.0.1:9002 127.0.0.1:9003
 *     ./step_uv 3 /tmp/raft3 127.0.0.1:9001 127.0.0.1:9002 127.0.0.1:9003
 *
 * Kill any of them in whatever way, and start it again: it goes on from its files. DIRECTORY/term holds the
 * term and the vote, and is replaced as a whole before anything else of an update is done. DIRECTORY/log only
 * grows: an entry with an index that was there before replaces that one and all behind it. A program that
 * runs for long takes snapshots, too (RAFT_SNAPSHOT), and begins a new file then.
 */
#include <errno.h>
#include <fcntl.h>
#include <raft.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "step/step_codec.h"

enum {
  SERVERS_MAX = 9,
  ELECTION_MS = 500,
  HEARTBEAT_MS = 50,
  RECONNECT_MS = 200,
  LINE_MAX_BYTES = 1 << 20,
  PATH_BYTES = 4096,
  RECORD_WORDS = 5,    /* index, term, type, length, checksum of these and of the bytes that follow */
  UNSENT_MAX = 4 << 20 /* What a connection does not take is dropped: raft sends it again. */
};

struct peer {
  raft_id id;
  struct sockaddr_in address;
  uv_tcp_t* connection; /* NULL: none */
  bool is_connected;
  raft_time next_try;
};

struct incoming {
  uv_tcp_t connection; /* First: this is what libuv hands back. */
  struct bytes received;
};

static uv_loop_t* loop;
static struct raft raft;
static uv_timer_t timer;
static uv_signal_t interrupted, terminated;
static uv_tcp_t listener;
static union {
  uv_handle_t handle;
  uv_stream_t stream;
  uv_pipe_t pipe;
  uv_tty_t tty;
} input;
static struct bytes typed;
static struct peer peers[SERVERS_MAX + 1]; /* By id. */
static unsigned peers_count;

static char directory[PATH_BYTES];
static struct raft_entry* entries; /* By index - 1; each with a block of its own. */
static size_t entries_capacity;
static raft_index last, applied;

/* One write is under way, what comes meanwhile waits. `*_told`: up to where entries are durable when it ends,
 * less where entries have been replaced since. */
static int log_file;
static int64_t log_size;
static uv_fs_t log_request;
static bool is_writing;
static struct bytes writing, waiting;
static raft_index writing_told, waiting_told;

/* ---- small things */

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("step_uv: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

static uint64_t checksum(const uint64_t* words, const char* data, size_t length) {
  uint64_t sum = 0xcbf29ce484222325u;
  for (size_t i = 0; i < RECORD_WORDS - 1; i++) sum = (sum ^ words[i]) * 0x100000001b3u;
  for (size_t i = 0; i < length; i++) sum = (sum ^ (unsigned char)data[i]) * 0x100000001b3u;
  return sum;
}

/* ---- the log in memory */

static void cut_log(raft_index from) {
  while (last >= from) raft_free(entries[--last].batch);
}

static void append_entry(raft_term term, unsigned short type, const void* data, size_t length) {
  if (last == entries_capacity) {
    entries_capacity = entries_capacity * 2 + 64;
    entries = must(realloc(entries, entries_capacity * sizeof *entries));
  }
  struct raft_entry* const entry = &entries[last++];
  *entry = (struct raft_entry){.term = term, .type = type};
  entry->batch = entry->buf.base = must(raft_malloc(length + 1));
  entry->buf.len = length;
  if (length > 0) memcpy(entry->buf.base, data, length);
}

/* ---- files */

static const char* path_of(const char* name) {
  static char path[PATH_BYTES + 16];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

static void sync_directory(void) {
  const int file = open(directory, O_RDONLY | O_DIRECTORY);
  if (file < 0 || fsync(file) != 0) fail("%s: %s", directory, strerror(errno));
  close(file);
}

/* Rare, and nothing of the update may be done before it: no reason to let the loop go on meanwhile. */
static void store_term(raft_term term, raft_id vote) {
  char temporary[PATH_BYTES + 16];
  struct bytes bytes = {0};
  const uint64_t words[] = {term, vote};
  add_words(&bytes, words, 2);
  snprintf(temporary, sizeof temporary, "%s", path_of("term.new"));
  const int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0 || write(file, bytes.base, bytes.length) != (ssize_t)bytes.length || fsync(file) != 0 ||
      close(file) != 0 || rename(temporary, path_of("term")) != 0)
    fail("%s: %s", path_of("term"), strerror(errno));
  sync_directory();
  free(bytes.base);
}

static void load_term(raft_term* term, raft_id* vote) {
  char bytes[2 * sizeof(uint64_t)];
  uint64_t words[2] = {0, 0};
  const int file = open(path_of("term"), O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    if (read(file, bytes, sizeof bytes) != (ssize_t)sizeof bytes) fail("%s is damaged", path_of("term"));
    read_words(bytes, words, 2);
    close(file);
  } else if (errno != ENOENT) {
    fail("%s: %s", path_of("term"), strerror(errno));
  }
  *term = words[0];
  *vote = words[1];
}

static void add_record(struct bytes* bytes, raft_index index, const struct raft_entry* entry) {
  uint64_t words[RECORD_WORDS] = {index, entry->term, entry->type, entry->buf.len, 0};
  words[RECORD_WORDS - 1] = checksum(words, entry->buf.base, entry->buf.len);
  add_words(bytes, words, RECORD_WORDS);
  add_bytes(bytes, entry->buf.base, entry->buf.len);
}

/* Replays the file up to where a crash has torn it. */
static void load_log(void) {
  struct stat status;
  log_file = open(path_of("log"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (log_file < 0 || fstat(log_file, &status) != 0) fail("%s: %s", path_of("log"), strerror(errno));
  const size_t size = (size_t)status.st_size;
  char* const bytes = must(malloc(size + 1));
  for (size_t at = 0; at < size;) {
    const ssize_t count = pread(log_file, bytes + at, size - at, (off_t)at);
    if (count <= 0) fail("%s: %s", path_of("log"), strerror(errno));
    at += (size_t)count;
  }
  const size_t head = RECORD_WORDS * sizeof(uint64_t);
  size_t at = 0;
  while (size - at >= head) {
    uint64_t words[RECORD_WORDS];
    read_words(bytes + at, words, RECORD_WORDS);
    const uint64_t index = words[0], length = words[3];
    if (length > size - at - head || words[4] != checksum(words, bytes + at + head, length)) break;
    if (index == 0 || index > last + 1)
      fail("%s has entry %llu behind %llu", path_of("log"), (raft_index)index, last);
    cut_log(index);
    append_entry(words[1], (unsigned short)words[2], bytes + at + head, length);
    at += head + length;
  }
  free(bytes);
  log_size = (int64_t)at;
  if (at < size && (ftruncate(log_file, (off_t)at) != 0 || fsync(log_file) != 0))
    fail("%s: %s", path_of("log"), strerror(errno));
}

/* The first entry of all is the same at all first members. */
static void bootstrap(char** addresses) {
  struct raft_configuration members;
  struct raft_buffer encoded;
  struct bytes record = {0};
  raft_configuration_init(&members);
  for (unsigned i = 0; i < peers_count; i++) {
    const int code = raft_configuration_add(&members, i + 1, addresses[i], RAFT_VOTER);
    if (code != 0) fail("%s: %s", addresses[i], raft_strerror(code));
  }
  if (raft_configuration_encode(&members, &encoded) != 0) fail("no memory");
  raft_configuration_close(&members);
  append_entry(1, RAFT_CHANGE, encoded.base, encoded.len);
  raft_free(encoded.base);
  add_record(&record, 1, &entries[0]);
  store_term(1, 0);
  if (pwrite(log_file, record.base, record.length, 0) != (ssize_t)record.length || fsync(log_file) != 0)
    fail("%s: %s", path_of("log"), strerror(errno));
  log_size = (int64_t)record.length;
  free(record.base);
}

/* ---- the loop's end of the log: written, synced, and then told */

static void step(struct raft_event* event);
static void write_log(void);

static void on_log_synced(uv_fs_t* request) {
  if (request->result < 0) fail("%s: %s", path_of("log"), uv_strerror((int)request->result));
  uv_fs_req_cleanup(request);
  is_writing = false;
  log_size += (int64_t)writing.length;
  writing.length = 0;
  struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
  event.persisted_entries.index = writing_told;
  if (waiting.length > 0) write_log();
  if (event.persisted_entries.index > 0) step(&event);
}

static void on_log_written(uv_fs_t* request) {
  /* After a failed or short write nobody knows what the file has: the next start cuts it where it is torn. */
  if (request->result != (ssize_t)writing.length) fail("%s: a write failed", path_of("log"));
  uv_fs_req_cleanup(request);
  if (uv_fs_fdatasync(loop, request, log_file, on_log_synced) != 0) fail("the log cannot be synced");
}

static void write_log(void) {
  const struct bytes emptied = writing;
  writing = waiting;
  waiting = emptied;
  writing_told = waiting_told;
  is_writing = true;
  const uv_buf_t buffer = uv_buf_init(writing.base, (unsigned)writing.length);
  if (uv_fs_write(loop, &log_request, log_file, &buffer, 1, log_size, on_log_written) != 0)
    fail("the log cannot be written");
}

static void store_entries(struct raft_update* update) {
  const raft_index first = update->entries.index;
  cut_log(first);
  if (writing_told >= first) writing_told = first - 1;
  void* batch = NULL;
  for (unsigned i = 0; i < update->entries.n; i++) {
    const struct raft_entry* const entry = &update->entries.batch[i];
    append_entry(entry->term, entry->type, entry->buf.base, entry->buf.len);
    add_record(&waiting, last, entry);
    if (i > 0 && entry->batch != batch) raft_free(batch);
    batch = entry->batch;
  }
  raft_free(batch);
  raft_free(update->entries.batch);
  waiting_told = last;
  if (!is_writing) write_log();
}

/* ---- messages out */

static void on_closed(uv_handle_t* handle) {
  free(handle);
}

static void disconnect(struct peer* peer) {
  uv_close((uv_handle_t*)peer->connection, on_closed);
  peer->connection = NULL;
  peer->is_connected = false;
  peer->next_try = uv_now(loop) + RECONNECT_MS;
}

/* A peer says nothing on a connection that is for messages to it; its end does. */
static void on_peer_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  free(buffer->base);
  struct peer* const peer = stream->data;
  if (count < 0 && peer->connection == (uv_tcp_t*)stream) disconnect(peer);
}

static void on_allocate(uv_handle_t* handle, size_t size, uv_buf_t* buffer) {
  (void)handle;
  *buffer = uv_buf_init(must(malloc(size)), (unsigned)size);
}

static void on_connected(uv_connect_t* request, int status) {
  struct peer* const peer = request->data;
  const bool is_current = peer->connection == (uv_tcp_t*)request->handle;
  free(request);
  if (!is_current) return;
  if (status < 0) {
    disconnect(peer);
    return;
  }
  peer->is_connected = true;
  uv_read_start((uv_stream_t*)peer->connection, on_allocate, on_peer_read);
}

static void connect_to(struct peer* peer) {
  if (peer->connection != NULL || uv_now(loop) < peer->next_try) return;
  uv_connect_t* const request = must(malloc(sizeof *request));
  request->data = peer;
  peer->connection = must(malloc(sizeof *peer->connection));
  uv_tcp_init(loop, peer->connection);
  uv_tcp_nodelay(peer->connection, 1);
  peer->connection->data = peer;
  if (uv_tcp_connect(request, peer->connection, (const struct sockaddr*)&peer->address, on_connected) == 0)
    return;
  free(request);
  disconnect(peer);
}

struct sending {
  uv_write_t request; /* First. */
  struct bytes frame;
};

static void on_sent(uv_write_t* request, int status) {
  struct sending* const sending = (struct sending*)request;
  struct peer* const peer = request->handle->data;
  if (status < 0 && peer->connection == (uv_tcp_t*)request->handle) disconnect(peer);
  free(sending->frame.base);
  free(sending);
}

static void send_message(const struct raft_message* message) {
  struct peer* const peer = &peers[message->server_id];
  if (!peer->is_connected) {
    connect_to(peer);
    return;
  }
  if (uv_stream_get_write_queue_size((uv_stream_t*)peer->connection) > UNSENT_MAX) return;
  struct sending* const sending = must(calloc(1, sizeof *sending));
  pack_message(&sending->frame, raft.id, message, entries);
  const uv_buf_t buffer = uv_buf_init(sending->frame.base, (unsigned)sending->frame.length);
  if (uv_write(&sending->request, (uv_stream_t*)peer->connection, &buffer, 1, on_sent) == 0) return;
  free(sending->frame.base);
  free(sending);
  disconnect(peer);
}

/* ---- updates */

static void apply(void) {
  while (applied < raft_commit_index(&raft)) {
    const struct raft_entry* const entry = &entries[applied++];
    if (entry->type == RAFT_COMMAND)
      printf("applied %llu %.*s\n", applied, (int)entry->buf.len, (const char*)entry->buf.base);
    if (entry->type != RAFT_CHANGE) continue;
    struct raft_event event = {.type = RAFT_CONFIGURATION};
    event.configuration.index = applied;
    if (raft_configuration_decode(&entry->buf, &event.configuration.conf) != 0)
      fail("a damaged configuration");
    struct raft_configuration conf = event.configuration.conf;
    step(&event);
    raft_configuration_close(&conf);
  }
}

static void on_timeout(uv_timer_t* handle) {
  (void)handle;
  struct raft_event event = {.type = RAFT_TIMEOUT};
  step(&event);
}

static void arm_timer(void) {
  const raft_time now = uv_now(loop), due = raft_timeout(&raft);
  uv_timer_start(&timer, on_timeout, due > now ? due - now : 0, 0);
}

/* The order matters: term and vote, entries, messages, what is committed. */
static void process(struct raft_update* update) {
  if (update->flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR))
    store_term(raft_current_term(&raft), raft_voted_for(&raft));
  if (update->flags & RAFT_UPDATE_ENTRIES) store_entries(update);
  if (update->flags & RAFT_UPDATE_MESSAGES)
    for (unsigned i = 0; i < update->messages.n; i++) send_message(&update->messages.batch[i]);
  if (update->flags & RAFT_UPDATE_STATE)
    printf("%s of term %llu\n", raft_state_name((int)raft_state(&raft)), raft_current_term(&raft));
  if (update->flags & RAFT_UPDATE_COMMIT_INDEX) apply();
  arm_timer();
}

static int try_step(struct raft_event* event) {
  struct raft_update update;
  uv_update_time(loop);
  event->time = uv_now(loop);
  const int code = raft_step(&raft, event, &update);
  if (code == 0) process(&update);
  if (code == RAFT_SHUTDOWN) fail("%s", raft_errmsg(&raft));
  return code;
}

static void step(struct raft_event* event) {
  if (try_step(event) != 0) fail("%s", raft_errmsg(&raft));
}

/* ---- messages in */

static void receive(raft_id from, struct raft_message* message) {
  if (from == 0 || from > peers_count) return;
  struct raft_event event = {.type = RAFT_RECEIVE};
  event.receive.message = message;
  const int code = try_step(&event);
  if (code == 0) return;
  fprintf(stderr, "step_uv: a message of server %llu is refused: %s\n", from, raft_errmsg(&raft));
  free_message_batch(message);
}

static void on_incoming_closed(uv_handle_t* handle) {
  struct incoming* const incoming = (struct incoming*)handle;
  free(incoming->received.base);
  free(incoming);
}

static void on_incoming_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  struct incoming* const incoming = (struct incoming*)stream;
  if (count > 0) add_bytes(&incoming->received, buffer->base, (size_t)count);
  free(buffer->base);
  enum unpacked unpacked = UNPACKED_DAMAGED;
  while (count >= 0) {
    struct raft_message message;
    raft_id from;
    unpacked = unpack_message(&incoming->received, &from, &message);
    if (unpacked != UNPACKED_MESSAGE) break;
    receive(from, &message);
    free_message_entries(&message);
  }
  if (unpacked == UNPACKED_DAMAGED) uv_close((uv_handle_t*)stream, on_incoming_closed);
}

static void on_incoming(uv_stream_t* server, int status) {
  (void)server;
  if (status < 0) return;
  struct incoming* const incoming = must(calloc(1, sizeof *incoming));
  uv_tcp_init(loop, &incoming->connection);
  if (uv_accept(server, (uv_stream_t*)&incoming->connection) == 0)
    uv_read_start((uv_stream_t*)&incoming->connection, on_allocate, on_incoming_read);
  else
    uv_close((uv_handle_t*)&incoming->connection, on_incoming_closed);
}

/* ---- commands */

static void submit(const char* text, size_t length) {
  struct raft_entry entry = {.type = RAFT_COMMAND};
  entry.batch = entry.buf.base = must(raft_malloc(length + 1));
  entry.buf.len = length;
  memcpy(entry.buf.base, text, length);
  struct raft_event event = {.type = RAFT_SUBMIT};
  event.submit.entries = &entry;
  event.submit.n = 1;
  const int code = try_step(&event);
  if (code == 0) return;
  raft_free(entry.batch); /* It has not changed owner. */
  raft_id leader;
  raft_leader(&raft, &leader, NULL);
  printf("refused, %s; the leader is %llu\n", raft_strerror(code), leader);
}

static void on_typed(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  if (count > 0) add_bytes(&typed, buffer->base, (size_t)count);
  free(buffer->base);
  if (count < 0) uv_read_stop(stream); /* The server goes on. */
  char* end;
  while (typed.length > 0 && (end = memchr(typed.base, '\n', typed.length)) != NULL) {
    const size_t length = (size_t)(end - typed.base);
    if (length > LINE_MAX_BYTES)
      printf("refused, a command has %d bytes at most\n", LINE_MAX_BYTES);
    else if (length > 0)
      submit(typed.base, length);
    drop_bytes(&typed, length + 1);
  }
}

static void read_input(void) {
  const uv_handle_type type = uv_guess_handle(STDIN_FILENO);
  if (type == UV_TTY)
    uv_tty_init(loop, &input.tty, STDIN_FILENO, 1);
  else if (type == UV_NAMED_PIPE && uv_pipe_init(loop, &input.pipe, 0) == 0)
    uv_pipe_open(&input.pipe, STDIN_FILENO);
  else
    return;
  uv_read_start(&input.stream, on_allocate, on_typed);
}

/* ---- the start */

static void on_signal(uv_signal_t* handle, int number) {
  (void)handle;
  (void)number;
  uv_stop(loop);
}

static void read_addresses(char** addresses) {
  for (unsigned id = 1; id <= peers_count; id++) {
    char host[64];
    int port;
    if (sscanf(addresses[id - 1], "%63[^:]:%d", host, &port) != 2 ||
        uv_ip4_addr(host, port, &peers[id].address) != 0)
      fail("'%s' is not IPv4:port", addresses[id - 1]);
    peers[id].id = id;
  }
}

static void listen_at(const char* address, const struct peer* self) {
  uv_tcp_init(loop, &listener);
  int code = uv_tcp_bind(&listener, (const struct sockaddr*)&self->address, 0);
  if (code == 0) code = uv_listen((uv_stream_t*)&listener, 16, on_incoming);
  if (code != 0) fail("%s: %s", address, uv_strerror(code));
}

static void start_raft(const char* address, raft_id id, char** addresses) {
  struct raft_event event = {.type = RAFT_START};
  load_log();
  if (last == 0) bootstrap(addresses);
  load_term(&event.start.term, &event.start.voted_for);
  if (raft_init(&raft, id, address) != 0) fail("%s", raft_errmsg(&raft));
  raft_seed(&raft, (unsigned)(uv_hrtime() ^ (uint64_t)getpid()));
  raft_set_election_timeout(&raft, ELECTION_MS);
  raft_set_heartbeat_timeout(&raft, HEARTBEAT_MS);
  raft_set_pre_vote(&raft, true);
  event.start.start_index = 1;
  event.start.entries = entries;
  event.start.n_entries = (unsigned)last;
  printf("server %llu at %s has %llu entries\n", id, address, last);
  step(&event);
}

int main(int argc, char** argv) {
  peers_count = argc > 3 ? (unsigned)argc - 3 : 0;
  const int id = argc > 3 ? atoi(argv[1]) : 0;
  if (peers_count > SERVERS_MAX || id < 1 || (unsigned)id > peers_count) {
    fputs("usage: step_uv ID DIRECTORY IPV4:PORT...\n", stderr);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  snprintf(directory, sizeof directory, "%s", argv[2]);
  if (mkdir(directory, 0777) != 0 && errno != EEXIST) fail("%s: %s", directory, strerror(errno));
  loop = uv_default_loop();
  uv_timer_init(loop, &timer);
  uv_signal_init(loop, &interrupted);
  uv_signal_init(loop, &terminated);
  uv_signal_start(&interrupted, on_signal, SIGINT);
  uv_signal_start(&terminated, on_signal, SIGTERM);
  read_addresses(argv + 3);
  listen_at(argv[2 + id], &peers[id]);
  start_raft(argv[2 + id], (raft_id)id, argv + 3);
  read_input();
  uv_run(loop, UV_RUN_DEFAULT);
  /* What is not written yet was acknowledged to nobody. */
  return raft_close(&raft);
}
