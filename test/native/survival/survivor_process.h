// Runs the program `survivor`, a host with a real engine, in a process of its own and a fresh directory.
#ifndef POLYRAFT_TEST_SURVIVAL_SURVIVOR_PROCESS_H_
#define POLYRAFT_TEST_SURVIVAL_SURVIVOR_PROCESS_H_

#include <string>
#include <vector>

namespace polyraft::test {

struct SurvivorResult {
  // As waitpid gives it.
  int status = 0;
  // Standard output and standard error.
  std::string output;
  double seconds = 0;
  // Of the last engine in a child process that still runs a while after the host's end; 0 when there is none.
  int engine_left = 0;
  bool exited_with(int code) const;
};

struct SurvivorStart {
  std::string runtime;
  std::vector<std::string> arguments;
  // "NAME=value".
  std::vector<std::string> environment;
  // MiB of the heap of a node that runs as a child; 0: node's own choice.
  int child_heap_mb = 0;
};

SurvivorResult run_survivor(const SurvivorStart& start);

}  // namespace polyraft::test

#endif  // POLYRAFT_TEST_SURVIVAL_SURVIVOR_PROCESS_H_
