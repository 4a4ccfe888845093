/*
 * One process with both interfaces: coexist ORDER DIRECTORY. `craft-first` steps a raft, then starts a server
 * on the embedded engine; `engine-first` the other way round. Both go on to the end, the raft also while the
 * engine works.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <polyraft.h>
#include <raft.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROPOSALS 50
#define WAIT_SECONDS 60

static atomic_int applied;
static struct raft raft;

static int apply(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  (void)context, (void)index, (void)term, (void)data, (void)size;
  atomic_fetch_add(&applied, 1);
  return 0;
}

static void fail(const char* what, const char* why) {
  printf("%s: %s\n", what, why);
  exit(1);
}

static void release(struct raft_update* update) {
  if ((update->flags & RAFT_UPDATE_ENTRIES) == 0) return;
  for (unsigned i = 0; i < update->entries.n; i++) raft_free(update->entries.batch[i].batch);
  raft_free(update->entries.batch);
}

static void step(struct raft_event* event) {
  struct raft_update update;
  event->time = 1000;
  if (raft_step(&raft, event, &update) != 0) fail("raft_step", raft_errmsg(&raft));
  release(&update);
}

static void start_raft(void) {
  struct raft_configuration configuration;
  struct raft_entry first = {1, RAFT_CHANGE, {NULL, 0}, NULL};
  struct raft_event event = {0};
  if (raft_init(&raft, 1, "one") != 0) fail("raft_init", raft_errmsg(&raft));
  raft_configuration_init(&configuration);
  raft_configuration_add(&configuration, 1, "one", RAFT_VOTER);
  raft_configuration_encode(&configuration, &first.buf);
  event.type = RAFT_START;
  event.start.term = 1;
  event.start.start_index = 1;
  event.start.entries = &first;
  event.start.n_entries = 1;
  step(&event);
  raft_free(first.buf.base);
  raft_configuration_close(&configuration);
}

static void work_raft(int rounds) {
  for (int i = 0; i < rounds; i++) {
    struct raft_event event = {0};
    struct raft_entry entry = {0, RAFT_COMMAND, {NULL, 8}, NULL};
    entry.batch = entry.buf.base = raft_calloc(1, 8);
    event.type = RAFT_SUBMIT;
    event.submit.entries = &entry;
    event.submit.n = 1;
    step(&event);
    memset(&event, 0, sizeof event);
    event.type = RAFT_PERSISTED_ENTRIES;
    event.persisted_entries.index = raft_last_index(&raft);
    step(&event);
    if (raft_commit_index(&raft) != raft_last_index(&raft)) fail("commit index", "behind");
  }
}

static int free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr*)&address, size) != 0) fail("bind", "no port");
  getsockname(fd, (struct sockaddr*)&address, &size);
  close(fd);
  return ntohs(address.sin_port);
}

static RAFT_Handle start_server(const char* directory) {
  char config[1024];
  struct RAFT_Options options;
  RAFT_Handle server;
  memset(&options, 0, sizeof options);
  snprintf(config, sizeof config,
           "{\"id\":1,\"runtime\":\"embedded\",\"waldir\":\"%s/wal\",\"snapdir\":\"%s/snap\",\"tickms\":20,"
           "\"peers\":[{\"id\":1,\"url\":\"http://127.0.0.1:%d\"}]}",
           directory, directory, free_port());
  options.struct_size = sizeof options;
  options.config = config;
  options.callbacks.struct_size = sizeof options.callbacks;
  options.callbacks.apply = apply;
  if (RAFT_NewRaftServerWith(&options, &server) != RAFT_OK) fail("RAFT_NewRaftServerWith", RAFT_LastError());
  return server;
}

static void work_server(RAFT_Handle server) {
  const time_t end = time(NULL) + WAIT_SECONDS;
  const int before = atomic_load(&applied);
  for (int i = 0; i < PROPOSALS;) {
    if (RAFT_ProposeWait(server, "data", 4, 1000, NULL, NULL) == RAFT_OK) i++;
    if (time(NULL) > end) fail("RAFT_ProposeWait", RAFT_LastError());
  }
  while (atomic_load(&applied) < before + PROPOSALS) {
    if (time(NULL) > end) fail("apply", "not in time");
    usleep(1000);
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int craft_first = strcmp(argv[1], "craft-first") == 0;
  RAFT_Handle server;
  if (craft_first) {
    start_raft();
    work_raft(1000);
  }
  server = start_server(argv[2]);
  work_server(server);
  if (!craft_first) start_raft();
  work_raft(20000);
  work_server(server);
  RAFT_StopServer(server);
  work_raft(1000);
  raft_close(&raft);
  printf("both work\n");
  return 0;
}
