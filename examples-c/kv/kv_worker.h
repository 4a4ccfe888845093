/*
 * A thread that carries out requests which wait (RAFT_ReadIndex, RAFT_ChangeMember, ...), away from the
 * thread that polls. It gets everything that was queued while it was busy in one piece, so that a hundred
 * reads need one RAFT_ReadIndex.
 */
#ifndef KV_WORKER_H
#define KV_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KV_WORKER_QUEUE_MAX = 65536 };

struct kv_worker;

/* A request that was taken apart, whose line is kept as long as the job. */
struct kv_job {
  uint64_t connection;
  uint64_t client;
  uint64_t sequence;
  int verb;
  /* Ended by NUL; empty when the verb has no such argument. */
  char* first;
  char* second;
};

typedef void (*kv_worker_run)(void* context, const struct kv_job* jobs, size_t count);

/* NULL, and errno, when there can be no thread. */
struct kv_worker* kv_worker_start(kv_worker_run run, void* context);
/* Copies the job; false when KV_WORKER_QUEUE_MAX are queued. */
bool kv_worker_add(struct kv_worker* worker, const struct kv_job* job);
/* Waits for the jobs that run; forgets those that are queued. */
void kv_worker_stop(struct kv_worker* worker);

#endif
