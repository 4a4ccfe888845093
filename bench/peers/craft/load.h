/* One run: entries that are proposed with a window, and how long each took. All of it is the loop thread's.
 */
#ifndef BENCH_CRAFT_LOAD_H
#define BENCH_CRAFT_LOAD_H

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

/* An entry begins with its run and its number. */
enum { LOAD_HEADER_BYTES = 16 };

bool load_is_running(void);

/* Begins a run and its clock; entries go out with load_pump. False without memory. */
bool load_begin(uint64_t count, uint64_t bytes, uint64_t window);

/* Proposes as much as the window has room for, in batches; a refusal ends the run. */
void load_pump(struct raft* raft);

/* What the state machine was given. */
void load_applied(const struct raft_buffer* data);

/* Ends the run and prints its answer once all is applied, it has failed, or its time is over. */
void load_finish_when_done(void);

#endif
