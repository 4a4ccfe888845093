/*
 * C-Raft as a peer of the benchmark: one node on the library's libuv I/O, driven over standard input
 * (bench/peers/README.md). Everything runs on the loop's thread, as the library wants it; another thread
 * reads the commands. Entries go out behind the loop's poll, as many at a time as the window has room for.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <raft.h>
#include <raft/uv.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "load.h"

enum { LINE_BYTES = 4096, POLL_MS = 10, CONNECT_RETRY_MS = 100 };

static struct {
  uv_loop_t loop;
  uv_async_t command;
  uv_check_t after_poll;
  uv_timer_t poll;
  struct raft_uv_transport transport;
  struct raft_io io;
  struct raft_fsm fsm;
  struct raft raft;
  bool is_started;
  int role;
  uint64_t applied;
} peer;

/* The line that the reader hands to the loop; it goes on when the line is taken. */
static char line[LINE_BYTES];
static sem_t line_taken;

static int on_apply(struct raft_fsm* fsm, const struct raft_buffer* data, void** result) {
  (void)fsm;
  *result = NULL;
  peer.applied++;
  load_applied(data);
  return 0;
}

/* The state is empty, as that of the other programs; the library wants some bytes. */
static int on_snapshot(struct raft_fsm* fsm, struct raft_buffer* buffers[], unsigned* count) {
  (void)fsm;
  *buffers = raft_malloc(sizeof **buffers);
  if (*buffers == NULL) return RAFT_NOMEM;
  (*buffers)->len = sizeof(uint64_t);
  (*buffers)->base = raft_calloc(1, sizeof(uint64_t));
  *count = 1;
  return (*buffers)->base == NULL ? RAFT_NOMEM : 0;
}

static int on_restore(struct raft_fsm* fsm, struct raft_buffer* data) {
  (void)fsm;
  raft_free(data->base);
  return 0;
}

static void tell_role(void) {
  static const char* const names[] = {
      [RAFT_FOLLOWER] = "follower", [RAFT_CANDIDATE] = "candidate", [RAFT_LEADER] = "leader"};
  const int role = raft_state(&peer.raft);
  if (role == peer.role) return;
  peer.role = role;
  if (role != RAFT_UNAVAILABLE)
    printf("role %s\n", names[role]);
  else
    printf("error the node has stopped: %s\n", raft_errmsg(&peer.raft));
}

static void on_after_poll(uv_check_t* handle) {
  (void)handle;
  load_pump(&peer.raft);
  load_finish_when_done();
}

static void on_poll(uv_timer_t* handle) {
  (void)handle;
  tell_role();
  load_finish_when_done();
}

static int bootstrap(const struct config* config) {
  struct raft_configuration members;
  raft_configuration_init(&members);
  int code = 0;
  for (size_t i = 0; i < config->peers_count && code == 0; i++)
    code = raft_configuration_add(&members, config->peers[i].id, config->peers[i].address, RAFT_VOTER);
  if (code == 0) code = raft_bootstrap(&peer.raft, &members);
  raft_configuration_close(&members);
  /* A node that has been here before has its members in its log. */
  return code == RAFT_CANTBOOTSTRAP ? 0 : code;
}

static int open_node(const struct config* config) {
  if (mkdir(config->log_directory, 0750) != 0 && errno != EEXIST) return RAFT_IOERR;
  int code = raft_uv_tcp_init(&peer.transport, &peer.loop);
  if (code == 0) code = raft_uv_init(&peer.io, &peer.loop, config->log_directory, &peer.transport);
  if (code != 0) return code;
  raft_uv_set_connect_retry_delay(&peer.io, CONNECT_RETRY_MS);
  peer.fsm =
      (struct raft_fsm){.version = 1, .apply = on_apply, .snapshot = on_snapshot, .restore = on_restore};
  code = raft_init(&peer.raft, &peer.io, &peer.fsm, config->id, config_address(config, config->id));
  if (code != 0) return code;
  raft_set_election_timeout(&peer.raft, (unsigned)(config->tick_ms * config->election_ticks));
  raft_set_heartbeat_timeout(&peer.raft, (unsigned)(config->tick_ms * config->heartbeat_ticks));
  raft_set_pre_vote(&peer.raft, true);
  raft_set_snapshot_threshold(&peer.raft,
                              config->snapshot_count == 0 ? UINT32_MAX : (unsigned)config->snapshot_count);
  raft_set_snapshot_trailing(&peer.raft, (unsigned)config->snapshot_entries);
  code = bootstrap(config);
  return code == 0 ? raft_start(&peer.raft) : code;
}

static void start(const char* path) {
  static struct config config;
  char error[CONFIG_ERROR_BYTES];
  if (peer.is_started) {
    printf("error this node runs already\n");
    return;
  }
  if (!config_read(path, &config, error)) {
    printf("error %s\n", error);
    return;
  }
  const int code = open_node(&config);
  if (code != 0) {
    printf("error %s: %s\n", raft_strerror(code), raft_errmsg(&peer.raft));
    return;
  }
  peer.is_started = true;
  uv_timer_start(&peer.poll, on_poll, 0, POLL_MS);
  uv_check_start(&peer.after_poll, on_after_poll);
  printf("ready\n");
}

static void run_load(void) {
  uint64_t count = 0;
  uint64_t bytes = 0;
  uint64_t window = 0;
  uint64_t proposers = 0;
  const int fields =
      sscanf(line, "run %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &count, &bytes, &window, &proposers);
  if (fields < 3 || count == 0 || window == 0 || bytes < LOAD_HEADER_BYTES)
    printf("error run COUNT BYTES WINDOW: at least 1, %d and 1\n", LOAD_HEADER_BYTES);
  else if (proposers > 1)
    printf("error C-Raft takes entries on its loop's thread only: one proposer\n");
  else if (load_is_running())
    printf("error a run goes on\n");
  else if (!peer.is_started)
    printf("error start a node first\n");
  else if (!load_begin(count, bytes, window))
    printf("error no memory for %" PRIu64 " times\n", count);
}

static void on_command(uv_async_t* handle) {
  char path[LINE_BYTES];
  (void)handle;
  if (line[0] == '\0') return;
  if (sscanf(line, "start %4095s", path) == 1)
    start(path);
  else if (strncmp(line, "run ", 4) == 0)
    run_load();
  else if (strncmp(line, "applied", 7) == 0)
    printf("%" PRIu64 "\n", peer.applied);
  else if (strncmp(line, "version", 7) == 0)
    printf("version C-Raft %s, libuv %s\n", CRAFT_VERSION, uv_version_string());
  else
    printf("error unknown command: %s", line);
  line[0] = '\0';
  sem_post(&line_taken);
}

static void* read_commands(void* unused) {
  (void)unused;
  while (fgets(line, sizeof line, stdin) != NULL) {
    uv_async_send(&peer.command);
    while (sem_wait(&line_taken) != 0 && errno == EINTR) continue;
  }
  /* What is acknowledged is on the disk; there is nothing to wait for. */
  fflush(stdout);
  _exit(0);
}

int main(void) {
  pthread_t reader;
  setvbuf(stdout, NULL, _IOLBF, 0);
  sem_init(&line_taken, 0, 0);
  uv_loop_init(&peer.loop);
  uv_async_init(&peer.loop, &peer.command, on_command);
  uv_check_init(&peer.loop, &peer.after_poll);
  uv_timer_init(&peer.loop, &peer.poll);
  if (pthread_create(&reader, NULL, read_commands, NULL) != 0) {
    printf("error no thread for commands\n");
    return 1;
  }
  return uv_run(&peer.loop, UV_RUN_DEFAULT);
}
