// A host program's side for the survival tests: one server on a real engine, whose state machine is a list of
// texts.
#ifndef POLYRAFT_TEST_SURVIVAL_SURVIVOR_HOST_H_
#define POLYRAFT_TEST_SURVIVAL_SURVIVOR_HOST_H_

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../../ports.h"
#include "polyraft.h"

namespace survivor {

constexpr int kWaitMs = 20000;

#define SURVIVOR_STRING(x) #x
#define SURVIVOR_LINE(x) SURVIVOR_STRING(x)
#define REQUIRE(condition) \
  survivor::require((condition), "line " SURVIVOR_LINE(__LINE__) ": not so: " #condition, __FILE__)

// The program's end when something is not as it has to be.
inline void require(bool holds, const char* what, const char* file) {
  if (holds) return;
  std::printf("%s, %s (last error: %s)\n", file, what, RAFT_LastError());
  std::fflush(stdout);
  _exit(1);
}

inline bool eventually(const std::function<bool()>& holds, int timeout_ms = kWaitMs) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

inline bool is_embedded() {
  const char* const runtime = std::getenv("POLYRAFT_RUNTIME");
  return runtime != nullptr && std::strcmp(runtime, "embedded") == 0;
}

using native_test::free_port;

// A cluster of one in the working directory.
inline std::string config_with(int port, const std::string& directory = "data") {
  std::string text = R"({"id":1,"cluster_id":7,"tickms":20,"waldir":")" + directory + R"(-wal","snapdir":")" +
                     directory + R"(-snap","peers":[{"id":1,"url":"http://127.0.0.1:)" +
                     std::to_string(port) + "\"}]";
  const char* const node = std::getenv("SURVIVOR_NODE");
  if (node != nullptr) text += std::string(R"(,"node_path":")") + node + "\"";
  return text + "}";
}

class Host {
 public:
  struct Event {
    int event;
    uint64_t value;
    std::string text;
  };

  int start(const std::string& config) {
    RAFT_Options options{};
    options.struct_size = sizeof options;
    options.config = config.c_str();
    options.context = this;
    options.callbacks.struct_size = sizeof options.callbacks;
    options.callbacks.apply = [](void* context, uint64_t, uint64_t, const void* data, uint64_t size) {
      auto* const own = static_cast<Host*>(context);
      const std::lock_guard<std::mutex> lock(own->mutex_);
      own->applied_.emplace_back(static_cast<const char*>(data), size);
      return 0;
    };
    options.callbacks.event = [](void* context, int event, uint64_t value, const char* text) {
      auto* const own = static_cast<Host*>(context);
      const std::lock_guard<std::mutex> lock(own->mutex_);
      own->events_.push_back({event, value, text});
    };
    return RAFT_NewRaftServerWith(&options, &handle);
  }

  // Proposes `count` more, one after the other; each is in the state once, in order, when this returns.
  void go_on(int count) {
    for (int i = 0; i < count; i++) {
      const std::string text = "main " + std::to_string(next_++);
      REQUIRE(RAFT_ProposeWait(handle, text.data(), text.size(), kWaitMs, nullptr, nullptr) == RAFT_OK);
    }
    expect_state();
  }

  // What the state holds of go_on's is all of it, once each, in order.
  void expect_state() {
    int expected = 0;
    for (const std::string& text : applied()) {
      if (text.rfind("main ", 0) == 0) REQUIRE(text == "main " + std::to_string(expected++));
    }
    REQUIRE(expected == next_);
  }

  std::vector<std::string> applied() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return applied_;
  }

  int count_events(int event, const std::string& in_text = "") {
    const std::lock_guard<std::mutex> lock(mutex_);
    int count = 0;
    for (const Event& each : events_) {
      if (each.event == event && each.text.find(in_text) != std::string::npos) count++;
    }
    return count;
  }

  void print_events() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Event& each : events_) {
      std::printf("event %d, %llu, %s\n", each.event, static_cast<unsigned long long>(each.value),
                  each.text.c_str());
    }
  }

  RAFT_Handle handle = 0;

 private:
  std::mutex mutex_;
  std::vector<std::string> applied_;
  std::vector<Event> events_;
  int next_ = 0;
};

// A thread that proposes without pause, and keeps what becomes of each.
class Load {
 public:
  explicit Load(Host& host) : host_(host), thread_([this] { run(); }) {}
  ~Load() { stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }

  uint64_t committed() { return committed_; }

  // Each accepted proposal has one outcome, and those that were committed are in the state, once.
  void expect_outcomes() {
    stop();
    REQUIRE(eventually([this] { return completed_ == sent_.size(); }));
    std::map<std::string, int> times;
    const auto count = [this, &times] {
      times.clear();
      for (const std::string& text : host_.applied()) times[text]++;
      for (const auto& each : sent_) {
        if (each->code == RAFT_OK && times[each->text] == 0) return false;
      }
      return true;
    };
    REQUIRE(eventually(count));
    for (const auto& each : sent_) {
      REQUIRE(each->completions == 1);
      REQUIRE(times[each->text] <= 1);
    }
  }

 private:
  struct Sent {
    Load* load;
    std::string text;
    std::atomic<int> completions{0};
    std::atomic<int> code{-1};
  };

  void run() {
    while (!stopping_) {
      auto sent = std::make_unique<Sent>();
      sent->load = this;
      sent->text = "load " + std::to_string(sent_.size());
      const int code =
          RAFT_ProposeAsync(host_.handle, sent->text.data(), sent->text.size(), 1000, completed, sent.get());
      if (code == RAFT_OK) sent_.push_back(std::move(sent));
      if (code != RAFT_OK || sent_.size() % 16 == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  static void completed(void* user, int code, uint64_t, uint64_t) {
    auto* const sent = static_cast<Sent*>(user);
    sent->code = code;
    sent->completions++;
    if (code == RAFT_OK) sent->load->committed_++;
    sent->load->completed_++;
  }

  Host& host_;
  std::vector<std::unique_ptr<Sent>> sent_;
  std::atomic<uint64_t> committed_{0};
  std::atomic<size_t> completed_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// The engine's wrapper (survivor_process.cc) does this deed in the engine's own thread.
inline void make_engine(const std::string& deed) {
  FILE* const file = std::fopen("trigger.new", "w");
  REQUIRE(file != nullptr);
  std::fputs(deed.c_str(), file);
  std::fclose(file);
  REQUIRE(std::rename("trigger.new", "trigger") == 0);
}

}  // namespace survivor

#endif  // POLYRAFT_TEST_SURVIVAL_SURVIVOR_HOST_H_
