/* Memory that lives until the next seed. */
#ifndef POLYRAFT_CRAFT_CLUSTER_ARENA_H
#define POLYRAFT_CRAFT_CLUSTER_ARENA_H

#include <stddef.h>

/** Zeroed, never NULL. */
void* arena_take(size_t size);
void arena_reset(void);

/** malloc and realloc that end the program instead of failing. */
void* must_realloc(void* memory, size_t size);

#endif
