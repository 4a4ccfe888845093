// A host program's side: servers on the fake engine (programs/fake_engine.cc), through the C interface only.
#ifndef POLYRAFT_TEST_API_HARNESS_H_
#define POLYRAFT_TEST_API_HARNESS_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "polyraft.h"

namespace polyraft::test {

inline constexpr int kWaitMs = 20000;

// The room's programs lie beside this one, unless the environment tells another place.
inline std::string program(const std::string& name) {
  const char* const directory = std::getenv("POLYRAFT_PROGRAM_DIR");
  if (directory != nullptr) return std::string(directory) + "/" + name;
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self);
  const std::string path(self, length > 0 ? static_cast<size_t>(length) : 0);
  return path.substr(0, path.rfind('/')) + "/" + name;
}

inline bool eventually(const std::function<bool()>& holds, int timeout_ms = kWaitMs) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// JSON of a server on the fake engine; `more` are further members, each with a comma in front.
inline std::string config(const std::string& more = "") {
  // The fake needs no bundle, but the library looks whether there is one.
  setenv("POLYRAFT_ENGINE", program("fake_engine").c_str(), 1);
  return R"({"id":1,"runtime":"process","node_path":")" + program("fake_engine") + "\"" + more + "}";
}

class TemporaryFile {
 public:
  TemporaryFile() {
    char path[] = "/tmp/polyraft-test-XXXXXX";
    const int fd = mkstemp(path);
    if (fd >= 0) close(fd);
    path_ = path;
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Seen {
  int code;
  uint64_t index;
  uint64_t term;
};

// A gate that callbacks wait at.
class Gate {
 public:
  void open() { open_ = true; }
  void close() { open_ = false; }
  void pass() {
    waiting_++;
    while (!open_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    waiting_--;
  }
  int waiting() const { return waiting_; }

 private:
  std::atomic<bool> open_{false};
  std::atomic<int> waiting_{0};
};

// One server, what its callbacks saw, and hooks that run inside them.
class Host {
 public:
  explicit Host(const std::string& json, uint64_t applied_index = 0) {
    RAFT_Options options{};
    options.struct_size = sizeof options;
    options.config = json.c_str();
    options.context = this;
    options.applied_index = applied_index;
    RAFT_Callbacks& callbacks = options.callbacks;
    callbacks.struct_size = sizeof callbacks;
    callbacks.apply = [](void* context, uint64_t index, uint64_t, const void* data, uint64_t size) {
      return self(context).on_apply_called(index, std::string(static_cast<const char*>(data), size));
    };
    callbacks.restore = [](void* context, uint64_t index, uint64_t, const void* data, uint64_t size) {
      Host& own = self(context);
      const std::lock_guard<std::mutex> lock(own.mutex);
      own.restored.emplace_back(index, std::string(static_cast<const char*>(data), size));
      return own.restore_result;
    };
    callbacks.take_snapshot = [](void* context, uint64_t index, void** data, uint64_t* size) {
      Host& own = self(context);
      own.snapshot_index = index;
      if (own.snapshot_result != 0) return own.snapshot_result.load();
      *size = own.snapshot_bytes;
      *data = own.snapshot_bytes != 0 ? std::malloc(*size) : nullptr;
      if (*data != nullptr) std::memset(*data, 's', *size);
      return 0;
    };
    callbacks.free_memory = [](void* context, void* data) {
      self(context).frees++;
      std::free(data);
    };
    callbacks.state_change = [](void* context, int state) {
      Host& own = self(context);
      {
        const std::lock_guard<std::mutex> lock(own.mutex);
        own.states.push_back(state);
      }
      if (own.on_state) own.on_state(state);
    };
    callbacks.message = [](void* context, const void* data, uint64_t size, void** answer,
                           uint64_t* answer_size) {
      Host& own = self(context);
      const std::string text = "re: " + std::string(static_cast<const char*>(data), size);
      *answer = std::malloc(text.size());
      std::memcpy(*answer, text.data(), text.size());
      *answer_size = text.size();
      return own.message_result.load();
    };
    callbacks.event = [](void* context, int event, uint64_t value, const char* text) {
      Host& own = self(context);
      {
        const std::lock_guard<std::mutex> lock(own.mutex);
        own.events.push_back({event, value, text});
      }
      if (own.on_event) own.on_event(event);
    };
    start_code = RAFT_NewRaftServerWith(&options, &handle);
    start_error = start_code == RAFT_OK ? "" : RAFT_LastError();
  }
  ~Host() {
    if (handle != 0) RAFT_StopServer(handle);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // What this thread has written is seen by callbacks that come later. The engine's process gives that order,
  // too, but ThreadSanitizer cannot see it there.
  void publish() { const std::lock_guard<std::mutex> lock(mutex); }

  // From now on, apply waits at the gate.
  void apply_at(Gate& gate) {
    on_apply = [&gate](uint64_t, const std::string&) {
      gate.pass();
      return 0;
    };
  }

  int propose(const std::string& data, int timeout_ms = kWaitMs) {
    publish();
    return RAFT_ProposeWait(handle, data.data(), data.size(), timeout_ms, nullptr, nullptr);
  }
  // Without waiting for the outcome.
  int tell(const std::string& data) {
    publish();
    return RAFT_ProposeAsync(handle, data.data(), data.size(), kWaitMs, nullptr, nullptr);
  }

  std::string status() {
    publish();
    std::vector<char> buffer(1 << 16);
    return RAFT_GetStatus(handle, buffer.data(), buffer.size()) == RAFT_OK ? buffer.data() : RAFT_LastError();
  }
  std::vector<std::pair<uint64_t, std::string>> applied_entries() {
    const std::lock_guard<std::mutex> lock(mutex);
    return applied;
  }
  size_t applied_count() {
    const std::lock_guard<std::mutex> lock(mutex);
    return applied.size();
  }
  bool has_event(int event) {
    const std::lock_guard<std::mutex> lock(mutex);
    for (const Event& each : events) {
      if (each.event == event) return true;
    }
    return false;
  }

  struct Event {
    int event;
    uint64_t value;
    std::string text;
  };

  RAFT_Handle handle = 0;
  int start_code = 0;
  std::string start_error;

  // Hooks; set before the callback can come.
  std::function<int(uint64_t index, const std::string& data)> on_apply;
  std::function<void(int)> on_state;
  std::function<void(int)> on_event;
  std::atomic<int> snapshot_result{0};
  std::atomic<int> message_result{0};
  std::atomic<uint64_t> snapshot_bytes{10};
  std::atomic<uint64_t> snapshot_index{0};
  std::atomic<int> frees{0};
  int restore_result = 0;

  std::mutex mutex;
  std::vector<std::pair<uint64_t, std::string>> applied;
  std::vector<std::pair<uint64_t, std::string>> restored;
  std::vector<int> states;
  std::vector<Event> events;

 private:
  static Host& self(void* context) {
    Host& own = *static_cast<Host*>(context);
    own.publish();
    return own;
  }

  int on_apply_called(uint64_t index, std::string data) {
    const int code = on_apply ? on_apply(index, data) : 0;
    if (code != 0) return code;
    const std::lock_guard<std::mutex> lock(mutex);
    applied.emplace_back(index, std::move(data));
    return 0;
  }
};

// Counts outcomes of one proposal each.
class Outcomes {
 public:
  static void on_completion(void* user, int code, uint64_t, uint64_t) {
    auto* const one = static_cast<One*>(user);
    one->code = code;
    one->calls++;
    one->all->total++;
  }
  void* next() {
    ones_.push_back(std::make_unique<One>());
    ones_.back()->all = this;
    return ones_.back().get();
  }
  size_t size() const { return ones_.size(); }
  int calls(size_t each) const { return ones_[each]->calls; }
  int code(size_t each) const { return ones_[each]->code; }
  std::atomic<uint64_t> total{0};

 private:
  struct One {
    Outcomes* all = nullptr;
    std::atomic<int> calls{0};
    std::atomic<int> code{-1};
  };
  std::vector<std::unique_ptr<One>> ones_;
};

}  // namespace polyraft::test

#endif  // POLYRAFT_TEST_API_HARNESS_H_
