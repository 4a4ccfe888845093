#include "api/log.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>

namespace polyraft::log {

namespace {

struct Sink {
  std::mutex mutex;
  // -1: silent.
  int fd = STDERR_FILENO;
  bool owned = false;
};

// Never destroyed: threads of the library may log while the process exits.
Sink& sink() {
  static Sink* const only = new Sink;
  return *only;
}

std::atomic<int> current_level{RAFT_LOG_WARNING};
std::atomic<bool> current_debug{false};

const char* level_name(int level) {
  static const char* const names[] = {"CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG", "TRACE"};
  if (level < RAFT_LOG_CRITICAL) level = RAFT_LOG_CRITICAL;
  if (level > RAFT_LOG_TRACE) level = RAFT_LOG_TRACE;
  return names[level - RAFT_LOG_CRITICAL];
}

}  // namespace

bool set_sink(const char* path, bool debug, std::string* error) {
  int fd = -1;
  bool owned = false;
  if (path != nullptr && std::strcmp(path, "stdout") == 0) {
    fd = STDOUT_FILENO;
  } else if (path != nullptr && std::strcmp(path, "stderr") == 0) {
    fd = STDERR_FILENO;
  } else if (path != nullptr) {
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd < 0) {
      *error = std::string("log file ") + path + ": " + std::strerror(errno);
      return false;
    }
    owned = true;
  }
  Sink& to = sink();
  const std::lock_guard<std::mutex> lock(to.mutex);
  if (to.owned) close(to.fd);
  to.fd = fd;
  to.owned = owned;
  current_debug.store(debug);
  return true;
}

void set_level(int level) {
  current_level.store(level);
}

int level() {
  return current_level.load();
}

bool debug() {
  return current_debug.load();
}

void write(int level, std::string_view text, const char* source) noexcept {
  if (level > current_level.load(std::memory_order_relaxed)) return;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char head[160];
  const bool with_source = source != nullptr && current_debug.load(std::memory_order_relaxed);
  const char* file = source;
  if (with_source && std::strrchr(source, '/') != nullptr) file = std::strrchr(source, '/') + 1;
  int used = std::snprintf(head, sizeof head, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s polyraft[%d] %s%s",
                           parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                           parts.tm_sec, now.tv_nsec / 1000000, level_name(level), static_cast<int>(getpid()),
                           with_source ? file : "", with_source ? ": " : "");
  if (used < 0) return;
  if (used >= static_cast<int>(sizeof head)) used = sizeof head - 1;
  char newline = '\n';
  // One call a line, so that lines of several processes in one file stay whole.
  iovec parts_of_line[3] = {
      {head, static_cast<size_t>(used)}, {const_cast<char*>(text.data()), text.size()}, {&newline, 1}};
  Sink& to = sink();
  const std::lock_guard<std::mutex> lock(to.mutex);
  if (to.fd < 0) return;
  // A log that cannot be written must not stop a server.
  if (writev(to.fd, parts_of_line, 3) < 0) return;
}

}  // namespace polyraft::log
