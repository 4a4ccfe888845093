// Servers on the real engine for tests of polyraft.hpp: directories, ports, configurations, a word list.
#ifndef POLYRAFT_TEST_CPP_TEST_HOST_H_
#define POLYRAFT_TEST_CPP_TEST_HOST_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <polyraft.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ports.h"

namespace polyraft::test {

inline constexpr int kWaitMs = 30000;

inline bool eventually(const std::function<bool()>& holds, int timeout_ms = kWaitMs) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// What a cluster refuses because its leader changes just then is asked again, as a client would.
template <typename Ask>
auto asked(const Ask& ask) {
  auto result = ask();
  eventually([&] {
    if (result || (result.code() != RAFT_ERR_REJECTED && result.code() != RAFT_ERR_NO_LEADER &&
                   result.code() != RAFT_ERR_NOT_LEADER))
      return true;
    result = ask();
    return static_cast<bool>(result);
  });
  return result;
}

inline std::vector<int> free_ports(size_t count) {
  std::set<int> ports;
  while (ports.size() < count) ports.insert(native_test::free_port());
  return {ports.begin(), ports.end()};
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "polyraft-cpp-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Keeps every entry; a snapshot is all of them, a line each.
class Lines : public StateMachine {
 public:
  void apply(Index, Term, Bytes data) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    lines_.emplace_back(data.text());
  }
  std::string snapshot(Index) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string all;
    for (const std::string& line : lines_) all += line + "\n";
    return all;
  }
  void restore(Index, Term, Bytes data) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    lines_.clear();
    restores_++;
    std::string_view rest = data.text();
    while (!rest.empty()) {
      const size_t end = rest.find('\n');
      lines_.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end + 1);
    }
  }
  std::vector<std::string> lines() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return lines_;
  }
  int restores() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return restores_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  int restores_ = 0;
};

// Configurations of a cluster in one directory; the parameter of the tests is the runtime.
class OnEngine : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { RAFT_SetLogLevel(RAFT_LOG_CRITICAL); }

  // Node `id`, with the members `ids` configured.
  std::string config(int id, const std::vector<int>& ids, const std::string& more = "") {
    std::string peers;
    for (const int each : ids) {
      peers += (peers.empty() ? "" : ",") + std::string("{\"id\":") + std::to_string(each) + ",\"url\":\"" +
               url(each) + "\"}";
    }
    const std::string base = directory_.path() + "/" + std::to_string(id);
    return "{\"id\":" + std::to_string(id) + ",\"waldir\":\"" + base + "-wal\",\"snapdir\":\"" + base +
           "-snap\",\"tickms\":50,\"runtime\":\"" + GetParam() + "\",\"peers\":[" + peers + "]" + more + "}";
  }
  std::string url(int id) { return "http://127.0.0.1:" + std::to_string(ports_.at(static_cast<size_t>(id))); }

  TemporaryDirectory directory_;
  std::vector<int> ports_ = free_ports(8);
};

}  // namespace polyraft::test

#endif  // POLYRAFT_TEST_CPP_TEST_HOST_H_
