#include "kv_pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kv_request.h"

enum {
  CONNECT_TIMEOUT_MS = 500,
  /* A server that answers nothing for so long is left. */
  SILENCE_MS = 3000,
  /* Before a request is sent again that was refused. */
  RETRY_MS = 25,
  /* Refusals without a success, in milliseconds, after which the leader is looked for anew. */
  REFUSED_MS = 300,
  /* Without a connection to the leader, before a follower is good enough. */
  FOLLOWER_MS = 5000,
  /* Between two rounds of endpoints of which none could be reached. */
  ROUND_MS = 50,
  READ_BYTES = 64 * 1024,
};

/* The sequence of LEADER, which is no write, so that it takes none of those of the requests. */
#define LEADER_SEQUENCE UINT64_MAX

enum slot_state { UNSENT, SENT, REFUSED, DONE };

struct slot {
  enum slot_state state;
  int64_t again_at;
};

struct pipeline {
  const struct kv_pipeline_options* options;
  uint64_t client;
  int fd;
  size_t endpoint;
  struct kv_bytes unsent;
  struct kv_bytes received;
  /* Requests oldest to next - 1 are open or done; slot of request n at [n % window]. */
  struct slot* slots;
  uint64_t oldest;
  uint64_t next;
  int64_t heard_at;
  int64_t connected_at;
  int64_t success_at;
  int64_t refused_since;
  bool failed;
};

int64_t kv_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct slot* slot_of(struct pipeline* pipeline, uint64_t number) {
  return &pipeline->slots[number % pipeline->options->window];
}

static void disconnect(struct pipeline* pipeline) {
  if (pipeline->fd >= 0) close(pipeline->fd);
  pipeline->fd = -1;
  pipeline->unsent.size = 0;
  pipeline->received.size = 0;
  for (uint64_t number = pipeline->oldest; number < pipeline->next; number++) {
    struct slot* const slot = slot_of(pipeline, number);
    if (slot->state != DONE) slot->state = UNSENT;
  }
}

/* Asks the server at the other end who leads: its id, or 0 when it does not know or does not answer. */
static uint64_t ask_leader(int fd, uint64_t client) {
  char line[256];
  int size = snprintf(line, sizeof line, "%" PRIu64 ".%" PRIu64 " LEADER\n", client, LEADER_SEQUENCE);
  if (send(fd, line, (size_t)size, MSG_NOSIGNAL) != size) return 0;
  size_t got = 0;
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  while (got < sizeof line - 1 && poll(&polled, 1, CONNECT_TIMEOUT_MS) == 1) {
    const ssize_t more = recv(fd, line + got, sizeof line - 1 - got, 0);
    if (more <= 0) return 0;
    got += (size_t)more;
    line[got] = '\0';
    if (line[got - 1] != '\n') continue;
    const char* const leader = strstr(line, "leader=");
    return leader == NULL ? 0 : strtoull(leader + strlen("leader="), NULL, 10);
  }
  return 0;
}

static bool use_endpoint(struct pipeline* pipeline, size_t place) {
  const struct kv_endpoints* const endpoints = pipeline->options->endpoints;
  pipeline->fd = kv_endpoint_connect(&endpoints->list[place], CONNECT_TIMEOUT_MS);
  if (pipeline->fd < 0) return false;
  pipeline->endpoint = place;
  pipeline->heard_at = kv_now_ms();
  pipeline->refused_since = 0;
  return true;
}

/* One round over the endpoints, for a connection to the leader: what a follower forwards to a leader that has
 * just died would be unknown for some time. After FOLLOWER_MS without one, any server will do, and at once
 * one whose leader is not among the endpoints. */
static bool connect_somewhere(struct pipeline* pipeline) {
  const struct kv_endpoints* const endpoints = pipeline->options->endpoints;
  if (pipeline->options->stays) return use_endpoint(pipeline, 0);
  const bool is_patient = kv_now_ms() - pipeline->connected_at < FOLLOWER_MS;
  for (size_t i = 1; i <= endpoints->count; i++) {
    if (!use_endpoint(pipeline, (pipeline->endpoint + i) % endpoints->count)) continue;
    size_t leader = 0;
    const uint64_t leader_id = ask_leader(pipeline->fd, pipeline->client);
    const bool is_listed = kv_endpoints_find(endpoints, leader_id, &leader);
    if (is_listed ? leader == pipeline->endpoint : leader_id != 0) return true;
    if (!is_patient) return true;
    close(pipeline->fd);
    if (is_listed && use_endpoint(pipeline, leader)) return true;
    pipeline->fd = -1;
  }
  return false;
}

static void queue_request(struct pipeline* pipeline, uint64_t number) {
  char id[80];
  const int size = snprintf(id, sizeof id, "%" PRIu64 ".%" PRIu64 ".%" PRIu64 " ", pipeline->client,
                            number + 1, pipeline->oldest + 1);
  kv_bytes_add(&pipeline->unsent, id, (size_t)size);
  pipeline->options->make(pipeline->options->context, number, &pipeline->unsent);
  kv_bytes_add(&pipeline->unsent, "\n", 1);
  slot_of(pipeline, number)->state = SENT;
}

/* Queues what is to be sent now; returns when the next refused request is due, or -1. */
static int64_t queue_due(struct pipeline* pipeline, int64_t now) {
  int64_t due_at = -1;
  for (uint64_t number = pipeline->oldest; number < pipeline->next; number++) {
    struct slot* const slot = slot_of(pipeline, number);
    if (slot->state == UNSENT || (slot->state == REFUSED && slot->again_at <= now))
      queue_request(pipeline, number);
    else if (slot->state == REFUSED && (due_at < 0 || slot->again_at < due_at))
      due_at = slot->again_at;
  }
  while (pipeline->next < pipeline->options->count &&
         pipeline->next - pipeline->oldest < pipeline->options->window)
    queue_request(pipeline, pipeline->next++);
  return due_at;
}

static void refused(struct pipeline* pipeline, struct slot* slot, int64_t now) {
  slot->state = REFUSED;
  slot->again_at = now + RETRY_MS;
  if (pipeline->refused_since == 0) pipeline->refused_since = now;
}

static void take_answer(struct pipeline* pipeline, const char* line) {
  char* end = NULL;
  if (strtoull(line, &end, 10) != pipeline->client || *end != '.') return;
  const uint64_t sequence = strtoull(end + 1, &end, 10);
  if (*end != ' ' || sequence <= pipeline->oldest || sequence > pipeline->next) return;
  const uint64_t number = sequence - 1;
  const char* const answer = end + 1;
  struct slot* const slot = slot_of(pipeline, number);
  if (slot->state == DONE) return;
  const int64_t now = kv_now_ms();
  if (strncmp(answer, "ERR RETRY", 9) == 0 || strncmp(answer, "ERR BUSY", 8) == 0) {
    refused(pipeline, slot, now);
    return;
  }
  slot->state = DONE;
  pipeline->success_at = now;
  pipeline->refused_since = 0;
  if (!pipeline->options->answered(pipeline->options->context, number, answer)) pipeline->failed = true;
  while (pipeline->oldest < pipeline->next && slot_of(pipeline, pipeline->oldest)->state == DONE)
    pipeline->oldest++;
}

static void take_lines(struct pipeline* pipeline) {
  size_t begin = 0;
  char* end = NULL;
  while ((end = memchr(pipeline->received.data + begin, '\n', pipeline->received.size - begin)) != NULL) {
    *end = '\0';
    take_answer(pipeline, pipeline->received.data + begin);
    begin = (size_t)(end - pipeline->received.data) + 1;
  }
  kv_bytes_drop(&pipeline->received, begin);
}

/* False when the connection is over. */
static bool exchange(struct pipeline* pipeline, int timeout_ms) {
  struct pollfd polled = {.fd = pipeline->fd, .events = POLLIN};
  if (pipeline->unsent.size != 0) polled.events |= POLLOUT;
  if (poll(&polled, 1, timeout_ms) < 0) return errno == EINTR;
  if ((polled.revents & POLLOUT) != 0) {
    const ssize_t sent = send(pipeline->fd, pipeline->unsent.data, pipeline->unsent.size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent > 0) kv_bytes_drop(&pipeline->unsent, (size_t)sent);
  }
  if ((polled.revents & (POLLIN | POLLHUP | POLLERR)) == 0) return true;
  char part[READ_BYTES];
  const ssize_t got = recv(pipeline->fd, part, sizeof part, 0);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return false;
  if (got < 0) return true;
  pipeline->heard_at = kv_now_ms();
  kv_bytes_add(&pipeline->received, part, (size_t)got);
  take_lines(pipeline);
  return true;
}

static bool is_worth_keeping(const struct pipeline* pipeline, int64_t now) {
  if (now - pipeline->heard_at > SILENCE_MS) return false;
  return pipeline->refused_since == 0 || now - pipeline->refused_since < REFUSED_MS;
}

static void wait_ms(int milliseconds) {
  poll(NULL, 0, milliseconds);
}

bool kv_pipeline_run(const struct kv_pipeline_options* options) {
  struct pipeline pipeline = {.options = options, .fd = -1, .endpoint = options->endpoints->count - 1};
  if (getrandom(&pipeline.client, sizeof pipeline.client, 0) != sizeof pipeline.client) return false;
  pipeline.slots = kv_allocate(options->window * sizeof(struct slot));
  memset(pipeline.slots, 0, options->window * sizeof(struct slot));
  pipeline.success_at = kv_now_ms();
  pipeline.connected_at = pipeline.success_at;
  while (pipeline.oldest < options->count && !pipeline.failed) {
    int64_t now = kv_now_ms();
    if (now - pipeline.success_at > options->patience_ms) {
      fprintf(stderr, "no answer for %d ms\n", options->patience_ms);
      pipeline.failed = true;
      break;
    }
    if (pipeline.fd < 0 && !connect_somewhere(&pipeline)) {
      wait_ms(ROUND_MS);
      continue;
    }
    now = kv_now_ms();
    pipeline.connected_at = now;
    const int64_t due_at = queue_due(&pipeline, now);
    const int timeout_ms = due_at < 0 ? 100 : (int)(due_at > now ? due_at - now : 0);
    if (!exchange(&pipeline, timeout_ms) || !is_worth_keeping(&pipeline, kv_now_ms())) {
      disconnect(&pipeline);
      wait_ms(RETRY_MS);
    }
  }
  if (pipeline.fd >= 0) close(pipeline.fd);
  free(pipeline.slots);
  kv_bytes_free(&pipeline.unsent);
  kv_bytes_free(&pipeline.received);
  return !pipeline.failed;
}
