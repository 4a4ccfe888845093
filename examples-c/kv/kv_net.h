/*
 * Lines over TCP on 127.0.0.1: one thread polls all connections and hands out whole lines; any thread
 * answers.
 *
 * Bounds: KV_CONNECTIONS_MAX connections (more are closed at once), KV_LINE_BYTES_MAX a line (a longer one
 * closes its connection), KV_UNSENT_BYTES_MAX of answers that a client does not read (more closes it).
 */
#ifndef KV_NET_H
#define KV_NET_H

#include <stddef.h>
#include <stdint.h>

enum { KV_CONNECTIONS_MAX = 256, KV_LINE_BYTES_MAX = 1 << 20, KV_UNSENT_BYTES_MAX = 64 << 20 };

struct kv_net;

/* A whole line, without its newline and ended by NUL, which the receiver may change. */
typedef void (*kv_net_line)(void* context, uint64_t connection, char* line, size_t size);

/* Listens on 127.0.0.1; NULL when it cannot (errno says why). */
struct kv_net* kv_net_open(uint16_t port, kv_net_line on_line, void* context);
/* Serves until kv_net_stop; the answers that are there then are sent. */
void kv_net_run(struct kv_net* net);
/* From any thread, and from a signal handler. */
void kv_net_stop(struct kv_net* net);
void kv_net_close(struct kv_net* net);

/* Sends a line (a newline is added) to a connection; does nothing when it is gone. From any thread. */
void kv_net_answer(struct kv_net* net, uint64_t connection, const char* line, size_t size);

#endif
