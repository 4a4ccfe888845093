#include "agenda.h"

#include "arena.h"

static struct action* heap;
static size_t count, capacity;
static uint64_t order;

static bool is_before(const struct action* a, const struct action* b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void agenda_reset(void) {
  count = 0;
  order = 0;
}

void agenda_add(struct action action) {
  if (count == capacity) {
    capacity = capacity * 2 + 64;
    heap = must_realloc(heap, capacity * sizeof *heap);
  }
  action.order = order++;
  size_t at = count++;
  while (at > 0 && is_before(&action, &heap[(at - 1) / 2])) {
    heap[at] = heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap[at] = action;
}

bool agenda_take(raft_time end, struct action* action) {
  if (count == 0 || heap[0].at > end) return false;
  *action = heap[0];
  const struct action last = heap[--count];
  size_t at = 0;
  for (size_t child = 1; child < count; child = 2 * at + 1) {
    if (child + 1 < count && is_before(&heap[child + 1], &heap[child])) child++;
    if (!is_before(&heap[child], &last)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return true;
}
