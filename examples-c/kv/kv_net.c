#include "kv_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kv_bytes.h"

/* Descriptors before those of the connections in the list that is polled. */
enum { WAKE_AT, LISTENER_AT, FIRST_CONNECTION_AT };
enum { READ_BYTES = 64 * 1024 };

struct connection {
  int fd;
  /* Its place and a generation, so that a late answer never reaches another client. */
  uint64_t id;
  struct kv_bytes received;
  struct kv_bytes unsent;
};

struct kv_net {
  kv_net_line on_line;
  void* context;
  int listener;
  int wake;
  atomic_int stopping;
  struct connection connections[KV_CONNECTIONS_MAX];
  uint64_t generation;
  pthread_mutex_t mutex;
  /* Answers on their way to the thread that polls: u64 connection, u32 size, the line. Under the mutex. */
  struct kv_bytes answers;
};

struct kv_net* kv_net_open(uint16_t port, kv_net_line on_line, void* context) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) return NULL;
  const int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (const struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 64) != 0) {
    const int error = errno;
    close(listener);
    errno = error;
    return NULL;
  }
  struct kv_net* const net = kv_allocate(sizeof *net);
  memset(net, 0, sizeof *net);
  net->on_line = on_line;
  net->context = context;
  net->listener = listener;
  net->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  for (size_t i = 0; i < KV_CONNECTIONS_MAX; i++) net->connections[i].fd = -1;
  pthread_mutex_init(&net->mutex, NULL);
  return net;
}

static void wake(struct kv_net* net) {
  const uint64_t one = 1;
  const ssize_t written = write(net->wake, &one, sizeof one);
  (void)written; /* fails only when it is awake already */
}

void kv_net_stop(struct kv_net* net) {
  atomic_store(&net->stopping, 1);
  wake(net);
}

void kv_net_answer(struct kv_net* net, uint64_t connection, const char* line, size_t size) {
  pthread_mutex_lock(&net->mutex);
  const int was_empty = net->answers.size == 0;
  kv_bytes_add_u64(&net->answers, connection);
  kv_bytes_add_u32(&net->answers, (uint32_t)size);
  kv_bytes_add(&net->answers, line, size);
  pthread_mutex_unlock(&net->mutex);
  if (was_empty) wake(net);
}

static void close_connection(struct connection* connection) {
  close(connection->fd);
  connection->fd = -1;
  connection->id = 0;
  kv_bytes_free(&connection->received);
  kv_bytes_free(&connection->unsent);
}

static void accept_connections(struct kv_net* net) {
  for (;;) {
    const int fd = accept4(net->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    size_t place = 0;
    while (place < KV_CONNECTIONS_MAX && net->connections[place].fd >= 0) place++;
    if (place == KV_CONNECTIONS_MAX) {
      close(fd);
      continue;
    }
    net->generation++;
    net->connections[place].fd = fd;
    net->connections[place].id = net->generation * KV_CONNECTIONS_MAX + place;
  }
}

static void send_unsent(struct connection* connection) {
  while (connection->unsent.size != 0) {
    const ssize_t sent = send(connection->fd, connection->unsent.data, connection->unsent.size, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) close_connection(connection);
      return;
    }
    kv_bytes_drop(&connection->unsent, (size_t)sent);
  }
}

/* Moves the answers to their connections. */
static void take_answers(struct kv_net* net) {
  uint64_t count = 0;
  const ssize_t got = read(net->wake, &count, sizeof count);
  (void)got;
  pthread_mutex_lock(&net->mutex);
  struct kv_bytes answers = net->answers;
  memset(&net->answers, 0, sizeof net->answers);
  pthread_mutex_unlock(&net->mutex);
  struct kv_reader reader = {.at = answers.data, .left = answers.size, .failed = false};
  while (reader.left != 0) {
    const uint64_t id = kv_read_u64(&reader);
    const uint32_t size = kv_read_u32(&reader);
    const char* const line = kv_read_bytes(&reader, size);
    struct connection* const connection = &net->connections[id % KV_CONNECTIONS_MAX];
    if (connection->fd < 0 || connection->id != id) continue;
    kv_bytes_add(&connection->unsent, line, size);
    kv_bytes_add(&connection->unsent, "\n", 1);
    if (connection->unsent.size > KV_UNSENT_BYTES_MAX) close_connection(connection);
  }
  kv_bytes_free(&answers);
  for (size_t i = 0; i < KV_CONNECTIONS_MAX; i++) {
    if (net->connections[i].fd >= 0) send_unsent(&net->connections[i]);
  }
}

static void hand_out_lines(struct kv_net* net, struct connection* connection) {
  size_t begin = 0;
  for (;;) {
    char* const line = connection->received.data + begin;
    char* const end = memchr(line, '\n', connection->received.size - begin);
    if (end == NULL) break;
    *end = '\0';
    size_t size = (size_t)(end - line);
    if (size != 0 && line[size - 1] == '\r') line[--size] = '\0';
    begin += (size_t)(end - line) + 1;
    net->on_line(net->context, connection->id, line, size);
  }
  kv_bytes_drop(&connection->received, begin);
  if (connection->received.size > KV_LINE_BYTES_MAX) close_connection(connection);
}

static void receive(struct kv_net* net, struct connection* connection) {
  static char buffer[READ_BYTES];
  const ssize_t got = recv(connection->fd, buffer, sizeof buffer, 0);
  if (got > 0) {
    kv_bytes_add(&connection->received, buffer, (size_t)got);
    hand_out_lines(net, connection);
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    close_connection(connection);
  }
}

void kv_net_run(struct kv_net* net) {
  struct pollfd polled[FIRST_CONNECTION_AT + KV_CONNECTIONS_MAX];
  size_t places[KV_CONNECTIONS_MAX];
  while (!atomic_load(&net->stopping)) {
    polled[WAKE_AT] = (struct pollfd){.fd = net->wake, .events = POLLIN};
    polled[LISTENER_AT] = (struct pollfd){.fd = net->listener, .events = POLLIN};
    size_t count = 0;
    for (size_t i = 0; i < KV_CONNECTIONS_MAX; i++) {
      const struct connection* const connection = &net->connections[i];
      if (connection->fd < 0) continue;
      const short events = connection->unsent.size != 0 ? POLLIN | POLLOUT : POLLIN;
      polled[FIRST_CONNECTION_AT + count] = (struct pollfd){.fd = connection->fd, .events = events};
      places[count++] = i;
    }
    if (poll(polled, (nfds_t)(FIRST_CONNECTION_AT + count), -1) < 0) continue;
    for (size_t i = 0; i < count; i++) {
      struct connection* const connection = &net->connections[places[i]];
      const short events = polled[FIRST_CONNECTION_AT + i].revents;
      if ((events & POLLOUT) != 0) send_unsent(connection);
      if (connection->fd >= 0 && (events & (POLLIN | POLLHUP | POLLERR)) != 0) receive(net, connection);
    }
    if (polled[WAKE_AT].revents != 0) take_answers(net);
    if (polled[LISTENER_AT].revents != 0) accept_connections(net);
  }
  take_answers(net);
}

void kv_net_close(struct kv_net* net) {
  for (size_t i = 0; i < KV_CONNECTIONS_MAX; i++) {
    if (net->connections[i].fd >= 0) close_connection(&net->connections[i]);
  }
  close(net->listener);
  close(net->wake);
  kv_bytes_free(&net->answers);
  pthread_mutex_destroy(&net->mutex);
  free(net);
}
