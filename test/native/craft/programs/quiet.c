/*
 * Steps a hundred thousand times under a filter that ends the process at any system call but those of memory,
 * and looks that there was no thread. What is allowed is what V8's heap needs, and futex, which a lock may
 * need.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <raft.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WARM_UP 20000
#define STEPS 100000

#define ALLOW(number) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct raft raft;

static int count_threads(void) {
  int count = 0;
  DIR* const directory = opendir("/proc/self/task");
  if (directory == NULL) return -1;
  for (struct dirent* entry; (entry = readdir(directory)) != NULL;) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(directory);
  return count;
}

static void forbid_system_calls(void) {
  static struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      ALLOW(__NR_mmap),
      ALLOW(__NR_munmap),
      ALLOW(__NR_madvise),
      ALLOW(__NR_mprotect),
      ALLOW(__NR_mremap),
      ALLOW(__NR_brk),
      ALLOW(__NR_futex),
      /* V8 asks for it when it compiles. */
      ALLOW(__NR_getpid),
      ALLOW(__NR_exit_group),
      /* The last words. */
      ALLOW(__NR_prctl),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  static struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    exit(3);
}

static int step(struct raft_event* event) {
  struct raft_update update;
  if (raft_step(&raft, event, &update) != 0) return 1;
  if (update.flags & RAFT_UPDATE_ENTRIES) {
    for (unsigned i = 0; i < update.entries.n; i++) raft_free(update.entries.batch[i].batch);
    raft_free(update.entries.batch);
  }
  return 0;
}

static int start(void) {
  struct raft_configuration configuration;
  struct raft_entry first = {1, RAFT_CHANGE, {NULL, 0}, NULL};
  struct raft_event event = {0};
  if (raft_init(&raft, 1, "one") != 0) return 1;
  raft_configuration_init(&configuration);
  raft_configuration_add(&configuration, 1, "one", RAFT_VOTER);
  raft_configuration_encode(&configuration, &first.buf);
  event.type = RAFT_START;
  event.start.term = 1;
  event.start.start_index = 1;
  event.start.entries = &first;
  event.start.n_entries = 1;
  if (step(&event) != 0) return 1;
  raft_free(first.buf.base);
  raft_configuration_close(&configuration);
  return 0;
}

static int work(int steps, raft_time* now) {
  for (int i = 0; i < steps; i += 3) {
    struct raft_event event = {0};
    struct raft_entry entry = {0, RAFT_COMMAND, {NULL, 512}, NULL};
    event.time = ++*now;
    event.type = RAFT_SUBMIT;
    entry.batch = entry.buf.base = raft_malloc(512);
    event.submit.entries = &entry;
    event.submit.n = 1;
    if (step(&event) != 0) return 1;
    memset(&event, 0, sizeof event);
    event.time = *now;
    event.type = RAFT_PERSISTED_ENTRIES;
    event.persisted_entries.index = raft_last_index(&raft);
    if (step(&event) != 0) return 1;
    memset(&event, 0, sizeof event);
    event.time = *now;
    event.type = RAFT_TIMEOUT;
    if (step(&event) != 0) return 1;
  }
  return 0;
}

int main(void) {
  raft_time now = 1000;
  if (start() != 0 || work(WARM_UP, &now) != 0) {
    fprintf(stderr, "%s\n", raft_errmsg(&raft));
    return 1;
  }
  if (count_threads() != 1) {
    fprintf(stderr, "there are %d threads\n", count_threads());
    return 2;
  }
  forbid_system_calls();
  _exit(work(STEPS, &now) != 0 || raft_commit_index(&raft) != raft_last_index(&raft) ? 4 : 0);
}
