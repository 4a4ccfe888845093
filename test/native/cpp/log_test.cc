// The log on the real engine, in both runtimes: to a callback, and as JSON to a file.
#include <easyraft.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cpp/test_host.h"

namespace polyraft::test {
namespace {

struct Seen {
  int level;
  uint64_t cluster_id;
  uint64_t node_id;
  std::string source;
  std::string position;
  std::string message;
};

class CppLog : public OnEngine {
 protected:
  void TearDown() override {
    Log::callback(nullptr);
    Log::to("stderr");
    Log::format(RAFT_LOG_TEXT);
    Log::level(RAFT_LOG_WARNING);
  }

  void add(const LogRecord& record) {
    EXPECT_GT(record.time_ns, 1700000000000000000U);
    const std::lock_guard<std::mutex> lock(mutex_);
    seen_.push_back({record.level, record.cluster_id, record.node_id, std::string(record.source),
                     std::string(record.position), std::string(record.message)});
  }
  std::vector<Seen> seen() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return seen_;
  }
  bool has_seen(const std::string& source, const std::string& part) {
    for (const Seen& each : seen()) {
      if (each.source == source && each.message.find(part) != std::string::npos) return true;
    }
    return false;
  }

 private:
  std::mutex mutex_;
  std::vector<Seen> seen_;
};

TEST_P(CppLog, ACallbackGetsWhoseLineItIs) {
  Log::level(RAFT_LOG_DEBUG);
  Log::to("stderr", true);
  Log::callback([this](const LogRecord& record) { add(record); });
  {
    Lines state;
    Server server(config(1, {1}, ",\"cluster_id\":18446744073709551615"), state);
    server.propose_wait("x", kWaitMs);
    server.save_snapshot(kWaitMs);
  }
  EXPECT_EQ(Server::start("{}", Callbacks()).code(), RAFT_ERR_CONFIG);
  Log::callback(nullptr);
  EXPECT_TRUE(has_seen("raft", "is the leader at term"));
  EXPECT_TRUE(has_seen("server", "snapshot at index"));
  for (const Seen& each : seen()) {
    if (each.source == "raft" || each.source == "server") {
      EXPECT_EQ(each.cluster_id, UINT64_MAX);
      EXPECT_EQ(each.node_id, 1U);
      EXPECT_NE(each.position.find(':'), std::string::npos);
    }
  }
  const size_t count = seen().size();
  {
    Lines state;
    Log::level(RAFT_LOG_CRITICAL);
    Server server(config(2, {2}), state);
  }
  EXPECT_EQ(seen().size(), count);
}

TEST_P(CppLog, ACallbackMayBlockAndCallEverything) {
  std::atomic<bool> open{false};
  std::atomic<int> waiting{0};
  std::atomic<Server*> own{nullptr};
  std::atomic<int> done{0};
  Log::level(RAFT_LOG_INFO);
  Log::callback([&](const LogRecord&) {
    waiting++;
    while (!open) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    Server* const server = own.exchange(nullptr);
    if (server == nullptr) return;
    EXPECT_GT(server->propose_wait("of the callback", kWaitMs).index, 0U);
    EXPECT_GT(server->read_barrier(kWaitMs), 0U);
    EXPECT_NE(server->status().find("leader"), std::string::npos);
    Log::level(RAFT_LOG_DEBUG);
    Log::format(RAFT_LOG_JSON);
    Log::to(nullptr);
    server->stop();
    Log::callback(nullptr);
    done++;
  });
  Lines state;
  Server server(config(1, {1}), state);
  ASSERT_TRUE(eventually([&] { return waiting > 0; }));
  for (int i = 0; i < 100; i++) server.propose_wait("while it blocks", kWaitMs);
  server.save_snapshot(kWaitMs);
  EXPECT_EQ(waiting, 1);
  own = &server;
  open = true;
  ASSERT_TRUE(eventually([&] { return done == 1; }));
  EXPECT_EQ(state.lines().size(), 101U);
}

TEST_P(CppLog, JsonHasOneObjectALine) {
  const std::string path = directory_.path() + "/log.json";
  Log::format(RAFT_LOG_JSON);
  Log::level(RAFT_LOG_DEBUG);
  Log::to(path.c_str());
  {
    Lines state;
    Server server(config(1, {1}, ",\"cluster_id\":9,\"an \\u001b[31m \\\"odd\\\" key\":1"), state);
    server.propose_wait("x", kWaitMs);
  }
  Log::to(nullptr);
  std::ifstream file(path);
  std::string line;
  std::set<std::string> sources;
  bool is_odd = false;
  while (std::getline(file, line)) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    ASSERT_FALSE(json.is_discarded()) << line;
    std::set<std::string> keys;
    for (const auto& [key, value] : json.items()) keys.insert(key);
    EXPECT_EQ(keys, (std::set<std::string>{"cluster", "level", "message", "node", "pid", "source", "time"}));
    EXPECT_EQ(json["time"].get<std::string>().size(), std::string("2026-02-02T02:40:00.123456789Z").size());
    sources.insert(json["source"]);
    if (json["node"].is_null()) continue;
    EXPECT_EQ(json["node"], "1");
    EXPECT_EQ(json["cluster"], "9");
    is_odd |= json["message"].get<std::string>().find("\\x1b[31m \"odd\"") != std::string::npos;
  }
  EXPECT_TRUE(sources.count("raft") == 1 && sources.count("server") == 1);
  EXPECT_TRUE(is_odd);
}

// Whatever is done with them: at the finest level no line holds what is proposed.
TEST_P(CppLog, NoLineHoldsAPayload) {
  const std::string mark = "marked-payload-7f3a";
  const std::string path = directory_.path() + "/log";
  Log::level(RAFT_LOG_TRACE);
  Log::to(path.c_str(), true);
  const auto on_message = [](Bytes) { return std::string("marked-payload-7f3a answers"); };
  const auto hosts = [&](Lines& state) {
    Callbacks callbacks = state.callbacks();
    callbacks.on_message = on_message;
    return callbacks;
  };
  for (int round = 0; round < 2; round++) {
    Lines states[2];
    Server first(config(1, {1, 2}), hosts(states[0]));
    Server second(config(2, {1, 2}), hosts(states[1]));
    for (int i = 0; i < 5; i++) {
      for (Server* const server : {&first, &second}) {
        ASSERT_TRUE(asked([&] { return server->try_propose_wait(mark + std::to_string(i), kWaitMs); }));
      }
    }
    char answer[100];
    EXPECT_GT(RAFT_SendMessage(first.handle(), 2, mark.data(), mark.size(), answer, sizeof answer), 0)
        << RAFT_LastError();
    first.save_snapshot(kWaitMs);
    second.save_snapshot(kWaitMs);
  }
  {
    Callbacks failing;
    failing.apply = [&](Index, Term, Bytes data) { throw std::runtime_error(std::string(data.text())); };
    Server server(config(3, {3}, ",\"max_proposal_bytes\":100"), failing);
    EXPECT_FALSE(server.try_propose_wait(mark + std::string(200, 'x'), kWaitMs));
    EXPECT_FALSE(server.try_propose_wait(mark, kWaitMs));
  }
  Log::to(nullptr);
  std::ifstream file(path);
  const std::string all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_NE(all.find("is the leader at term"), std::string::npos);
  EXPECT_NE(all.find(" DEBUG "), std::string::npos);
  std::string hex;
  for (const char each : mark.substr(0, 8)) {
    static const char digits[] = "0123456789abcdef";
    (hex += digits[each >> 4]) += digits[each & 15];
  }
  for (const std::string& form : {mark.substr(0, 8), hex, std::string("bWFya2Vk")}) {
    const size_t at = all.find(form);
    EXPECT_EQ(at, std::string::npos) << all.substr(at == std::string::npos ? 0 : at, 200);
  }
}

TEST(LogCalls, RefuseWhatTheyDoNotKnow) {
  EXPECT_EQ(Log::try_format(2).code(), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(Log::try_format(-1).code(), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(Log::try_level(99).code(), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(Log::try_to("/nowhere/at/all.log").code(), RAFT_ERR_IO);
}

INSTANTIATE_TEST_SUITE_P(Runtimes, CppLog, ::testing::Values("embedded", "process"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace polyraft::test
