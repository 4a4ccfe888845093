#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>

#include "measures.h"
#include "samples.h"

enum { TRIPS_MAX = 20000 };

/* A semaphore of the C library is a futex: the waiter sleeps in the kernel, the post wakes it. */
static struct {
  sem_t there;
  sem_t back;
  /* Read by the other thread behind `there`. */
  bool is_over;
} pair;

static void sleep_until(sem_t* semaphore) {
  while (sem_wait(semaphore) != 0)
    if (errno != EINTR) fail("sem_wait");
}

static void* answer(void* unused) {
  (void)unused;
  for (;;) {
    sleep_until(&pair.there);
    if (pair.is_over) return NULL;
    sem_post(&pair.back);
  }
}

void measure_wake(uint64_t time_ns) {
  pthread_t thread;
  if (sem_init(&pair.there, 0, 0) != 0 || sem_init(&pair.back, 0, 0) != 0) fail("sem_init");
  pair.is_over = false;
  errno = pthread_create(&thread, NULL, answer, NULL);
  if (errno != 0) fail("pthread_create");
  struct samples samples = samples_open(TRIPS_MAX);
  const uint64_t until = now_ns() + time_ns;
  for (int i = 0; i < TRIPS_MAX; i++) {
    const uint64_t began = now_ns();
    if (began > until) break;
    sem_post(&pair.there);
    sleep_until(&pair.back);
    samples_add(&samples, now_ns() - began);
  }
  pair.is_over = true;
  sem_post(&pair.there);
  pthread_join(thread, NULL);
  printf("{\"limit\":\"wake\"");
  samples_print(&samples);
  printf("}\n");
}
