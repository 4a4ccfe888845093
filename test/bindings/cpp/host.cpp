// One node of the bindings' scenarios in C++: commands by lines, as test/bindings/README.md says.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <polyraft.hpp>
#include <shared_mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using polyraft::Bytes;
using polyraft::Error;
using polyraft::Index;
using polyraft::Term;

constexpr const char* kCodeNames[] = {"OK",
                                      "UNKNOWN_HANDLE",
                                      "TIMEOUT",
                                      "BUFFER_TOO_SMALL",
                                      "INVALID_ARGUMENT",
                                      "TOO_LARGE",
                                      "STOPPED",
                                      "REMOVED",
                                      "BUSY",
                                      "WOULD_DEADLOCK",
                                      "CONFIG",
                                      "IN_USE",
                                      "ADDRESS",
                                      "IO",
                                      "CORRUPT",
                                      "IDENTITY",
                                      "RUNTIME",
                                      "FORKED",
                                      "NO_LEADER",
                                      "REJECTED",
                                      "UNKNOWN_OUTCOME",
                                      "ENGINE_DIED",
                                      "CHANGE_PENDING",
                                      "DUPLICATE_MEMBER",
                                      "UNKNOWN_MEMBER",
                                      "CALLBACK_FAILED",
                                      "NO_MEMORY",
                                      "INTERNAL",
                                      "UNSUPPORTED",
                                      "CONNECT",
                                      "READ",
                                      "URL",
                                      "NOT_LEADER",
                                      "LEADERSHIP_LOST",
                                      "RESOLVE"};
static_assert(sizeof kCodeNames / sizeof kCodeNames[0] == RAFT_ERR_RESOLVE + 1);

constexpr const char* kEventNames[] = {
    "",        "REMOVED",        "SERVER_FAILED",   "ENGINE_DIED",    "ENGINE_RESTARTED",
    "APPLIED", "LEADER_CHANGED", "MEMBERS_CHANGED", "SNAPSHOT_SAVED", "SNAPSHOT_FAILED"};
static_assert(sizeof kEventNames / sizeof kEventNames[0] == RAFT_EVENT_SNAPSHOT_FAILED + 1);

class Map : public polyraft::StateMachine {
 public:
  void apply(Index, Term, Bytes data) override {
    const std::string_view text = data.text();
    const std::size_t cut = text.find('=');
    const std::string key(text.substr(0, cut));
    if (key == "throw") throw std::runtime_error("the entry says so");
    const std::lock_guard<std::mutex> lock(mutex_);
    pairs_[key] = cut == std::string_view::npos ? "" : std::string(text.substr(cut + 1));
    applied_++;
  }
  std::string snapshot(Index) override {
    if (fail_snapshots) throw std::runtime_error("snapshots fail");
    return all('\n');
  }
  void restore(Index, Term, Bytes data) override {
    std::istringstream lines{std::string(data.text())};
    const std::lock_guard<std::mutex> lock(mutex_);
    pairs_.clear();
    for (std::string line; std::getline(lines, line);) {
      const std::size_t cut = line.find('=');
      pairs_[line.substr(0, cut)] = line.substr(cut + 1);
    }
    restored_++;
  }
  // Each pair with `after` behind it, in the order of the keys.
  std::string all(char after) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string text;
    for (const auto& [key, value] : pairs_) text += key + "=" + value + after;
    return text;
  }
  std::string get(const std::string& key) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = pairs_.find(key);
    return found == pairs_.end() ? "" : found->second;
  }
  std::string counts() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::to_string(applied_) + " " + std::to_string(restored_);
  }
  std::atomic<bool> fail_snapshots{false};

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string> pairs_;
  long applied_ = 0;
  long restored_ = 0;
};

class Host {
 public:
  // Runs a command; what it throws is the answer, too.
  std::string run(const std::string& command, std::istringstream& words) {
    if (command == "start") return start(words);
    if (command == "get") return state_.get(word(words));
    if (command == "dump") return state_.all(' ');
    if (command == "counts") return state_.counts();
    if (command == "events") return events();
    if (command == "fail_snapshots") {
      state_.fail_snapshots = true;
      return "";
    }
    if (command == "stop") {
      std::shared_ptr<polyraft::Server> ending;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        ending = std::move(server_);
      }
      if (ending != nullptr) ending->stop();
      return "";
    }
    const std::shared_ptr<polyraft::Server> server = running();
    if (command == "status") return server->status();
    if (command == "snapshot") return std::to_string(server->save_snapshot(number(words)));
    if (command == "read_barrier") return std::to_string(server->read_barrier(number(words)));
    if (command == "read_barrier_async") return read_barrier_async(*server, number(words));
    if (command == "propose" || command == "propose_async") {
      const std::string key = word(words);
      const std::string entry = key + "=" + word(words);
      const int timeout_ms = number(words);
      return command == "propose" ? told(server->propose_wait(entry, timeout_ms))
                                  : propose_async(*server, entry, timeout_ms);
    }
    throw Error(RAFT_ERR_INVALID_ARGUMENT, "no such command: " + command);
  }

 private:
  static std::string word(std::istringstream& words) {
    std::string next;
    words >> next;
    return next;
  }
  static int number(std::istringstream& words) { return std::stoi(word(words)); }
  static std::string told(const polyraft::Position& at) {
    return std::to_string(at.index) + " " + std::to_string(at.term);
  }

  std::string start(std::istringstream& words) {
    std::string config;
    std::getline(words >> std::ws, config);
    polyraft::Callbacks callbacks = state_.callbacks();
    callbacks.on_event = [this](int event, std::uint64_t, std::string_view) {
      const std::lock_guard<std::mutex> lock(mutex_);
      events_.emplace_back(kEventNames[event]);
    };
    auto made = std::make_shared<polyraft::Server>(config, callbacks);
    const std::lock_guard<std::mutex> lock(mutex_);
    server_ = std::move(made);
    return "";
  }
  std::shared_ptr<polyraft::Server> running() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (server_ == nullptr) throw Error(RAFT_ERR_STOPPED, "the server does not run");
    return server_;
  }
  std::string events() {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string all;
    for (const std::string& event : events_) all += event + " ";
    return all;
  }
  // The future, then this node's own applying.
  static std::string propose_async(polyraft::Server& server, const std::string& entry, int timeout_ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    std::future<polyraft::Position> outcome = server.propose(entry, timeout_ms);
    if (outcome.wait_until(end) != std::future_status::ready)
      throw Error(RAFT_ERR_TIMEOUT, "no outcome in time");
    const polyraft::Position at = outcome.get();
    while (server.applied_index() < at.index) {
      if (std::chrono::steady_clock::now() > end) throw Error(RAFT_ERR_TIMEOUT, "not applied in time");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return told(at);
  }

  static std::string read_barrier_async(polyraft::Server& server, int timeout_ms) {
    std::future<polyraft::Index> outcome = server.read_barrier_async(polyraft::Read::kSafe, timeout_ms);
    if (outcome.wait_for(std::chrono::milliseconds(timeout_ms)) != std::future_status::ready)
      throw Error(RAFT_ERR_TIMEOUT, "no outcome in time");
    return std::to_string(outcome.get());
  }

  Map state_;
  std::mutex mutex_;
  std::shared_ptr<polyraft::Server> server_;
  std::vector<std::string> events_;
};

std::mutex output;

void answer(const std::string& tag, std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  const std::lock_guard<std::mutex> lock(output);
  std::cout << tag << " " << text << std::endl;
}

void work(Host& host, const std::string& line) {
  std::istringstream words(line);
  std::string tag;
  std::string command;
  words >> tag >> command;
  try {
    answer(tag, "ok " + host.run(command, words));
  } catch (const Error& error) {
    answer(tag, std::string("error ") + kCodeNames[error.code()] + " " + error.what());
  } catch (const std::exception& error) {
    answer(tag, std::string("error INVALID_ARGUMENT ") + error.what());
  }
}

}  // namespace

int main() {
  Host host;
  std::vector<std::thread> threads;
  for (std::string line; std::getline(std::cin, line);)
    threads.emplace_back([&host, line] { work(host, line); });
  for (std::thread& thread : threads) thread.join();
  return 0;
}
