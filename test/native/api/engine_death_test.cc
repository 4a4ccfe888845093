// The engine's process dies, in every way: the host is told, goes on, loses nothing and applies nothing
// twice.
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "harness.h"

namespace polyraft::test {
namespace {

// The child processes of this one that run the fake engine.
std::vector<pid_t> engine_processes() {
  std::vector<pid_t> engines;
  // Children belong to the thread that started them.
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(thread.path() / "children");
    pid_t pid = 0;
    while (children >> pid) {
      std::ifstream name("/proc/" + std::to_string(pid) + "/comm");
      std::string text;
      name >> text;
      if (text == "fake_engine") engines.push_back(pid);
    }
  }
  return engines;
}

void kill_engine() {
  for (const pid_t pid : engine_processes()) kill(pid, SIGKILL);
}

size_t count_events(Host& host, int event) {
  const std::lock_guard<std::mutex> lock(host.mutex);
  size_t count = 0;
  for (const Host::Event& each : host.events) count += each.event == event ? 1 : 0;
  return count;
}

TEST(EngineDeath, HostIsToldAndGoesOn) {
  TemporaryFile log;
  Host host(config(R"(,"fake_state":2,"waldir":")" + log.path() + "\""));
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  ASSERT_EQ(host.propose("before"), RAFT_OK);
  Outcomes outcomes;
  ASSERT_EQ(RAFT_ProposeAsync(host.handle, "!silent", 7, kWaitMs, Outcomes::on_completion, outcomes.next()),
            RAFT_OK);
  std::thread waits([&] { EXPECT_EQ(host.propose("!silent"), RAFT_ERR_UNKNOWN_OUTCOME); });
  std::thread changes([&] {
    EXPECT_EQ(RAFT_ChangeMember(host.handle, RAFT_MEMBER_REMOVE, 99, nullptr, kWaitMs, nullptr),
              RAFT_ERR_ENGINE_DIED);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  ASSERT_EQ(engine_processes().size(), 1u);
  kill_engine();
  waits.join();
  changes.join();
  ASSERT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_ENGINE_RESTARTED); }));
  ASSERT_EQ(host.propose("after"), RAFT_OK) << RAFT_LastError();
  ASSERT_TRUE(eventually([&] { return outcomes.total == 1; }));
  EXPECT_EQ(outcomes.code(0), RAFT_ERR_UNKNOWN_OUTCOME);
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard<std::mutex> lock(host.mutex);
    return host.states.size() >= 3;
  }));
  const std::lock_guard<std::mutex> lock(host.mutex);
  EXPECT_EQ(host.applied, (std::vector<std::pair<uint64_t, std::string>>{{1, "before"}, {2, "after"}}));
  ASSERT_EQ(host.events.size(), 2u);
  EXPECT_EQ(host.events[0].event, RAFT_EVENT_ENGINE_DIED);
  EXPECT_NE(host.events[0].text.find("signal 9"), std::string::npos) << host.events[0].text;
  EXPECT_EQ(host.events[1].value, 1u);
  EXPECT_EQ(host.states, (std::vector<int>{STATE_LEADER, STATE_FOLLOWER, STATE_LEADER}));
}

TEST(EngineDeath, NothingLostNothingTwiceUnderLoad) {
  TemporaryFile log;
  Host host(config(R"(,"fake_repeat":5,"waldir":")" + log.path() + "\""));
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  std::atomic<bool> go_on{true};
  constexpr int kThreads = 4;
  std::vector<Outcomes> outcomes(kThreads);
  std::vector<std::vector<std::string>> sent(kThreads);
  std::vector<std::thread> clients;
  for (int thread = 0; thread < kThreads; thread++) {
    clients.emplace_back([&, thread] {
      for (int each = 0; go_on; each++) {
        std::string data = std::to_string(thread) + ":" + std::to_string(each);
        // Every now and then one that travels in chunks.
        if (each % 2000 == 1999) data.resize(1500000, 'x');
        void* const user = outcomes[thread].next();
        const int code =
            RAFT_ProposeAsync(host.handle, data.data(), data.size(), kWaitMs, Outcomes::on_completion, user);
        ASSERT_EQ(code, RAFT_OK) << RAFT_LastError();
        sent[thread].push_back(std::move(data));
        while (sent[thread].size() - outcomes[thread].total > 200 && go_on) std::this_thread::yield();
      }
    });
  }
  constexpr int kKills = 8;
  for (int each = 0; each < kKills; each++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(60 + each * 37 % 50));
    kill_engine();
    ASSERT_TRUE(
        eventually([&] { return count_events(host, RAFT_EVENT_ENGINE_RESTARTED) == size_t(each) + 1; }));
  }
  go_on = false;
  for (std::thread& client : clients) client.join();
  ASSERT_EQ(host.propose("last"), RAFT_OK) << RAFT_LastError();
  EXPECT_EQ(count_events(host, RAFT_EVENT_ENGINE_DIED), size_t{kKills});
  std::set<std::string> applied;
  uint64_t index = 0;
  for (const auto& [at, data] : host.applied_entries()) {
    ASSERT_EQ(at, ++index);
    ASSERT_TRUE(applied.insert(data).second) << "twice: " << data;
  }
  for (int thread = 0; thread < kThreads; thread++) {
    ASSERT_TRUE(eventually([&] { return outcomes[thread].total == sent[thread].size(); }));
    for (size_t each = 0; each < sent[thread].size(); each++) {
      ASSERT_EQ(outcomes[thread].calls(each), 1);
      if (outcomes[thread].code(each) == RAFT_OK) {
        ASSERT_TRUE(applied.count(sent[thread][each])) << "acknowledged, but lost: " << sent[thread][each];
      } else {
        ASSERT_EQ(outcomes[thread].code(each), RAFT_ERR_UNKNOWN_OUTCOME);
      }
    }
  }
}

TEST(EngineDeath, WhileApplyIsBlocked) {
  TemporaryFile log;
  Host host(config(R"(,"waldir":")" + log.path() + "\""));
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Gate gate;
  host.apply_at(gate);
  for (int each = 0; each < 1000; each++) ASSERT_EQ(host.tell("x"), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  ASSERT_TRUE(eventually([&] { return host.status().find("\"last\":1000") != std::string::npos; }));
  kill_engine();
  // The new engine serves while the callback still holds the old one's memory.
  ASSERT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_ENGINE_RESTARTED); }));
  ASSERT_EQ(host.tell("y"), RAFT_OK);
  gate.open();
  ASSERT_TRUE(eventually([&] { return host.applied_count() == 1001; }));
  uint64_t index = 0;
  for (const auto& [at, data] : host.applied_entries()) ASSERT_EQ(at, ++index);
}

TEST(EngineDeath, NonsenseInARingEndsTheEngineNotTheHost) {
  for (const char* const how : {"!broken-apply", "!broken-event", "!unknown-record", "!exit"}) {
    TemporaryFile log;
    Host host(config(R"(,"waldir":")" + log.path() + "\""));
    ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
    ASSERT_EQ(host.propose("before"), RAFT_OK);
    host.tell(how);
    ASSERT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_ENGINE_RESTARTED); })) << how;
    ASSERT_EQ(host.propose("after"), RAFT_OK) << how << ": " << RAFT_LastError();
    EXPECT_EQ(host.applied_count(), 2u);
  }
}

TEST(EngineDeath, WhileAServerStarts) {
  Host host(config(R"(,"fake_exit":true)"));
  EXPECT_EQ(host.start_code, RAFT_ERR_ENGINE_DIED);
  EXPECT_EQ(host.handle, 0u);
  Host next(config());
  EXPECT_EQ(next.start_code, RAFT_OK) << next.start_error;
}

TEST(EngineDeath, WhileAServerIsStopped) {
  for (int each = 0; each < 5; each++) {
    Host host(config());
    ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
    std::thread killer(kill_engine);
    EXPECT_EQ(RAFT_StopServer(std::exchange(host.handle, 0)), RAFT_OK);
    killer.join();
    // The library may not know yet: a server that is started meanwhile is refused with the reason.
    EXPECT_TRUE(eventually([] {
      Host next(config());
      if (next.start_code == RAFT_OK) return true;
      EXPECT_EQ(next.start_code, RAFT_ERR_ENGINE_DIED);
      return false;
    }));
  }
}

TEST(EngineDeath, HostThatReapsItsChildren) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  kill_engine();
  // Takes the status before the library can, sometimes.
  int status = 0;
  for (int each = 0; each < 200 && waitpid(-1, &status, WNOHANG) <= 0; each++) usleep(100);
  ASSERT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_ENGINE_RESTARTED); }));
  EXPECT_EQ(host.propose("x"), RAFT_OK);
}

TEST(EngineDeath, HostThatIgnoresSigchld) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  const auto before = signal(SIGCHLD, SIG_IGN);
  kill_engine();
  EXPECT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_ENGINE_RESTARTED); }));
  EXPECT_EQ(host.propose("x"), RAFT_OK);
  kill_engine();
  EXPECT_TRUE(eventually([&] { return count_events(host, RAFT_EVENT_ENGINE_RESTARTED) == 2; }));
  signal(SIGCHLD, before);
}

TEST(EngineDeath, StartedByAThreadThatEnded) {
  std::unique_ptr<Host> host;
  std::thread starter([&] { host = std::make_unique<Host>(config()); });
  starter.join();
  ASSERT_EQ(host->start_code, RAFT_OK) << host->start_error;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(host->propose("x"), RAFT_OK);
  EXPECT_FALSE(host->has_event(RAFT_EVENT_ENGINE_DIED));
}

// The engine's process does not outlive a host that is killed.
TEST(EngineDeath, EndsWithTheHost) {
  const std::string command = "exec " + program("orphan_maker") + " '" + config() + "'";
  FILE* const host = popen(command.c_str(), "r");
  ASSERT_NE(host, nullptr);
  int host_pid = 0;
  int engine_pid = 0;
  ASSERT_EQ(fscanf(host, "%d %d", &host_pid, &engine_pid), 2);
  ASSERT_EQ(kill(engine_pid, 0), 0);
  ASSERT_EQ(kill(host_pid, SIGKILL), 0);
  EXPECT_TRUE(eventually([&] { return kill(engine_pid, 0) != 0; }));
  pclose(host);
}

}  // namespace
}  // namespace polyraft::test
