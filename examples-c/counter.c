/* A counter that every node of a cluster holds alike; here the cluster is this program alone. */
#include <polyraft.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Changed on the apply thread, read on the main one. */
static atomic_long counter;

static int apply(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  char digits[32] = "";
  (void)context, (void)index, (void)term;
  if (size >= sizeof digits) return 1; /* not 0: this server stops */
  memcpy(digits, data, size);
  counter += atol(digits);
  return 0;
}

static int take_snapshot(void* context, uint64_t index, void** data, uint64_t* size) {
  const long value = counter;
  (void)context, (void)index;
  *data = malloc(sizeof value);
  if (*data == NULL) return 1;
  memcpy(*data, &value, sizeof value);
  *size = sizeof value;
  return 0;
}

static int restore(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  long value = 0;
  (void)context, (void)index, (void)term;
  if (size != sizeof value) return 1;
  memcpy(&value, data, sizeof value);
  counter = value;
  return 0;
}

static void free_memory(void* context, void* data) {
  (void)context;
  free(data);
}

int main(int argc, char** argv) {
  char config[512];
  snprintf(
      config, sizeof config,
      "{\"id\": 1, \"waldir\": \"wal\", \"snapdir\": \"snap\", \"peers\": [{\"id\": 1, \"url\": \"%s\"}]}",
      argc > 1 ? argv[1] : "http://127.0.0.1:9001");
  struct RAFT_Options options = {.struct_size = sizeof options, .config = config};
  options.callbacks = (struct RAFT_Callbacks){.struct_size = sizeof options.callbacks,
                                              .apply = apply,
                                              .restore = restore,
                                              .take_snapshot = take_snapshot,
                                              .free_memory = free_memory};
  RAFT_Handle raft = 0;
  int code = RAFT_NewRaftServerWith(&options, &raft);
  if (code == RAFT_OK) code = RAFT_ProposeWait(raft, "5", 1, 10000, NULL, NULL);
  if (code == RAFT_OK) code = RAFT_ReadIndex(raft, RAFT_READ_SAFE, 10000, NULL);
  if (code == RAFT_OK) code = RAFT_SaveSnapshot(raft, 10000, NULL);
  if (code == RAFT_OK) printf("%ld\n", (long)counter);
  if (code != RAFT_OK) fprintf(stderr, "counter: %s\n", RAFT_LastError());
  if (raft != 0) RAFT_StopServer(raft);
  return code == RAFT_OK ? 0 : 1;
}
