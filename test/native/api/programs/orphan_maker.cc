// Starts one server, prints its own process id and the engine's, and waits to be killed.
#include <dirent.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "polyraft.h"

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  RAFT_Options options{};
  options.struct_size = sizeof options;
  options.callbacks.struct_size = sizeof options.callbacks;
  options.config = argv[1];
  RAFT_Handle handle = 0;
  if (RAFT_NewRaftServerWith(&options, &handle) != RAFT_OK) return 1;
  int engine = 0;
  DIR* const threads = opendir("/proc/self/task");
  while (const dirent* const thread = threads != nullptr ? readdir(threads) : nullptr) {
    std::ifstream children(std::string("/proc/self/task/") + thread->d_name + "/children");
    int child = 0;
    while (children >> child) engine = child;
  }
  if (threads != nullptr) closedir(threads);
  std::printf("%d %d\n", static_cast<int>(getpid()), engine);
  std::fflush(stdout);
  pause();
  return 0;
}
