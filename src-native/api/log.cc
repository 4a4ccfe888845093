#include "api/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <mutex>

#include "api/log_callback.h"
#include "api/log_line.h"

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

std::atomic<int> current_format{RAFT_LOG_TEXT};

CallbackSink& callback_sink() {
  static std::atomic<CallbackSink*> current{new CallbackSink};
  CallbackSink* found = current.load();
  if (!found->is_of_parent()) return *found;
  auto* const fresh = new CallbackSink;
  if (current.compare_exchange_strong(found, fresh)) return *fresh;
  delete fresh;
  return *found;
}

void put(Line line) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  line.time_ns = static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
  if (callback_sink().push(line)) return;
  const bool as_json = current_format.load(std::memory_order_relaxed) == RAFT_LOG_JSON;
  const std::string text = as_json ? json_of(line, getpid()) : text_of(line, getpid());
  Sink& to = sink();
  const std::lock_guard<std::mutex> lock(to.mutex);
  if (to.fd < 0) return;
  // One call a line, so that lines of several processes in one file stay whole; a log that cannot be written
  // must not stop a server.
  if (::write(to.fd, text.data(), text.size()) < 0) return;
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

bool set_callback(RAFT_LogCallback callback, void* context) {
  return callback_sink().set(callback, context);
}

void set_format(int format) {
  current_format.store(format);
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
  Line line;
  line.level = level;
  line.source = "host";
  if (source != nullptr && debug()) {
    const char* const slash = std::strrchr(source, '/');
    line.position = slash != nullptr ? slash + 1 : source;
  }
  line.message = text;
  try {
    put(line);
  } catch (...) {
    // Without memory there is no line.
  }
}

void write_of_engine(int level, std::string_view source, uint64_t cluster_id, uint64_t node_id,
                     std::string_view text) noexcept {
  if (level > current_level.load(std::memory_order_relaxed)) return;
  Line line;
  line.level = level;
  const size_t blank = source.find(' ');
  line.source = source.substr(0, blank);
  if (blank != std::string_view::npos) line.position = source.substr(blank + 1);
  line.cluster_id = cluster_id;
  line.node_id = node_id;
  line.message = text;
  try {
    put(line);
  } catch (...) {
  }
}

}  // namespace polyraft::log
