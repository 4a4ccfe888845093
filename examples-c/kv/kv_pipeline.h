/*
 * Many requests of one client over one connection, with a window of open ones; every request is sent again,
 * under its id, until it has a final answer: after ERR RETRY and ERR BUSY, and on another connection when
 * this one breaks, falls silent, or its server keeps saying RETRY. A new connection goes to the leader, when
 * somebody knows it.
 */
#ifndef KV_PIPELINE_H
#define KV_PIPELINE_H

#include "kv_bytes.h"
#include "kv_endpoints.h"

struct kv_pipeline_options {
  const struct kv_endpoints* endpoints;
  /* Only ever the first endpoint. */
  bool stays;
  /* Requests, numbered from 0 on. */
  uint64_t count;
  /* Open at a time, 1 to KV_WINDOW. */
  uint64_t window;
  /* Give up when no request gets its final answer for this long. */
  int patience_ms;
  /* Adds the verb and the arguments of request `number`; called once for each time it is sent. */
  void (*make)(void* context, uint64_t number, struct kv_bytes* line);
  /* A final answer: "OK ..." or "ERR CODE ...". False ends the run. */
  bool (*answered)(void* context, uint64_t number, const char* answer);
  void* context;
};

/* True when every request has its final answer, and `answered` agreed to each. */
bool kv_pipeline_run(const struct kv_pipeline_options* options);

/* Milliseconds of a clock that only goes forward. */
int64_t kv_now_ms(void);

#endif
