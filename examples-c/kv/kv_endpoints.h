/* The client ports of a cluster's servers: "1=127.0.0.1:7001,2=127.0.0.1:7002". */
#ifndef KV_ENDPOINTS_H
#define KV_ENDPOINTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KV_ENDPOINTS_MAX = 16 };

struct kv_endpoints {
  size_t count;
  struct kv_endpoint {
    uint64_t id;
    struct sockaddr_in address;
  } list[KV_ENDPOINTS_MAX];
};

/* False when the text is wrong: an id, "=", an IPv4 address, ":", a port; several with commas between. */
bool kv_endpoints_parse(struct kv_endpoints* endpoints, const char* text);
/* The place of a server in the list; false when it is not there. */
bool kv_endpoints_find(const struct kv_endpoints* endpoints, uint64_t id, size_t* place);
/* A connected, non-blocking socket; -1 when none comes within timeout_ms. */
int kv_endpoint_connect(const struct kv_endpoint* endpoint, int timeout_ms);

#endif
