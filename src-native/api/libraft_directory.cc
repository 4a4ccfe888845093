#include "api/libraft_directory.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "api/log.h"

namespace polyraft::libraft {

namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "polyraft-inmem-";
// A log between two snapshots, and its files that are kept, with room to spare.
constexpr uint64_t kMemoryBytesMin = uint64_t{1} << 30;

bool has_room(const char* directory) {
  struct statvfs facts {};
  return access(directory, W_OK) == 0 && statvfs(directory, &facts) == 0 &&
         uint64_t{facts.f_bavail} * facts.f_frsize >= kMemoryBytesMin;
}

// Directories of this user whose program, named in them, runs no more.
void remove_left_behind(const fs::path& parent) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (name.compare(0, sizeof kPrefix - 1, kPrefix) != 0) continue;
    struct stat facts {};
    if (lstat(entry.path().c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode) || facts.st_uid != geteuid())
      continue;
    const long pid = std::strtol(name.c_str() + sizeof kPrefix - 1, nullptr, 10);
    if (pid > 0 && kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) remove_directory(entry.path());
  }
}

}  // namespace

std::string make_directory(const std::string& path, std::string* error) {
  std::error_code failure;
  fs::create_directories(path, failure);
  const fs::path absolute = failure ? fs::path() : fs::canonical(path, failure);
  if (!failure) fs::remove_all(absolute / "host", failure);
  if (!failure) fs::create_directory(absolute / "host", failure);
  if (failure) {
    *error = "base_dir " + path + ": " + failure.message();
    return {};
  }
  return absolute.string();
}

std::string make_temporary_directory(std::string* error) {
  std::string parent = "/dev/shm";
  if (!has_room(parent.c_str())) {
    std::error_code failure;
    parent = fs::temp_directory_path(failure).string();
    if (failure) parent = "/tmp";
    POLYRAFT_LOG(RAFT_LOG_NOTICE,
                 "less than 1 GiB is free in /dev/shm: what is kept in memory is in " + parent);
  }
  remove_left_behind(parent);
  std::string path = parent + "/" + kPrefix + std::to_string(getpid()) + "-XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    *error = "no temporary directory in " + parent + ": " + std::generic_category().message(errno);
    return {};
  }
  return make_directory(path, error);
}

void remove_directory(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
}

}  // namespace polyraft::libraft
