// Starts one server, prints "code text", and stops it. With CHECK_PROCESS it looks whether the library has
// changed what belongs to the host: signals, limits, standard streams, locale.
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "polyraft.h"

namespace {

std::string describe_process() {
  std::string text;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal < NSIG; signal++) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0) continue;
    text += std::to_string(reinterpret_cast<uintptr_t>(action.sa_handler)) +
            (sigismember(&mask, signal) ? "b" : ".");
  }
  for (const int limit : {RLIMIT_NOFILE, RLIMIT_STACK, RLIMIT_AS, RLIMIT_CORE}) {
    rlimit value{};
    getrlimit(static_cast<__rlimit_resource>(limit), &value);
    text += " " + std::to_string(value.rlim_cur) + "/" + std::to_string(value.rlim_max);
  }
  for (const int fd : {0, 1, 2}) {
    struct stat info {};
    fstat(fd, &info);
    text += " " + std::to_string(info.st_ino) + ":" + std::to_string(fcntl(fd, F_GETFL));
  }
  char directory[4096] = "";
  if (getcwd(directory, sizeof directory) == nullptr) return text;
  return text + setlocale(LC_ALL, nullptr) + directory;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string before = describe_process();
  RAFT_Options options{};
  options.struct_size = sizeof options;
  options.callbacks.struct_size = sizeof options.callbacks;
  options.config = argv[1];
  RAFT_Handle handle = 0;
  const int code = RAFT_NewRaftServerWith(&options, &handle);
  std::string text = code == RAFT_OK ? "started" : RAFT_LastError();
  if (std::getenv("CHECK_PROCESS") != nullptr) {
    if (RAFT_ProposeWait(handle, "x", 1, 5000, nullptr, nullptr) != RAFT_OK) text = RAFT_LastError();
    text += before == describe_process() ? " untouched" : " changed: " + before + " / " + describe_process();
  }
  if (code == RAFT_OK) RAFT_StopServer(handle);
  std::printf("%d %s\n", code, text.c_str());
  return 0;
}
