/*
 * A plain C host of the embedded runtime: host PLUGIN SCRIPT MODE.
 *
 * It starts the engine with a region of its own and prints, one item a line: what the engine has written into
 * the region (a length word, then text), how it died, and whether anything of the host has changed. The modes
 * say what the host does meanwhile.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "runtime/embedded_plugin.h"

#define REGION_BYTES ((size_t)16 << 20)
#define SIGNALS 64
#define WAIT_SECONDS 60

static uint8_t* region;
static int doorbell;
static sem_t died;
static char end_text[4096];
static const struct polyraft_plugin* plugin;
static const char* script;
static atomic_int handled_elsewhere;
static atomic_int handled;
static pthread_t main_thread;

struct host_state {
  struct sigaction signals[SIGNALS + 1];
  sigset_t mask;
  struct rlimit limits[RLIM_NLIMITS];
  int stdio_flags[3];
  char locale[256];
  char directory[4096];
};

static void read_state(struct host_state* state) {
  memset(state, 0, sizeof *state);
  for (int number = 1; number <= SIGNALS; number++) sigaction(number, NULL, &state->signals[number]);
  pthread_sigmask(SIG_SETMASK, NULL, &state->mask);
  for (int limit = 0; limit < RLIM_NLIMITS; limit++)
    getrlimit((__rlimit_resource_t)limit, &state->limits[limit]);
  for (int fd = 0; fd < 3; fd++) state->stdio_flags[fd] = fcntl(fd, F_GETFL);
  snprintf(state->locale, sizeof state->locale, "%s", setlocale(LC_ALL, NULL));
  if (getcwd(state->directory, sizeof state->directory) == NULL) abort();
}

/* Prints what differs; returns whether anything does. */
static int differs(const struct host_state* before, const struct host_state* after) {
  int differences = 0;
  for (int number = 1; number <= SIGNALS; number++) {
    const struct sigaction* const a = &before->signals[number];
    const struct sigaction* const b = &after->signals[number];
    if (a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags) continue;
    printf("signal %d has another action\n", number);
    differences++;
  }
  for (int limit = 0; limit < RLIM_NLIMITS; limit++) {
    if (memcmp(&before->limits[limit], &after->limits[limit], sizeof before->limits[limit]) == 0) continue;
    printf("limit %d has another value\n", limit);
    differences++;
  }
  for (int fd = 0; fd < 3; fd++) {
    if (before->stdio_flags[fd] == after->stdio_flags[fd]) continue;
    printf("descriptor %d has other flags: %o, before %o\n", fd, after->stdio_flags[fd],
           before->stdio_flags[fd]);
    differences++;
  }
  if (memcmp(&before->mask, &after->mask, sizeof before->mask) != 0)
    differences += printf("another signal mask\n");
  if (strcmp(before->locale, after->locale) != 0) differences += printf("another locale\n");
  if (strcmp(before->directory, after->directory) != 0) differences += printf("another directory\n");
  return differences;
}

static void on_died(void* context, int exit_code, const char* reason) {
  (void)context;
  snprintf(end_text, sizeof end_text, "%d %s", exit_code, reason);
  sem_post(&died);
}

static int start_engine(void) {
  struct polyraft_plugin_start start;
  char error[512] = "";
  memset(&start, 0, sizeof start);
  start.region = region;
  start.region_bytes = REGION_BYTES;
  start.doorbell_fd = doorbell;
  start.bundle_path = script;
  start.died = on_died;
  const int code = plugin->start(&start, error, sizeof error);
  if (code != 0) printf("start failed: %d %s\n", code, error);
  fflush(stdout);
  return code;
}

static void* start_on_thread(void* unused) {
  (void)unused;
  return (void*)(intptr_t)start_engine();
}

static void* exit_on_thread(void* unused) {
  (void)unused;
  exit(0);
}

/* Waits until the engine has written something. */
static void wait_for_report(void) {
  for (int i = 0; i < WAIT_SECONDS * 1000; i++) {
    if (atomic_load((atomic_uint*)region) != 0) return;
    usleep(1000);
  }
  printf("no report\n");
  fflush(stdout);
  _exit(3);
}

static void wait_for_death(void) {
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += WAIT_SECONDS;
  while (sem_timedwait(&died, &limit) != 0) {
    if (errno == EINTR) continue;
    printf("still alive\n");
    fflush(stdout);
    _exit(4);
  }
}

static void on_signal(int number) {
  (void)number;
  if (!pthread_equal(pthread_self(), main_thread)) atomic_fetch_add(&handled_elsewhere, 1);
  atomic_fetch_add(&handled, 1);
}

static void ring(void) {
  const uint64_t one = 1;
  if (write(doorbell, &one, sizeof one) != sizeof one) abort();
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  script = argv[2];
  const char* const mode = argv[3];
  main_thread = pthread_self();
  sem_init(&died, 0, 0);
  setlocale(LC_ALL, "C");
  region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (region == MAP_FAILED || doorbell < 0) return 2;
  if (strcmp(mode, "signals") == 0) {
    signal(SIGUSR1, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
  }
  struct host_state before;
  read_state(&before);

  void* const library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == NULL) {
    printf("%s\n", dlerror());
    return 2;
  }
  polyraft_plugin_get_function get;
  void* const symbol = dlsym(library, POLYRAFT_PLUGIN_GET_SYMBOL);
  memcpy(&get, &symbol, sizeof get);
  if (get == NULL) return 2;
  plugin = get();

  if (strcmp(mode, "thread") == 0) {
    pthread_t thread;
    void* result;
    pthread_create(&thread, NULL, start_on_thread, NULL);
    pthread_join(thread, &result);
    if (result != NULL) return 1;
  } else if (start_engine() != 0) {
    return 1;
  }

  if (strcmp(mode, "return-at-once") == 0) return 0;
  if (strcmp(mode, "return") == 0) {
    wait_for_report();
    return 0;
  }
  if (strcmp(mode, "exit-on-thread") == 0) {
    pthread_t thread;
    wait_for_report();
    pthread_create(&thread, NULL, exit_on_thread, NULL);
    pthread_join(thread, NULL);
  }
  if (strcmp(mode, "stop") == 0) {
    wait_for_report();
    plugin->stop();
    plugin->stop();
  }
  if (strcmp(mode, "stop-at-once") == 0) plugin->stop();
  if (strcmp(mode, "ring") == 0) {
    wait_for_report();
    ring();
  }
  if (strcmp(mode, "signals") == 0) {
    wait_for_report();
    for (int i = 0; i < 100; i++) {
      kill(getpid(), i % 3 == 0 ? SIGUSR1 : i % 3 == 1 ? SIGTERM : SIGINT);
      usleep(500);
    }
    printf("handled %d, elsewhere %d\n", atomic_load(&handled), atomic_load(&handled_elsewhere));
    plugin->stop();
  }
  wait_for_death();
  if (strcmp(mode, "twice") == 0) start_engine();

  uint32_t length;
  memcpy(&length, region, sizeof length);
  if (length < REGION_BYTES - sizeof length) printf("%.*s", (int)length, (const char*)region + sizeof length);
  printf("died: %s\n", end_text);
  struct host_state after;
  read_state(&after);
  if (differs(&before, &after) == 0) printf("host unchanged\n");
  return 0;
}
