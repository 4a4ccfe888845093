#include "arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 20, BLOCKS_MAX = 1024 };

static char* blocks[BLOCKS_MAX];
static size_t current, used;

void* must_realloc(void* memory, size_t size) {
  void* const moved = realloc(memory, size);
  if (moved == NULL) {
    fprintf(stderr, "craft_cluster: no memory for %zu bytes\n", size);
    exit(2);
  }
  return moved;
}

void* arena_take(size_t size) {
  const size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
  if (used + rounded > BLOCK_BYTES) {
    current++;
    used = 0;
  }
  if (rounded > BLOCK_BYTES || current == BLOCKS_MAX) {
    fprintf(stderr, "craft_cluster: a seed needs more memory than there is room for\n");
    exit(2);
  }
  if (blocks[current] == NULL) blocks[current] = must_realloc(NULL, BLOCK_BYTES);
  void* const taken = blocks[current] + used;
  used += rounded;
  return memset(taken, 0, rounded);
}

void arena_reset(void) {
  current = used = 0;
}
