#include "runtime/node_locator.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

#include "polyraft_codes.h"
#include "runtime/child_process.h"

namespace polyraft::runtime {

namespace {

constexpr int kVersionTimeoutMs = 20000;
constexpr size_t kVersionBytesMax = 256;

bool is_executable(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0;
}

std::string find_in_path(const char* name) {
  const char* const from_environment = std::getenv("PATH");
  std::string directories = from_environment != nullptr ? from_environment : "/usr/local/bin:/usr/bin:/bin";
  size_t at = 0;
  while (at <= directories.size()) {
    size_t end = directories.find(':', at);
    if (end == std::string::npos) end = directories.size();
    const std::string directory = end == at ? "." : directories.substr(at, end - at);
    if (is_executable(directory + "/" + name)) return directory + "/" + name;
    at = end + 1;
  }
  return {};
}

// What `path --version` prints; empty with a text when it does not.
std::string ask_version(const std::string& path, std::string* error) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    *error = std::string("pipe: ") + std::strerror(errno);
    return {};
  }
  ChildStart start;
  start.path = path;
  start.arguments = {path, "--version"};
  start.environment = child_environment({});
  start.stdout_fd = ends[1];
  pid_t pid = -1;
  const int spawn_error = spawn_child(start, &pid);
  close(ends[1]);
  if (spawn_error != 0) {
    close(ends[0]);
    *error = path + ": " + std::strerror(spawn_error);
    return {};
  }
  std::string text;
  bool in_time = true;
  char buffer[kVersionBytesMax];
  while (text.size() < kVersionBytesMax) {
    pollfd readable = {ends[0], POLLIN, 0};
    const int ready = poll(&readable, 1, kVersionTimeoutMs);
    if (ready < 0 && errno == EINTR) continue;
    in_time = ready > 0;
    if (!in_time) break;
    const ssize_t count = read(ends[0], buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  close(ends[0]);
  if (!in_time) ::kill(pid, SIGKILL);
  // A host that reaps all children has taken it: then there is nothing to wait for.
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) *error = path + " --version did not answer";
  return in_time ? text : std::string();
}

int check_version(const std::string& path, std::string* error) {
  static std::mutex mutex;
  static std::set<std::string>* const good = new std::set<std::string>;
  const std::lock_guard<std::mutex> lock(mutex);
  if (good->count(path) != 0) return RAFT_OK;
  const std::string text = ask_version(path, error);
  if (text.empty() && !error->empty()) return RAFT_ERR_RUNTIME;
  int major = 0;
  int minor = 0;
  if (std::sscanf(text.c_str(), "v%d.%d", &major, &minor) != 2) {
    *error = path + " is not a node executable: --version does not tell a version";
    return RAFT_ERR_RUNTIME;
  }
  if (major < kNodeMajorMin || (major == kNodeMajorMin && minor < kNodeMinorMin)) {
    *error = path + " is node " + std::to_string(major) + "." + std::to_string(minor) + "; " +
             std::to_string(kNodeMajorMin) + "." + std::to_string(kNodeMinorMin) + " or newer is needed";
    return RAFT_ERR_RUNTIME;
  }
  good->insert(path);
  return RAFT_OK;
}

}  // namespace

int locate_node(const std::string& node_path, std::string* path, std::string* error) {
  const char* source = "node_path";
  *path = node_path;
  if (path->empty()) {
    const char* const from_environment = std::getenv("POLYRAFT_NODE");
    if (from_environment != nullptr) *path = from_environment;
    source = "environment variable POLYRAFT_NODE";
  }
  if (path->empty()) {
    *path = find_in_path("node");
    if (path->empty()) {
      *error =
          "there is no node in PATH; install it, or name it by node_path or the environment variable "
          "POLYRAFT_NODE";
      return RAFT_ERR_RUNTIME;
    }
  } else if (path->find('/') == std::string::npos) {
    const std::string found = find_in_path(path->c_str());
    if (!found.empty()) *path = found;
  }
  if (!is_executable(*path)) {
    *error = std::string(source) + ": " + *path + " cannot be executed";
    return RAFT_ERR_RUNTIME;
  }
  return check_version(*path, error);
}

std::vector<std::string> child_environment(const std::vector<std::string>& added) {
  // They would load code into the engine, or make it answer on the channel of a host that is itself a Node
  // child.
  static constexpr const char* kDropped[] = {"NODE_OPTIONS=",
                                             "NODE_CHANNEL_FD=",
                                             "NODE_CHANNEL_SERIALIZATION_MODE=",
                                             "NODE_UNIQUE_ID=",
                                             "NODE_REPL_",
                                             "NODE_V8_COVERAGE=",
                                             "POLYRAFT_REGION_",
                                             "POLYRAFT_DOORBELL_FD=",
                                             "POLYRAFT_LIFELINE_FD=",
                                             "POLYRAFT_ADDON="};
  std::vector<std::string> result;
  for (char** each = environ; each != nullptr && *each != nullptr; each++) {
    bool dropped = false;
    for (const char* const name : kDropped)
      dropped = dropped || std::strncmp(*each, name, std::strlen(name)) == 0;
    if (!dropped) result.emplace_back(*each);
  }
  result.insert(result.end(), added.begin(), added.end());
  return result;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& each : strings) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace polyraft::runtime
