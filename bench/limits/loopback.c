#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measures.h"
#include "samples.h"

enum { TRIPS_MAX = 20000 };

static int read_all(int connection, char* data, uint64_t bytes) {
  while (bytes != 0) {
    const ssize_t part = read(connection, data, bytes);
    if (part <= 0) return 0;
    bytes -= (uint64_t)part;
  }
  return 1;
}

static int write_all(int connection, const char* data, uint64_t bytes) {
  while (bytes != 0) {
    const ssize_t part = write(connection, data, bytes);
    if (part <= 0) return 0;
    data += part;
    bytes -= (uint64_t)part;
  }
  return 1;
}

static int listen_anywhere(struct sockaddr_in* address) {
  socklen_t size = sizeof *address;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (listener < 0 || bind(listener, (struct sockaddr*)address, sizeof *address) != 0 ||
      listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr*)address, &size) != 0)
    fail("listening on the loopback device");
  return listener;
}

static void no_delay(int connection) {
  const int on = 1;
  if (setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) fail("TCP_NODELAY");
}

/* Answers each message by one byte until the other end closes. */
static _Noreturn void answer(int listener, char* data, uint64_t bytes) {
  const int connection = accept(listener, NULL, NULL);
  if (connection < 0) _exit(1);
  no_delay(connection);
  while (read_all(connection, data, bytes) && write_all(connection, data, 1)) continue;
  _exit(0);
}

static void send_and_wait(int connection, char* data, uint64_t bytes, uint64_t time_ns) {
  struct samples samples = samples_open(TRIPS_MAX);
  const uint64_t until = now_ns() + time_ns;
  for (int i = 0; i < TRIPS_MAX; i++) {
    const uint64_t began = now_ns();
    if (began > until) break;
    if (!write_all(connection, data, bytes) || !read_all(connection, data, 1)) fail("a loopback round trip");
    samples_add(&samples, now_ns() - began);
  }
  printf("{\"limit\":\"loopback\",\"bytes\":%" PRIu64, bytes);
  samples_print(&samples);
  printf("}\n");
}

void measure_loopback(uint64_t bytes, uint64_t time_ns) {
  struct sockaddr_in address;
  char* const data = calloc(1, bytes);
  if (data == NULL) fail("memory");
  const int listener = listen_anywhere(&address);
  fflush(stdout);
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) answer(listener, data, bytes);
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0 || connect(connection, (struct sockaddr*)&address, sizeof address) != 0)
    fail("connecting on the loopback device");
  no_delay(connection);
  send_and_wait(connection, data, bytes, time_ns);
  close(connection);
  close(listener);
  if (waitpid(child, NULL, 0) != child) fail("waitpid");
  free(data);
}
