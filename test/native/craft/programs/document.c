#include <raft.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  struct raft raft;
  struct raft_event event;
  struct raft_update update;
  struct raft_configuration members;
  struct raft_entry first = {1, RAFT_CHANGE, {NULL, 0}, NULL};
  struct raft_entry command = {0, RAFT_COMMAND, {NULL, 5}, NULL};

  if (raft_init(&raft, 1, "10.0.0.1:9000") != 0) {
    fprintf(stderr, "%s\n", raft_errmsg(&raft));
    return 1;
  }
  /* What the disk of a new cluster's server holds: its members, as the first entry. */
  raft_configuration_init(&members);
  raft_configuration_add(&members, 1, "10.0.0.1:9000", RAFT_VOTER);
  raft_configuration_encode(&members, &first.buf);
  raft_configuration_close(&members);

  memset(&event, 0, sizeof event);
  event.type = RAFT_START;
  event.start.term = 1;
  event.start.start_index = 1;
  event.start.entries = &first;
  event.start.n_entries = 1;
  raft_step(&raft, &event, &update); /* It leads, and has a barrier to store. */
  raft_free(first.buf.base);
  raft_free(update.entries.batch[0].batch);
  raft_free(update.entries.batch);

  memset(&event, 0, sizeof event);
  event.type = RAFT_SUBMIT;
  command.batch = command.buf.base = raft_malloc(5);
  memcpy(command.batch, "hello", 5);
  event.submit.entries = &command;
  event.submit.n = 1;
  raft_step(&raft, &event, &update); /* Entry 3, to be stored. */
  raft_free(update.entries.batch[0].batch);
  raft_free(update.entries.batch);

  memset(&event, 0, sizeof event);
  event.type = RAFT_PERSISTED_ENTRIES; /* Once it is. */
  event.persisted_entries.index = 3;
  raft_step(&raft, &event, &update);
  printf("%s, commit index %llu\n", raft_state_name(raft_state(&raft)), raft_commit_index(&raft));
  return raft_close(&raft);
}
