/* A program as strict as they come, with nothing but the header: a cluster of one commits an entry. */
#include <raft.h>
#include <stdio.h>
#include <string.h>

static int check(int error, struct raft* r, const char* what) {
  if (error != 0) fprintf(stderr, "%s: %s: %s\n", what, raft_strerror(error), raft_errmsg(r));
  return error;
}

int main(void) {
  struct raft raft;
  struct raft_event event;
  struct raft_update update;
  struct raft_configuration configuration;
  struct raft_entry first = {1, RAFT_CHANGE, {NULL, 0}, NULL};
  struct raft_entry entry = {0, RAFT_COMMAND, {NULL, 5}, NULL};
  if (check(raft_init(&raft, 1, "one"), &raft, "init")) return 1;
  raft_configuration_init(&configuration);
  if (raft_configuration_add(&configuration, 1, "one", RAFT_VOTER)) return 1;
  if (raft_configuration_encode(&configuration, &first.buf)) return 1;
  raft_configuration_close(&configuration);
  memset(&event, 0, sizeof event);
  event.type = RAFT_START;
  event.start.term = 1;
  event.start.start_index = 1;
  event.start.entries = &first;
  event.start.n_entries = 1;
  if (check(raft_step(&raft, &event, &update), &raft, "start")) return 1;
  raft_free(update.entries.batch[0].batch);
  raft_free(update.entries.batch);
  raft_free(first.buf.base);
  memset(&event, 0, sizeof event);
  event.type = RAFT_SUBMIT;
  entry.batch = raft_malloc(5);
  entry.buf.base = entry.batch;
  memcpy(entry.batch, "hello", 5);
  event.submit.entries = &entry;
  event.submit.n = 1;
  if (check(raft_step(&raft, &event, &update), &raft, "submit")) return 1;
  printf("%.5s\n", (const char*)update.entries.batch[0].buf.base);
  raft_free(update.entries.batch[0].batch);
  raft_free(update.entries.batch);
  memset(&event, 0, sizeof event);
  event.type = RAFT_PERSISTED_ENTRIES;
  event.persisted_entries.index = 3;
  if (check(raft_step(&raft, &event, &update), &raft, "persisted")) return 1;
  printf("%s, commit index %llu\n", raft_state_name((int)raft_state(&raft)), raft_commit_index(&raft));
  return raft_close(&raft);
}
