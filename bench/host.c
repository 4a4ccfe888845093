/*
 * One node of the benchmark: bench_host, driven over its standard input, one answer a line.
 *
 *   start FILE                      a server with the configuration in FILE -> "ready"
 *   run COUNT BYTES WINDOW          proposes COUNT entries of BYTES, at most WINDOW of them open, and waits
 * until this node's state machine has applied all -> JSON sync DIRECTORY BYTES COUNT      what the disk does
 * by itself: COUNT times BYTES written into a zero-filled file and synced -> JSON applied entries that the
 * state machine was given so far
 *
 * "role NAME" lines come in between. Latency is from before the call to the entry's apply callback, so it
 * holds everything that a program waits for. The processor time and the memory are read by the caller from
 * /proc.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <polyraft.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUN_TIMEOUT_S = 120 };

static RAFT_Handle raft;
static atomic_ullong applied;

/* The run that goes on. An entry of it begins with its run and its number. */
static struct {
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  uint64_t id;
  uint64_t count;
  /* Nanoseconds: when entry n was proposed, and later how long it took. */
  uint64_t* times;
  uint64_t done;
  /* The proposer sleeps until `done` reaches this. */
  uint64_t wake_at;
} run = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int on_apply(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  uint64_t id[2];
  (void)context;
  (void)index;
  (void)term;
  atomic_fetch_add_explicit(&applied, 1, memory_order_relaxed);
  if (size < sizeof id) return 0;
  memcpy(id, data, sizeof id);
  pthread_mutex_lock(&run.mutex);
  if (id[0] == run.id && id[1] < run.count) {
    run.times[id[1]] = now_ns() - run.times[id[1]];
    run.done++;
    if (run.done == run.wake_at) pthread_cond_signal(&run.wake);
  }
  pthread_mutex_unlock(&run.mutex);
  return 0;
}

static int on_take_snapshot(void* context, uint64_t index, void** data, uint64_t* size) {
  (void)context;
  (void)index;
  *data = NULL;
  *size = 0;
  return 0;
}

static void on_state_change(void* context, int state) {
  static const char* const names[] = {"follower", "candidate", "leader", "pre-candidate"};
  (void)context;
  printf("role %s\n", names[state]);
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
  const struct RAFT_Options options = {
      .struct_size = sizeof options,
      .config = config,
      .callbacks = {.struct_size = sizeof options.callbacks,
                    .apply = on_apply,
                    .take_snapshot = on_take_snapshot,
                    .state_change = on_state_change},
  };
  if (RAFT_NewRaftServerWith(&options, &raft) == RAFT_OK)
    printf("ready\n");
  else
    printf("error %s\n", RAFT_LastError());
}

/* Sleeps until `done` reaches `target`; false when that takes too long. */
static int wait_done(uint64_t target) {
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += RUN_TIMEOUT_S;
  pthread_mutex_lock(&run.mutex);
  run.wake_at = target;
  int code = 0;
  while (run.done < target && code == 0) code = pthread_cond_timedwait(&run.wake, &run.mutex, &limit);
  run.wake_at = 0;
  const int is_done = run.done >= target;
  pthread_mutex_unlock(&run.mutex);
  return is_done;
}

static uint64_t done_now(void) {
  pthread_mutex_lock(&run.mutex);
  const uint64_t done = run.done;
  pthread_mutex_unlock(&run.mutex);
  return done;
}

static int propose_all(uint64_t bytes, uint64_t window, char* data) {
  uint64_t known_done = 0;
  for (uint64_t number = 0; number < run.count; number++) {
    if (number - known_done >= window) known_done = done_now();
    /* With a full window it sleeps until half of it is free again, so that one wake-up serves many entries.
     */
    if (number - known_done >= window) {
      known_done = number - window / 2;
      if (!wait_done(known_done)) return 0;
    }
    const uint64_t id[2] = {run.id, number};
    memcpy(data, id, sizeof id);
    run.times[number] = now_ns();
    const int code = RAFT_ProposeAsync(raft, data, bytes, -1, NULL, NULL);
    if (code != RAFT_OK) {
      printf("error %s\n", RAFT_LastError());
      return 0;
    }
  }
  return wait_done(run.count);
}

static int compare_times(const void* a, const void* b) {
  const uint64_t first = *(const uint64_t*)a;
  const uint64_t second = *(const uint64_t*)b;
  return first < second ? -1 : first > second;
}

static void tell_times(uint64_t* times, uint64_t count, uint64_t took_ns) {
  qsort(times, count, sizeof *times, compare_times);
  printf("{\"count\":%" PRIu64
         ",\"seconds\":%.6f,\"p50Us\":%.1f,\"p90Us\":%.1f,\"p99Us\":%.1f,\"maxUs\":%.1f}\n",
         count, (double)took_ns / 1e9, (double)times[count / 2] / 1e3, (double)times[count * 90 / 100] / 1e3,
         (double)times[count * 99 / 100] / 1e3, (double)times[count - 1] / 1e3);
}

static void run_load(uint64_t count, uint64_t bytes, uint64_t window) {
  if (count == 0 || window == 0 || bytes < 2 * sizeof(uint64_t)) {
    printf("error run COUNT BYTES WINDOW: at least 1, 16 and 1\n");
    return;
  }
  char* const data = calloc(1, bytes);
  uint64_t* const times = calloc(count, sizeof *times);
  if (data == NULL || times == NULL) abort();
  pthread_mutex_lock(&run.mutex);
  run.id = now_ns();
  run.count = count;
  run.times = times;
  run.done = 0;
  pthread_mutex_unlock(&run.mutex);
  const uint64_t began = now_ns();
  const int is_done = propose_all(bytes, window, data);
  const uint64_t took_ns = now_ns() - began;
  pthread_mutex_lock(&run.mutex);
  run.id = 0;
  run.count = 0;
  run.times = NULL;
  pthread_mutex_unlock(&run.mutex);
  if (is_done)
    tell_times(times, count, took_ns);
  else
    printf("error only %" PRIu64 " of %" PRIu64 " entries were applied\n", run.done, count);
  free(times);
  free(data);
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

int main(void) {
  char line[4096];
  char word[4096];
  uint64_t numbers[3];
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (sscanf(line, "start %4095s", word) == 1)
      start(word);
    else if (sscanf(line, "run %" SCNu64 " %" SCNu64 " %" SCNu64, &numbers[0], &numbers[1], &numbers[2]) == 3)
      run_load(numbers[0], numbers[1], numbers[2]);
    else if (sscanf(line, "sync %4095s %" SCNu64 " %" SCNu64, word, &numbers[0], &numbers[1]) == 3)
      measure_sync(word, numbers[0], numbers[1]);
    else if (strncmp(line, "applied", 7) == 0)
      printf("%llu\n", atomic_load(&applied));
    else
      printf("error unknown command: %s", line);
  }
  if (raft != 0) RAFT_StopServer(raft);
  return 0;
}
