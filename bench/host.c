/*
 * One node of the benchmark: bench_host, driven over its standard input, one answer a line.
 *
 * start FILE: a server with the configuration in FILE; "ready".
 *
 * run COUNT BYTES WINDOW [PROPOSERS [RATE]]: that many threads propose COUNT entries of BYTES, at most WINDOW
 * of them open and at most RATE a second, until this node's state machine has applied all; JSON.
 *
 * read COUNT READERS: COUNT linearizable read indexes by that many threads; JSON.
 *
 * sync DIRECTORY BYTES COUNT: what the disk does by itself: BYTES written into a zero-filled file and synced;
 * JSON.
 *
 * state BYTES: how large snapshots are from now on; save: takes one; status: RAFT_GetStatus; metrics:
 * RAFT_GetMetrics in one line, with tabs between its lines; applied: entries that the state machine was given
 * so far.
 *
 * With BENCH_INTERFACE=easyraft in the environment the server is made and proposed to by the functions of
 * easyraft.h, first generation.
 *
 * "role NAME" and "restored BYTES" lines come in between. Latency is from before the call to the entry's
 * apply callback, so it holds everything that a program waits for. The processor time and the memory are read
 * by the caller from /proc.
 */
#include <easyraft.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "times.h"

enum { RUN_TIMEOUT_S = 120, PROPOSERS_MAX = 64, STATUS_BYTES = 1 << 16 };

static RAFT_Handle raft;
/* Not NULL when it goes through easyraft.h; then it is the same server as `raft`. */
static void* easyraft;
static atomic_ullong applied;

/* A proposer has every PROPOSERS-th entry of a run, and its share of the window. */
struct proposer {
  uint64_t first;
  uint64_t count;
  uint64_t window;
  char* data;
  atomic_ullong done;
  /* It sleeps until `done` reaches this. */
  atomic_ullong wake_at;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  int is_done;
};

/* The run that goes on; an entry of it begins with its run and its number. The id is stored last and is 0
 * otherwise. */
static struct {
  atomic_ullong id;
  uint64_t count;
  uint64_t bytes;
  uint64_t began;
  /* Entries a second; 0 without a limit. */
  uint64_t rate;
  /* Nanoseconds: when entry n was proposed, and later how long it took. */
  uint64_t* times;
  uint64_t proposers_count;
  struct proposer proposers[PROPOSERS_MAX];
} run;

static atomic_ullong state_bytes;

static int on_apply(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  uint64_t id[2];
  (void)context;
  (void)index;
  (void)term;
  atomic_fetch_add_explicit(&applied, 1, memory_order_relaxed);
  if (size < sizeof id) return 0;
  memcpy(id, data, sizeof id);
  if (id[0] != atomic_load(&run.id) || id[0] == 0 || id[1] >= run.count) return 0;
  run.times[id[1]] = now_ns() - run.times[id[1]];
  struct proposer* const proposer = &run.proposers[id[1] % run.proposers_count];
  if (atomic_fetch_add(&proposer->done, 1) + 1 == atomic_load(&proposer->wake_at)) {
    /* Whoever holds the mutex has not looked at `done` yet, or sleeps when it is free. The signal comes
     * after it, so that the woken thread does not have to wait for it at once. */
    pthread_mutex_lock(&proposer->mutex);
    pthread_mutex_unlock(&proposer->mutex);
    pthread_cond_signal(&proposer->wake);
  }
  return 0;
}

static int on_restore(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  (void)context;
  (void)index;
  (void)term;
  (void)data;
  printf("restored %" PRIu64 "\n", size);
  return 0;
}

static int on_take_snapshot(void* context, uint64_t index, void** data, uint64_t* size) {
  (void)context;
  (void)index;
  *size = atomic_load(&state_bytes);
  *data = NULL;
  if (*size == 0) return 0;
  *data = malloc(*size);
  if (*data == NULL) return 1;
  memset(*data, 's', *size);
  return 0;
}

static void on_free(void* context, void* data) {
  (void)context;
  free(data);
}

static void on_state_change(void* context, int state) {
  static const char* const names[] = {"follower", "candidate", "leader", "pre-candidate"};
  (void)context;
  printf("role %s\n", names[state]);
}

static int on_commit(void* context, void* data, uint64_t size) {
  return on_apply(context, 0, 0, data, size);
}

static int on_get_snapshot(void* context, void** data, uint64_t* size) {
  return on_take_snapshot(context, 0, data, size);
}

static int on_recover(void* context, void* data, uint64_t size) {
  return on_restore(context, 0, 0, data, size);
}

static int start_easyraft(const char* config) {
  struct Context context = {.getSnapshot = on_get_snapshot,
                            .freeSnapshot = on_free,
                            .onStateChange = on_state_change,
                            .recoverFromSnapshot = on_recover,
                            .onCommit = on_commit};
  RAFT_SetContext(&context);
  easyraft = RAFT_NewRaftServer(NULL, config);
  raft = (RAFT_Handle)(uintptr_t)easyraft;
  return easyraft != NULL;
}

static int start_polyraft(const char* config) {
  const struct RAFT_Options options = {
      .struct_size = sizeof options,
      .config = config,
      .callbacks = {.struct_size = sizeof options.callbacks,
                    .apply = on_apply,
                    .restore = on_restore,
                    .free_memory = on_free,
                    .take_snapshot = on_take_snapshot,
                    .state_change = on_state_change},
  };
  return RAFT_NewRaftServerWith(&options, &raft) == RAFT_OK;
}

static void start(const char* path) {
  static char config[1 << 16];
  FILE* const file = fopen(path, "re");
  if (file == NULL) {
    printf("error %s: %s\n", path, strerror(errno));
    return;
  }
  config[fread(config, 1, sizeof config - 1, file)] = '\0';
  fclose(file);
  const char* const interface = getenv("BENCH_INTERFACE");
  const int is_easyraft = interface != NULL && strcmp(interface, "easyraft") == 0;
  if (is_easyraft ? start_easyraft(config) : start_polyraft(config))
    printf("ready\n");
  else
    printf("error %s\n", RAFT_LastError());
}

/* Sleeps until `done` reaches `target`; false when that takes too long. */
static int wait_done(struct proposer* proposer, uint64_t target) {
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += RUN_TIMEOUT_S;
  pthread_mutex_lock(&proposer->mutex);
  atomic_store(&proposer->wake_at, target);
  int code = 0;
  while (atomic_load(&proposer->done) < target && code == 0)
    code = pthread_cond_timedwait(&proposer->wake, &proposer->mutex, &limit);
  atomic_store(&proposer->wake_at, 0);
  pthread_mutex_unlock(&proposer->mutex);
  return atomic_load(&proposer->done) >= target;
}

/* Sleeps until entry `number` is due. */
static void keep_rate(uint64_t number) {
  if (run.rate == 0) return;
  const uint64_t due = run.began + number * 1000000000 / run.rate;
  const struct timespec time = {.tv_sec = (time_t)(due / 1000000000), .tv_nsec = (long)(due % 1000000000)};
  if (due > now_ns() + 1000000) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int propose(void* data) {
  return easyraft != NULL ? RAFT_Propose(easyraft, data, (int)run.bytes)
                          : RAFT_ProposeAsync(raft, data, run.bytes, -1, NULL, NULL);
}

static void* propose_share(void* argument) {
  struct proposer* const self = argument;
  uint64_t known_done = 0;
  self->is_done = 0;
  for (uint64_t i = 0; i < self->count; i++) {
    const uint64_t id[2] = {atomic_load(&run.id), self->first + i * run.proposers_count};
    if (i - known_done >= self->window) known_done = atomic_load(&self->done);
    /* With a full window it sleeps until half of it is free, so that one wake-up serves many entries. */
    if (i - known_done >= self->window) {
      known_done = i - self->window / 2;
      if (!wait_done(self, known_done)) return NULL;
    }
    keep_rate(id[1]);
    memcpy(self->data, id, sizeof id);
    run.times[id[1]] = now_ns();
    if (propose(self->data) != RAFT_OK) {
      fprintf(stderr, "a proposal: %s\n", RAFT_LastError());
      return NULL;
    }
  }
  self->is_done = wait_done(self, self->count);
  return NULL;
}

static int open_proposers(uint64_t window) {
  const uint64_t all = run.proposers_count;
  for (uint64_t i = 0; i < all; i++) {
    struct proposer* const proposer = &run.proposers[i];
    proposer->first = i;
    proposer->count = (run.count - i + all - 1) / all;
    proposer->window = window / all + (i < window % all);
    if (proposer->window == 0) proposer->window = 1;
    atomic_store(&proposer->done, 0);
    atomic_store(&proposer->wake_at, 0);
    proposer->data = calloc(1, run.bytes);
    if (proposer->data == NULL) return 0;
  }
  return 1;
}

/* One proposer is the caller itself. */
static int propose_all(void) {
  pthread_t threads[PROPOSERS_MAX];
  int is_done = 1;
  for (uint64_t i = 1; i < run.proposers_count; i++)
    if (pthread_create(&threads[i], NULL, propose_share, &run.proposers[i]) != 0) abort();
  propose_share(&run.proposers[0]);
  for (uint64_t i = 0; i < run.proposers_count; i++) {
    if (i != 0) pthread_join(threads[i], NULL);
    is_done = is_done && run.proposers[i].is_done;
  }
  return is_done;
}

static void run_load(uint64_t count, uint64_t bytes, uint64_t window, uint64_t proposers, uint64_t rate) {
  if (proposers == 0) proposers = 1;
  if (count < proposers || window == 0 || bytes < 2 * sizeof(uint64_t) || proposers > PROPOSERS_MAX) {
    printf("error run COUNT BYTES WINDOW [PROPOSERS [RATE]]: at least PROPOSERS, 16, 1, at most %d\n",
           PROPOSERS_MAX);
    return;
  }
  run.times = calloc(count, sizeof *run.times);
  run.count = count;
  run.bytes = bytes;
  run.rate = rate;
  run.proposers_count = proposers;
  if (run.times == NULL || !open_proposers(window)) abort();
  run.began = now_ns();
  atomic_store(&run.id, run.began);
  const int is_done = propose_all();
  const uint64_t took_ns = now_ns() - run.began;
  atomic_store(&run.id, 0);
  for (uint64_t i = 0; i < proposers; i++) free(run.proposers[i].data);
  if (!is_done) {
    /* The apply thread may still be about to store a time: the run's memory stays. */
    printf("error a proposal was refused or not applied in time\n");
    return;
  }
  tell_times(run.times, count, took_ns);
  free(run.times);
}

struct reader {
  uint64_t count;
  uint64_t* times;
  int code;
};

static void* read_share(void* argument) {
  struct reader* const self = argument;
  for (uint64_t i = 0; i < self->count && self->code == RAFT_OK; i++) {
    const uint64_t at = now_ns();
    self->code = RAFT_ReadIndex(raft, RAFT_READ_SAFE, RUN_TIMEOUT_S * 1000, NULL);
    self->times[i] = now_ns() - at;
  }
  return NULL;
}

static void run_reads(uint64_t count, uint64_t readers) {
  pthread_t threads[PROPOSERS_MAX];
  struct reader shares[PROPOSERS_MAX];
  if (readers == 0 || readers > PROPOSERS_MAX || count < readers) {
    printf("error read COUNT READERS: at most %d readers\n", PROPOSERS_MAX);
    return;
  }
  const uint64_t each = count / readers;
  uint64_t* const times = calloc(each * readers, sizeof *times);
  if (times == NULL) abort();
  const uint64_t began = now_ns();
  for (uint64_t i = 0; i < readers; i++) {
    shares[i] = (struct reader){.count = each, .times = times + i * each, .code = RAFT_OK};
    if (pthread_create(&threads[i], NULL, read_share, &shares[i]) != 0) abort();
  }
  int code = RAFT_OK;
  for (uint64_t i = 0; i < readers; i++) {
    pthread_join(threads[i], NULL);
    if (shares[i].code != RAFT_OK) code = shares[i].code;
  }
  if (code == RAFT_OK)
    tell_times(times, each * readers, now_ns() - began);
  else
    printf("error read index: %s\n", RAFT_StrError(code));
  free(times);
}

static void tell_status(void) {
  static char text[STATUS_BYTES];
  if (RAFT_GetStatus(raft, text, sizeof text) == RAFT_OK)
    printf("%s\n", text);
  else
    printf("error %s\n", RAFT_LastError());
}

static void save_snapshot(void) {
  if (RAFT_SaveSnapshot(raft, RUN_TIMEOUT_S * 1000, NULL) == RAFT_OK)
    printf("saved\n");
  else
    printf("error %s\n", RAFT_LastError());
}

static int fill_with_zeros(int file, uint64_t bytes) {
  static const char zeros[1 << 16];
  while (bytes != 0) {
    const uint64_t part = bytes < sizeof zeros ? bytes : sizeof zeros;
    if (write(file, zeros, part) != (ssize_t)part) return 0;
    bytes -= part;
  }
  return fsync(file) == 0 && lseek(file, 0, SEEK_SET) == 0;
}

static void measure_sync(const char* directory, uint64_t bytes, uint64_t count) {
  char path[4200];
  snprintf(path, sizeof path, "%s/sync-probe", directory);
  const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  uint64_t* const times = calloc(count, sizeof *times);
  char* const data = malloc(bytes);
  if (file < 0 || times == NULL || data == NULL || !fill_with_zeros(file, bytes * count)) {
    printf("error %s: %s\n", path, strerror(errno));
    return;
  }
  memset(data, 'x', bytes);
  const uint64_t began = now_ns();
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t at = now_ns();
    if (write(file, data, bytes) != (ssize_t)bytes || fdatasync(file) != 0) {
      printf("error %s: %s\n", path, strerror(errno));
      return;
    }
    times[i] = now_ns() - at;
  }
  tell_times(times, count, now_ns() - began);
  close(file);
  unlink(path);
  free(times);
  free(data);
}

static void tell_metrics(void) {
  static char text[STATUS_BYTES];
  if (RAFT_GetMetrics(raft, text, sizeof text) != RAFT_OK) {
    printf("error %s\n", RAFT_LastError());
    return;
  }
  for (char* at = text; *at != '\0'; at++)
    if (*at == '\n') *at = '\t';
  printf("%s\n", text);
}

int main(void) {
  char line[4096];
  char word[4096];
  uint64_t n[5];
  setvbuf(stdout, NULL, _IOLBF, 0);
  /* Once for all runs: the signal of one may come when the next has begun. */
  for (int i = 0; i < PROPOSERS_MAX; i++) {
    pthread_mutex_init(&run.proposers[i].mutex, NULL);
    pthread_cond_init(&run.proposers[i].wake, NULL);
  }
  while (fgets(line, sizeof line, stdin) != NULL) {
    memset(n, 0, sizeof n);
    if (sscanf(line, "start %4095s", word) == 1)
      start(word);
    else if (sscanf(line, "run %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &n[0], &n[1], &n[2],
                    &n[3], &n[4]) >= 3)
      run_load(n[0], n[1], n[2], n[3], n[4]);
    else if (sscanf(line, "read %" SCNu64 " %" SCNu64, &n[0], &n[1]) == 2)
      run_reads(n[0], n[1]);
    else if (sscanf(line, "sync %4095s %" SCNu64 " %" SCNu64, word, &n[0], &n[1]) == 3)
      measure_sync(word, n[0], n[1]);
    else if (sscanf(line, "state %" SCNu64, &n[0]) == 1) {
      atomic_store(&state_bytes, n[0]);
      printf("ok\n");
    } else if (strncmp(line, "save", 4) == 0)
      save_snapshot();
    else if (strncmp(line, "status", 6) == 0)
      tell_status();
    else if (strncmp(line, "metrics", 7) == 0)
      tell_metrics();
    else if (strncmp(line, "applied", 7) == 0)
      printf("%llu\n", atomic_load(&applied));
    else
      printf("error unknown command: %s", line);
  }
  if (raft != 0) RAFT_StopServer(raft);
  return 0;
}
