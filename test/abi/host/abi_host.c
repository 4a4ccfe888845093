/*
 * Tries configurations in a process of its own, in either runtime: abi_host [--unprivileged]
 *
 * One command a line of standard input, one answer a line, "CODE text". Servers that were started stay until
 * the process ends, which it does with its standard input.
 *
 *   with FILE     RAFT_NewRaftServerWith on the configuration in FILE; its code, and RAFT_LastError
 *   legacy FILE   RAFT_NewRaftServer; 0 and the word "handle", or 1 and RAFT_LastError
 *   status        of the server that was started last
 *
 * --unprivileged gives up what lets root write where modes forbid it, for this process and its children.
 */
#include <easyraft.h>
#include <linux/capability.h>
#include <polyraft.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, STATUS_BYTES = 64 * 1024, CONFIG_BYTES_MAX = 1 << 20 };

static RAFT_Handle last;

static void give_up_privileges(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &header, sets) != 0) abort();
  const unsigned bit = CAP_TO_MASK(CAP_DAC_OVERRIDE);
  struct __user_cap_data_struct* const set = &sets[CAP_TO_INDEX(CAP_DAC_OVERRIDE)];
  set->effective &= ~bit;
  set->permitted &= ~bit;
  set->inheritable &= ~bit;
  /* Without new privileges, a program that root starts has no more capabilities than its parent. */
  if (syscall(SYS_capset, &header, sets) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) abort();
}

static int on_apply(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  (void)context;
  (void)index;
  (void)term;
  (void)data;
  (void)size;
  return 0;
}

static void answer(int code, const char* text) {
  printf("%d ", code);
  /* One line, whatever a text holds. */
  for (; *text != '\0'; text++) putchar(*text == '\n' ? ' ' : *text);
  putchar('\n');
  fflush(stdout);
}

static void start_with(const char* config) {
  const struct RAFT_Options options = {
      .struct_size = sizeof options,
      .config = config,
      .callbacks = {.struct_size = sizeof options.callbacks, .apply = on_apply},
  };
  RAFT_Handle handle = 1;
  const int code = RAFT_NewRaftServerWith(&options, &handle);
  if ((code == RAFT_OK) == (handle == 0)) abort();
  if (code == RAFT_OK) last = handle;
  answer(code, code == RAFT_OK ? "" : RAFT_LastError());
}

static void start_legacy(const char* config) {
  void* const raft = RAFT_NewRaftServer(NULL, config);
  answer(raft == NULL ? 1 : 0, raft == NULL ? RAFT_LastError() : "handle");
}

static void tell_status(void) {
  static char status[STATUS_BYTES];
  const int code = RAFT_GetStatus(last, status, sizeof status);
  answer(code, code == RAFT_OK ? status : RAFT_LastError());
}

int main(int count, char** arguments) {
  static char config[CONFIG_BYTES_MAX];
  char line[LINE_BYTES];
  if (count == 2 && strcmp(arguments[1], "--unprivileged") == 0) give_up_privileges();
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    const char* const path = strchr(line, ' ');
    if (strcmp(line, "status") == 0) {
      tell_status();
      continue;
    }
    FILE* const file = path == NULL ? NULL : fopen(path + 1, "re");
    if (file == NULL) {
      answer(-1, "no such command or file");
      continue;
    }
    config[fread(config, 1, sizeof config - 1, file)] = '\0';
    fclose(file);
    if (strncmp(line, "with ", 5) == 0)
      start_with(config);
    else
      start_legacy(config);
  }
  return 0;
}
