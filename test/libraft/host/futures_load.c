#include "futures_load.h"

#include <fcntl.h>
#include <pthread.h>
#include <raft_c_if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"

enum { REFUSED_PAUSE_US = 10000, FAULT_REPLY = 1000, FAULT_NO_BUFFER = 1001, ABANDON_PERIOD = 8 };

static const uint64_t enqueue_timeout_ns = 200000000;

struct slot {
  raft_future future;
  char* buffer;
  uint64_t sequence;
};

struct writer {
  pthread_t thread;
  uint64_t id;
  struct slot* slots;
  bool is_stuck;
};

static struct load_plan plan;
static struct writer writers[LOAD_THREADS_MAX];
static atomic_int stopping;
static atomic_ullong settle_timeout_ms;
static int acknowledged_file = -1;
static int refused_file = -1;
static struct {
  atomic_ullong proposed, acknowledged, refused, unknown, faults, last_fault;
  atomic_ullong by_error[N_RAFT_ERRORS];
} counts;

bool load_open(const char* acknowledged_path, const char* refused_path) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  acknowledged_file = open(acknowledged_path, flags, 0644);
  refused_file = open(refused_path, flags, 0644);
  return acknowledged_file >= 0 && refused_file >= 0;
}

static void note(int file, uint64_t writer, uint64_t sequence) {
  const uint64_t record[4] = {writer, sequence, 0, 0};
  if (write(file, record, sizeof record) != sizeof record) abort();
}

static void fault(uint64_t what) {
  atomic_fetch_add(&counts.faults, 1);
  atomic_store(&counts.last_fault, what);
}

static void pause_us(unsigned microseconds) {
  const struct timespec time = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
  nanosleep(&time, NULL);
}

static void settle_ended(struct writer* writer, struct slot* slot) {
  void* reply = NULL;
  const RaftError error = raft_future_get_fsm_reply(slot->future, &reply);
  atomic_fetch_add(&counts.by_error[error], 1);
  switch (error) {
    case RAFT_SUCCESS:
      if ((uint64_t)(uintptr_t)reply != slot->sequence) fault(FAULT_REPLY);
      note(acknowledged_file, writer->id, slot->sequence);
      atomic_fetch_add(&counts.acknowledged, 1);
      break;
    case RAFT_E_NOT_LEADER:
    case RAFT_E_ENQUEUE_TIMEOUT:
    case RAFT_E_IN_SHUTDOWN:
      note(refused_file, writer->id, slot->sequence);
      atomic_fetch_add(&counts.refused, 1);
      pause_us(REFUSED_PAUSE_US);
      break;
    case RAFT_E_LEADERSHIP_LOST:
    case RAFT_E_SHUTDOWN:
      atomic_fetch_add(&counts.unknown, 1);
      break;
    default:
      fault(error);
  }
}

static void empty(struct writer* writer, struct slot* slot) {
  settle_ended(writer, slot);
  raft_future_dispose(slot->future);
  free_raft_buffer(slot->buffer);
  slot->future = NULL;
}

/* Waits for the slot's future, if it has one; false when that does not end in time after `stopping`. */
static bool settle(struct writer* writer, struct slot* slot) {
  if (slot->future == NULL) return true;
  uint64_t waited_ms = 0;
  while (!raft_future_wait_for(slot->future, 100)) {
    /* Others may have ended meanwhile, or come to their limit. */
    for (size_t i = 0; i < plan.window; i++) {
      struct slot* const other = &writer->slots[i];
      if (other->future != NULL && raft_future_poll(other->future)) empty(writer, other);
    }
    /* That one, too, between two looks at it. */
    if (slot->future == NULL) return true;
    if (!atomic_load(&stopping)) continue;
    waited_ms += 100;
    if (waited_ms > atomic_load(&settle_timeout_ms)) return false;
  }
  empty(writer, slot);
  return true;
}

static void propose(struct writer* writer, struct slot* slot, uint64_t sequence) {
  slot->buffer = alloc_raft_buffer(plan.bytes);
  if (slot->buffer == NULL) {
    fault(FAULT_NO_BUFFER);
    pause_us(REFUSED_PAUSE_US);
    return;
  }
  const uint64_t id[2] = {writer->id, sequence};
  memset(slot->buffer, 'x', plan.bytes);
  memcpy(slot->buffer, id, sizeof id);
  slot->sequence = sequence;
  atomic_fetch_add(&counts.proposed, 1);
  slot->future = raft_apply(slot->buffer, plan.bytes, enqueue_timeout_ns);
}

static void* run_writer(void* context) {
  struct writer* const writer = context;
  writer->slots = calloc(plan.window, sizeof *writer->slots);
  if (writer->slots == NULL) abort();
  uint64_t sequence = 1;
  for (; !atomic_load(&stopping); sequence++) {
    struct slot* const slot = &writer->slots[sequence % plan.window];
    if (!settle(writer, slot)) break;
    propose(writer, slot, sequence);
    if (plan.pause_us != 0) pause_us(plan.pause_us);
  }
  for (size_t i = 0; i < plan.window; i++)
    writer->is_stuck |= !settle(writer, &writer->slots[(sequence + i) % plan.window]);
  free(writer->slots);
  return NULL;
}

bool load_start(const struct load_plan* wanted) {
  plan = *wanted;
  atomic_store(&stopping, 0);
  for (size_t i = 0; i < plan.threads; i++) {
    writers[i] = (struct writer){.id = plan.first_writer + i};
    if (pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]) != 0) return false;
  }
  return true;
}

bool load_stop(uint64_t timeout_ms) {
  bool is_done = true;
  atomic_store(&settle_timeout_ms, timeout_ms);
  atomic_store(&stopping, 1);
  for (size_t i = 0; i < plan.threads; i++) {
    pthread_join(writers[i].thread, NULL);
    is_done = is_done && !writers[i].is_stuck;
  }
  plan.threads = 0;
  return is_done;
}

struct load_counts load_counts(void) {
  struct load_counts told = {
      .proposed = atomic_load(&counts.proposed),
      .acknowledged = atomic_load(&counts.acknowledged),
      .refused = atomic_load(&counts.refused),
      .unknown = atomic_load(&counts.unknown),
      .faults = atomic_load(&counts.faults),
      .last_fault = atomic_load(&counts.last_fault),
  };
  for (int error = 0; error < N_RAFT_ERRORS; error++)
    told.by_error[error] = atomic_load(&counts.by_error[error]);
  return told;
}

bool load_cycles(uint64_t count, size_t window, size_t bytes) {
  struct slot* const slots = calloc(window, sizeof *slots);
  bool is_good = slots != NULL;
  for (uint64_t i = 0; i < count + window && is_good; i++) {
    struct slot* const slot = &slots[i % window];
    if (slot->future != NULL) {
      is_good = raft_future_wait(slot->future) == RAFT_SUCCESS;
      raft_future_dispose(slot->future);
      free_raft_buffer(slot->buffer);
      slot->future = NULL;
    }
    if (i >= count || !is_good) continue;
    slot->buffer = alloc_raft_buffer(bytes);
    is_good = slot->buffer != NULL;
    if (!is_good) continue;
    memset(slot->buffer, 'c', bytes);
    slot->future = raft_apply(slot->buffer, bytes, 0);
    if (i % ABANDON_PERIOD != 0 || i % window == 0) continue;
    /* Under way, most likely; the buffer goes back at once, too. The slot before bounds how many there are.
     */
    raft_future_dispose(slot->future);
    free_raft_buffer(slot->buffer);
    slot->future = NULL;
  }
  free(slots);
  return is_good;
}
