#include "load.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kv/kv_bytes.h"

enum { PROPOSE_TIMEOUT_MS = 200, REFUSED_PAUSE_US = 10000 };

struct writer {
  pthread_t thread;
  uint64_t id;
  sem_t room;
};

struct proposal {
  struct writer* writer;
  uint64_t sequence;
};

static RAFT_Handle raft;
static struct load_plan plan;
static struct writer writers[LOAD_THREADS_MAX];
static atomic_int stopping;
static int acknowledged_file = -1;
static atomic_ullong open_count;
static struct { atomic_ullong accepted, acknowledged, rejected, unknown, busy, refused, last_code; } counts;

bool load_open(const char* acknowledged_path) {
  acknowledged_file = open(acknowledged_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  return acknowledged_file >= 0;
}

static void completed(void* user, int code, uint64_t index, uint64_t term) {
  struct proposal* const proposal = user;
  if (code == RAFT_OK) {
    const uint64_t record[4] = {proposal->writer->id, proposal->sequence, index, term};
    if (write(acknowledged_file, record, sizeof record) != sizeof record) {
      perror("scenario_host: acknowledged proposals");
      abort();
    }
    atomic_fetch_add(&counts.acknowledged, 1);
  } else if (code == RAFT_ERR_UNKNOWN_OUTCOME) {
    atomic_fetch_add(&counts.unknown, 1);
  } else {
    atomic_fetch_add(&counts.rejected, 1);
  }
  sem_post(&proposal->writer->room);
  free(proposal);
  atomic_fetch_sub(&open_count, 1);
}

static void pause_us(unsigned microseconds) {
  const struct timespec time = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
  nanosleep(&time, NULL);
}

/* One proposal; waits for room in the thread's window first. */
static void propose(struct writer* writer, uint64_t sequence, char* data) {
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 1;
  while (sem_timedwait(&writer->room, &limit) != 0) {
    if (atomic_load(&stopping)) return;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 1;
  }
  const uint64_t id[2] = {writer->id, sequence};
  memcpy(data, id, sizeof id);
  struct proposal* const proposal = kv_allocate(sizeof *proposal);
  proposal->writer = writer;
  proposal->sequence = sequence;
  atomic_fetch_add(&open_count, 1);
  const int code = RAFT_ProposeAsync(raft, data, plan.bytes, PROPOSE_TIMEOUT_MS, completed, proposal);
  if (code == RAFT_OK) {
    atomic_fetch_add(&counts.accepted, 1);
    return;
  }
  atomic_fetch_sub(&open_count, 1);
  sem_post(&writer->room);
  free(proposal);
  if (code == RAFT_ERR_BUSY) {
    atomic_fetch_add(&counts.busy, 1);
    return;
  }
  atomic_fetch_add(&counts.refused, 1);
  atomic_store(&counts.last_code, (unsigned long long)code);
  pause_us(REFUSED_PAUSE_US);
}

static void* run_writer(void* context) {
  struct writer* const writer = context;
  char* const data = kv_allocate(plan.bytes);
  memset(data, 'x', plan.bytes);
  for (uint64_t sequence = 1; !atomic_load(&stopping); sequence++) {
    propose(writer, sequence, data);
    if (plan.pause_us != 0) pause_us(plan.pause_us);
  }
  free(data);
  return NULL;
}

bool load_start(RAFT_Handle server, const struct load_plan* wanted) {
  raft = server;
  plan = *wanted;
  atomic_store(&stopping, 0);
  for (size_t i = 0; i < plan.threads; i++) {
    writers[i].id = plan.first_writer + i;
    sem_init(&writers[i].room, 0, (unsigned)plan.window);
    if (pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]) != 0) return false;
  }
  return true;
}

bool load_stop(int timeout_ms) {
  atomic_store(&stopping, 1);
  for (size_t i = 0; i < plan.threads; i++) pthread_join(writers[i].thread, NULL);
  plan.threads = 0;
  for (int waited = 0; atomic_load(&open_count) != 0; waited++) {
    if (waited >= timeout_ms) return false;
    pause_us(1000);
  }
  return true;
}

struct load_counts load_counts(void) {
  return (struct load_counts){
      .accepted = atomic_load(&counts.accepted),
      .acknowledged = atomic_load(&counts.acknowledged),
      .rejected = atomic_load(&counts.rejected),
      .unknown = atomic_load(&counts.unknown),
      .busy = atomic_load(&counts.busy),
      .refused = atomic_load(&counts.refused),
      .last_code = atomic_load(&counts.last_code),
  };
}
