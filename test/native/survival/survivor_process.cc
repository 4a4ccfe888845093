#include "survival/survivor_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace polyraft::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLongest{240};

// Stands in front of the engine's bundle: does a deed when the file `trigger` appears, once.
constexpr char kPrelude[] = R"js('use strict';
{
  const { readFileSync, unlinkSync, writeFileSync } = require('fs');
  if (process.env.POLYRAFT_REGION_FD !== undefined) writeFileSync(directory + '/engine.pid', String(process.pid));
  const kept = [];
  let told = false;
  process.on('heapNearlyFull', () => { told = true; });
  const grow = () => {
    for (let i = 0; i < 1000 && !told; i++) kept.push(new Array(100).fill(i));
    if (!told) setImmediate(grow);
  };
  const deeds = {
    throw() { throw new Error('thrown on purpose'); },
    reject() { Promise.reject(new Error('rejected on purpose')); },
    exit() { process.exit(7); },
    'fill-slowly': grow,
    'fill-at-once'() { for (;;) kept.push(new Array(100).fill(1)); },
  };
  setInterval(() => {
    let deed;
    try {
      deed = readFileSync(directory + '/trigger', 'utf8');
      unlinkSync(directory + '/trigger');
    } catch { return; }
    deeds[deed]();
  }, 5).unref();
}
)js";

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A node of the process runtime whose heap is small.
std::string write_small_node(const std::string& directory, int heap_mb) {
  const std::string path = directory + "/small-node";
  std::ofstream(path) << "#!/bin/sh\nexec \"${POLYRAFT_NODE:-node}\" --max-old-space-size="
                      << std::to_string(heap_mb) << " \"$@\"\n";
  chmod(path.c_str(), 0755);
  return path;
}

bool is_running(int pid) {
  // The state comes after the name, which ends with the last parenthesis.
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && stat[name_end + 2] != 'Z';
}

int engine_left_in(const std::string& directory) {
  const int pid = std::atoi(read_file(directory + "/engine.pid").c_str());
  if (pid == 0) return 0;
  const auto end = Clock::now() + std::chrono::seconds(5);
  while (is_running(pid)) {
    if (Clock::now() > end) return pid;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return 0;
}

}  // namespace

bool SurvivorResult::exited_with(int code) const {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

SurvivorResult run_survivor(const SurvivorStart& start) {
  const std::string program = std::string(POLYRAFT_PROGRAM_DIR) + "/survivor";
  char directory[] = "/tmp/polyraft-survival-XXXXXX";
  if (mkdtemp(directory) == nullptr) ADD_FAILURE() << "no directory for the host";
  const std::string bundle = std::string(directory) + "/engine.cjs";
  std::string prelude = kPrelude;
  for (size_t at = 0; (at = prelude.find("directory +")) != std::string::npos;)
    prelude.replace(at, sizeof "directory" - 1, "'" + std::string(directory) + "'");
  std::ofstream(bundle) << prelude << read_file(std::string(POLYRAFT_BUILD_DIR) + "/lib/polyraft/engine.cjs");

  std::vector<std::string> environment = start.environment;
  environment.push_back("POLYRAFT_RUNTIME=" + start.runtime);
  environment.push_back("POLYRAFT_ENGINE=" + bundle);
  if (start.child_heap_mb != 0)
    environment.push_back("SURVIVOR_NODE=" + write_small_node(directory, start.child_heap_mb));
  std::vector<std::string> arguments = {program};
  arguments.insert(arguments.end(), start.arguments.begin(), start.arguments.end());
  std::vector<char*> argument_pointers;
  for (std::string& each : arguments) argument_pointers.push_back(each.data());
  argument_pointers.push_back(nullptr);

  int output[2];
  if (pipe(output) != 0) ADD_FAILURE() << "no pipe";
  const auto begin = Clock::now();
  const pid_t child = fork();
  if (child == 0) {
    dup2(output[1], STDOUT_FILENO);
    dup2(output[1], STDERR_FILENO);
    close(output[0]);
    close(output[1]);
    if (chdir(directory) != 0) _exit(126);
    for (std::string& variable : environment) putenv(variable.data());
    execv(program.c_str(), argument_pointers.data());
    _exit(127);
  }
  close(output[1]);
  SurvivorResult result;
  char buffer[4096];
  for (;;) {
    pollfd watched = {output[0], POLLIN, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(begin + kLongest - Clock::now());
    if (left.count() <= 0 || poll(&watched, 1, static_cast<int>(left.count())) <= 0) {
      kill(child, SIGKILL);
      result.output += "\nkilled: it took too long\n";
      break;
    }
    const ssize_t count = read(output[0], buffer, sizeof buffer);
    if (count <= 0) break;
    result.output.append(buffer, count);
  }
  close(output[0]);
  waitpid(child, &result.status, 0);
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  result.engine_left = engine_left_in(directory);
  std::filesystem::remove_all(directory);
  return result;
}

}  // namespace polyraft::test
