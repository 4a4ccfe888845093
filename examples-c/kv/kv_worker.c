#include "kv_worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kv_bytes.h"

struct kv_worker {
  kv_worker_run run;
  void* context;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  struct kv_job* queue;
  size_t count;
  size_t capacity;
  bool stopping;
};

static void free_jobs(struct kv_job* jobs, size_t count) {
  for (size_t i = 0; i < count; i++) {
    free(jobs[i].first);
    free(jobs[i].second);
  }
  free(jobs);
}

static void* run_worker(void* context) {
  struct kv_worker* const worker = context;
  pthread_mutex_lock(&worker->mutex);
  while (!worker->stopping) {
    if (worker->count == 0) {
      pthread_cond_wait(&worker->wake, &worker->mutex);
      continue;
    }
    struct kv_job* const jobs = worker->queue;
    const size_t count = worker->count;
    worker->queue = NULL;
    worker->count = 0;
    worker->capacity = 0;
    pthread_mutex_unlock(&worker->mutex);
    worker->run(worker->context, jobs, count);
    free_jobs(jobs, count);
    pthread_mutex_lock(&worker->mutex);
  }
  pthread_mutex_unlock(&worker->mutex);
  return NULL;
}

struct kv_worker* kv_worker_start(kv_worker_run run, void* context) {
  struct kv_worker* const worker = kv_allocate(sizeof *worker);
  memset(worker, 0, sizeof *worker);
  worker->run = run;
  worker->context = context;
  pthread_mutex_init(&worker->mutex, NULL);
  pthread_cond_init(&worker->wake, NULL);
  const int error = pthread_create(&worker->thread, NULL, run_worker, worker);
  if (error != 0) {
    free(worker);
    errno = error;
    return NULL;
  }
  return worker;
}

static char* copy_text(const char* text) {
  const size_t size = text == NULL ? 0 : strlen(text);
  char* const copy = kv_allocate(size + 1);
  if (size != 0) memcpy(copy, text, size);
  copy[size] = '\0';
  return copy;
}

bool kv_worker_add(struct kv_worker* worker, const struct kv_job* job) {
  pthread_mutex_lock(&worker->mutex);
  const bool has_room = worker->count < KV_WORKER_QUEUE_MAX;
  if (has_room) {
    if (worker->count == worker->capacity) {
      worker->capacity = worker->capacity == 0 ? 64 : worker->capacity * 2;
      worker->queue = kv_reallocate(worker->queue, worker->capacity * sizeof(struct kv_job));
    }
    struct kv_job* const kept = &worker->queue[worker->count++];
    *kept = *job;
    kept->first = copy_text(job->first);
    kept->second = copy_text(job->second);
    pthread_cond_signal(&worker->wake);
  }
  pthread_mutex_unlock(&worker->mutex);
  return has_room;
}

void kv_worker_stop(struct kv_worker* worker) {
  pthread_mutex_lock(&worker->mutex);
  worker->stopping = true;
  pthread_cond_signal(&worker->wake);
  pthread_mutex_unlock(&worker->mutex);
  pthread_join(worker->thread, NULL);
  free_jobs(worker->queue, worker->count);
  pthread_cond_destroy(&worker->wake);
  pthread_mutex_destroy(&worker->mutex);
  free(worker);
}
