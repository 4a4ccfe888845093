// One node in this process, with a state machine that counts and can be looked at.
#ifndef POLYRAFT_TEST_LIBRAFT_FIXTURE_H_
#define POLYRAFT_TEST_LIBRAFT_FIXTURE_H_

#include <gtest/gtest.h>
#include <raft_c_if.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "ports.h"

namespace libraft_test {

// The state: how many commands were applied, and a sum over their bytes in order.
struct Machine {
  std::atomic<uint64_t> count{0};
  std::atomic<uint64_t> sum{0};
  std::atomic<uint64_t> snapshots{0};
  std::atomic<uint64_t> restores{0};
  std::atomic<uint64_t> unclaimed{0};
  std::atomic<int> delay_ms{0};
  std::atomic<bool> fails_snapshots{false};
  // What happens before is seen through the engine's process only, which no sanitizer follows.
  std::mutex mutex;
  // Guarded by mutex.
  std::function<void()> in_apply;
  std::function<void(const char*, raft_snapshot_req)> in_begin_snapshot;
};

inline Machine& machine() {
  static auto* const only = new Machine;
  return *only;
}

inline void call_in_apply(std::function<void()> hook) {
  const std::lock_guard<std::mutex> lock(machine().mutex);
  machine().in_apply = std::move(hook);
}

inline std::function<void()> take_in_apply() {
  const std::lock_guard<std::mutex> lock(machine().mutex);
  return std::exchange(machine().in_apply, nullptr);
}

inline void* apply(uint64_t, uint64_t, RaftLogType type, char* cmd, size_t len) {
  EXPECT_EQ(type, RAFT_LOG_COMMAND);
  Machine& m = machine();
  if (m.delay_ms != 0) std::this_thread::sleep_for(std::chrono::milliseconds(m.delay_ms));
  const std::function<void()> hook = take_in_apply();
  if (hook) hook();
  uint64_t sum = m.sum;
  for (size_t at = 0; at < len; at++) sum = sum * 31 + static_cast<uint8_t>(cmd[at]);
  m.sum = sum;
  return new uint64_t(++m.count);
}

inline int write_state(raft_fsm_snapshot_handle handle, FILE* sink) {
  auto* const state = static_cast<uint64_t*>(handle);
  const bool fails = machine().fails_snapshots;
  const int written = std::fprintf(sink, "%llu %llu\n", static_cast<unsigned long long>(state[0]),
                                   static_cast<unsigned long long>(state[1]));
  delete[] state;
  machine().snapshots++;
  return written > 0 && !fails ? 0 : 1;
}

inline void begin_snapshot(const char* path, raft_snapshot_req request) {
  if (machine().in_begin_snapshot) {
    machine().in_begin_snapshot(path, request);
    return;
  }
  raft_fsm_take_snapshot(request, new uint64_t[2]{machine().count, machine().sum}, write_state);
}

inline int restore(const char* path) {
  FILE* const source = std::fopen(path, "r");
  if (source == nullptr) return 1;
  unsigned long long count = 0;
  unsigned long long sum = 0;
  const int scanned = std::fscanf(source, "%llu %llu", &count, &sum);
  std::fclose(source);
  if (scanned != 2) return 1;
  machine().count = count;
  machine().sum = sum;
  machine().restores++;
  return 0;
}

inline void drop_reply(void* reply) {
  machine().unclaimed++;
  delete static_cast<uint64_t*>(reply);
}

using native_test::free_port;

inline bool eventually(const std::function<bool()>& holds) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < limit) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return holds();
}

// A variable of the environment, until the end of the scope.
class ScopedEnvironment {
 public:
  ScopedEnvironment(const char* name, const char* value) : name_(name) {
    const char* const before = std::getenv(name);
    was_set_ = before != nullptr;
    if (was_set_) before_ = before;
    setenv(name, value, 1);
  }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;
  ~ScopedEnvironment() {
    if (was_set_) {
      setenv(name_, before_.c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }

 private:
  const char* const name_;
  bool was_set_ = false;
  std::string before_;
};

// False: there is no engine (and no pid that would mean other processes).
inline bool is_stopped(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(") ");
  return name_end != std::string::npos && text.compare(name_end + 2, 1, "T") == 0;
}

// A process that is told to stop does so a little later: this waits until it has.
inline bool signal_engine(int number) {
  const pid_t engine = raft_child_pid();
  if (engine <= 0 || kill(engine, number) != 0) return false;
  return number != SIGSTOP || eventually([&] { return is_stopped(engine); });
}

class Libraft : public ::testing::Test {
 protected:
  void SetUp() override {
    Machine& m = machine();
    m.count = m.sum = m.snapshots = m.restores = m.unclaimed = 0;
    m.delay_ms = 0;
    m.fails_snapshots = false;
    call_in_apply(nullptr);
    m.in_begin_snapshot = nullptr;
    setenv("POLYRAFT_ENGINE", POLYRAFT_BUILD_DIR "/lib/polyraft/engine.cjs", 1);
    raft_default_config(&config);
    config.listen_port = free_port();
    config.EnableSingleNode = true;
    config.HeartbeatTimeout = config.ElectionTimeout = 300'000'000;
    config.LeaderLeaseTimeout = 300'000'000;
    raft_fsm_on_unclaimed_reply(drop_reply);
  }

  void TearDown() override {
    raft_cleanup();
    if (!directory.empty()) std::filesystem::remove_all(directory);
  }

  // A directory of this test.
  void keep_on_disk() {
    char name[] = "/tmp/polyraft-libraft-test-XXXXXX";
    directory = mkdtemp(name);
    std::snprintf(config.base_dir, sizeof config.base_dir, "%s/data", directory.c_str());
  }

  void start() {
    const pid_t child = raft_init(&fsm, &config);
    ASSERT_GT(child, 0) << raft_init_error();
    ASSERT_EQ(child, raft_child_pid());
    ASSERT_TRUE(eventually(raft_is_leader));
  }

  static raft_future propose(const std::string& text, uint64_t timeout_ns = 0) {
    char* const buffer = alloc_raft_buffer(text.size());
    EXPECT_NE(buffer, nullptr);
    std::memcpy(buffer, text.data(), text.size());
    const raft_future future = raft_apply(buffer, text.size(), timeout_ns);
    free_raft_buffer(buffer);
    return future;
  }

  static RaftError finish(raft_future future) {
    const RaftError error = raft_future_wait(future);
    raft_future_dispose(future);
    return error;
  }

  // The reply of a command, 0 with a failure when it ended badly.
  static uint64_t reply_of(raft_future future) {
    void* reply = nullptr;
    EXPECT_EQ(raft_future_get_fsm_reply(future, &reply), RAFT_SUCCESS);
    raft_future_dispose(future);
    const auto* const value = static_cast<uint64_t*>(reply);
    const uint64_t copy = value != nullptr ? *value : 0;
    delete value;
    return copy;
  }

  static std::string stats() {
    const raft_future future = raft_stats();
    const char* text = nullptr;
    EXPECT_EQ(raft_future_get_stats(future, &text), RAFT_SUCCESS);
    const std::string copy = text != nullptr ? text : "";
    raft_future_dispose(future);
    return copy;
  }

  RaftConfig config{};
  RaftFSM fsm{apply, begin_snapshot, restore};
  std::string directory;
};

}  // namespace libraft_test

#endif  // POLYRAFT_TEST_LIBRAFT_FIXTURE_H_
