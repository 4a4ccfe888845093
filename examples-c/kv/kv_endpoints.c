#include "kv_endpoints.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kv_request.h"

static bool parse_one(struct kv_endpoint* endpoint, char* text) {
  char* const equals = strchr(text, '=');
  char* const colon = strchr(text, ':');
  if (equals == NULL || colon == NULL || colon < equals) return false;
  *equals = '\0';
  *colon = '\0';
  uint64_t port = 0;
  if (!kv_parse_number(text, &endpoint->id) || !kv_parse_number(colon + 1, &port)) return false;
  if (port == 0 || port > 65535) return false;
  endpoint->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  return inet_pton(AF_INET, equals + 1, &endpoint->address.sin_addr) == 1;
}

bool kv_endpoints_parse(struct kv_endpoints* endpoints, const char* text) {
  endpoints->count = 0;
  char* const copy = strdup(text);
  char* rest = copy;
  bool right = copy != NULL;
  while (right && rest != NULL) {
    char* const one = strsep(&rest, ",");
    right = endpoints->count < KV_ENDPOINTS_MAX && parse_one(&endpoints->list[endpoints->count], one);
    endpoints->count++;
  }
  free(copy);
  return right;
}

bool kv_endpoints_find(const struct kv_endpoints* endpoints, uint64_t id, size_t* place) {
  for (size_t i = 0; i < endpoints->count; i++) {
    if (endpoints->list[i].id != id) continue;
    *place = i;
    return true;
  }
  return false;
}

int kv_endpoint_connect(const struct kv_endpoint* endpoint, int timeout_ms) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (const struct sockaddr*)&endpoint->address, sizeof endpoint->address) == 0) return fd;
  struct pollfd polled = {.fd = fd, .events = POLLOUT};
  int error = 0;
  socklen_t size = sizeof error;
  if (errno == EINPROGRESS && poll(&polled, 1, timeout_ms) == 1 &&
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
    return fd;
  close(fd);
  return -1;
}
