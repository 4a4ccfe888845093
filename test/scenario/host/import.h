/* What a host program has to bring a state into another cluster: it proposes what the state holds. */
#ifndef IMPORT_H
#define IMPORT_H

#include <polyraft.h>
#include <stdint.h>

/*
 * Proposes each proposal that the state in a file (machine_encode) holds, and waits for all outcomes. RAFT_OK
 * and how many there were, or the first code that was another.
 */
int import_state(RAFT_Handle raft, const char* path, uint64_t* count);

#endif
