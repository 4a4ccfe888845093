#include "embedded/host_process.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace polyraft::test {
namespace {

constexpr char kPrelude[] = R"js(
const binding = require('./polyraft.node');
const region = new Uint8Array(binding.region());
const words = new Int32Array(binding.region());
const report = (text) => {
  const length = words[0];
  const line = Buffer.from(text + '\n');
  binding.copyToRegion(4 + length, line, 0, line.length);
  Atomics.store(words, 0, length + line.length);
  binding.wakeHost(0);
};
)js";

}  // namespace

bool HostResult::exited_with(int code) const {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

HostResult run_host(const std::string& script, const std::string& mode,
                    const std::vector<std::string>& environment, const std::string& chosen_plugin) {
  const std::string built_plugin = std::string(POLYRAFT_BUILD_DIR) + "/lib/polyraft/libpolyraft-node.so";
  const std::string& plugin = chosen_plugin.empty() ? built_plugin : chosen_plugin;
  const std::string host = std::string(POLYRAFT_PROGRAM_DIR) + "/host";
  char directory[] = "/tmp/polyraft-embedded-XXXXXX";
  if (mkdtemp(directory) == nullptr) ADD_FAILURE() << "no directory for the script";
  const std::string script_path = std::string(directory) + "/engine.cjs";
  mkfifo((std::string(directory) + "/pipe").c_str(), 0600);
  std::ofstream(script_path) << kPrelude << script;

  int output[2];
  if (pipe(output) != 0) ADD_FAILURE() << "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    dup2(output[1], STDOUT_FILENO);
    dup2(output[1], STDERR_FILENO);
    close(output[0]);
    close(output[1]);
    if (chdir(directory) != 0) _exit(126);
    for (const std::string& variable : environment) putenv(const_cast<char*>(variable.c_str()));
    execl(host.c_str(), host.c_str(), plugin.c_str(), script_path.c_str(), mode.c_str(), nullptr);
    _exit(127);
  }
  close(output[1]);
  HostResult result;
  char buffer[4096];
  for (ssize_t count = 0; (count = read(output[0], buffer, sizeof buffer)) > 0;)
    result.output.append(buffer, count);
  close(output[0]);
  waitpid(child, &result.status, 0);
  std::filesystem::remove_all(directory);
  return result;
}

}  // namespace polyraft::test
