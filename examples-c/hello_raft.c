/* The shortest polyraft program: a cluster of one. Run it again, and its log is replayed first. */
#include <polyraft.h>
#include <stdio.h>

static int apply(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  (void)context;
  printf("index %d, term %d: %.*s\n", (int)index, (int)term, (int)size, (const char*)data);
  return 0; /* anything else stops this server */
}

int main(void) {
  struct RAFT_Options options = {
      .struct_size = sizeof options,
      .config =
          "{\"id\": 1, \"waldir\": \"hello-wal\", \"snapdir\": \"hello-snap\","
          " \"peers\": [{\"id\": 1, \"url\": \"http://127.0.0.1:9001\"}]}",
      .callbacks = {.struct_size = sizeof options.callbacks, .apply = apply},
  };
  RAFT_Handle raft;
  if (RAFT_NewRaftServerWith(&options, &raft) != RAFT_OK) {
    fprintf(stderr, "hello_raft: %s\n", RAFT_LastError());
    return 1;
  }
  int code = RAFT_ProposeWait(raft, "hello, raft", 11, 10000, NULL, NULL);
  if (code != RAFT_OK) fprintf(stderr, "hello_raft: %s\n", RAFT_LastError());
  RAFT_StopServer(raft);
  return code == RAFT_OK ? 0 : 1;
}
