// Runs a script as the engine inside the program `host`, a process of its own: there is one engine in a
// process's life.
#ifndef POLYRAFT_TEST_EMBEDDED_HOST_PROCESS_H_
#define POLYRAFT_TEST_EMBEDDED_HOST_PROCESS_H_

#include <string>
#include <vector>

namespace polyraft::test {

struct HostResult {
  // As waitpid gives it.
  int status = 0;
  bool exited_with(int code) const;
  // Standard output and standard error.
  std::string output;
};

// `report(text)` in the script adds a line to what the host prints. Its working
// directory is fresh and holds a named pipe, `pipe`. `environment`: "NAME=value".
// `plugin` empty: that of this build tree.
HostResult run_host(const std::string& script, const std::string& mode,
                    const std::vector<std::string>& environment = {}, const std::string& plugin = {});

}  // namespace polyraft::test

#endif  // POLYRAFT_TEST_EMBEDDED_HOST_PROCESS_H_
