/* The form with five arguments, as older programs have it. */
#define RAFT_CRAFT_FIVE_ARGS
#include <raft.h>
#include <stdio.h>

static int closed = 0;

static void on_close(struct raft* r) {
  closed += r->id == 7 ? 1 : 0;
}

int main(void) {
  struct raft raft;
  int io = 0;
  if (raft_init(&raft, &io, NULL, 7, "seven") != RAFT_INVALID) return 1;
  if (raft_init(&raft, NULL, NULL, 7, "seven") != 0) return 2;
  raft_close(&raft, on_close);
  if (raft_init(&raft, NULL, NULL, 7, "seven") != 0) return 3;
  raft_close(&raft, NULL);
  printf("closed %d\n", closed);
  return closed == 1 ? 0 : 4;
}
