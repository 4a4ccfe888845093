// Starting, stopping, and what a wrong handle or a NULL does: a code and a text, never a crash.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "harness.h"

namespace polyraft::test {
namespace {

TEST(Lifecycle, StartsAppliesAndStops) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  EXPECT_NE(host.handle, 0u);
  uint64_t index = 0;
  uint64_t term = 0;
  ASSERT_EQ(RAFT_ProposeWait(host.handle, "one", 3, kWaitMs, &index, &term), RAFT_OK) << RAFT_LastError();
  EXPECT_EQ(index, 1u);
  EXPECT_EQ(term, 1u);
  // ProposeWait returns only after apply has run.
  ASSERT_EQ(host.applied_count(), 1u);
  EXPECT_EQ(host.applied_entries()[0], (std::pair<uint64_t, std::string>(1, "one")));
  uint64_t applied = 0;
  EXPECT_EQ(RAFT_GetAppliedIndex(host.handle, &applied), RAFT_OK);
  EXPECT_EQ(applied, 1u);
  const RAFT_Handle handle = std::exchange(host.handle, 0);
  EXPECT_EQ(RAFT_StopServer(handle), RAFT_OK);
  EXPECT_EQ(RAFT_StopServer(handle), RAFT_ERR_UNKNOWN_HANDLE);
  EXPECT_EQ(RAFT_ProposeWait(handle, "x", 1, 0, nullptr, nullptr), RAFT_ERR_UNKNOWN_HANDLE);
}

TEST(Lifecycle, WrongHandlesGiveUnknownHandle) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  for (const RAFT_Handle wrong :
       {uint64_t{0}, uint64_t{1}, host.handle + 1, host.handle ^ (uint64_t{1} << 40), UINT64_MAX,
        reinterpret_cast<uint64_t>(&host)}) {
    char buffer[16];
    uint64_t index = 0;
    size_t accepted = 7;
    const RAFT_Buffer one{"x", 1};
    EXPECT_EQ(RAFT_StopServer(wrong), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_ProposeAsync(wrong, "x", 1, 0, nullptr, nullptr), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_ProposeBatch(wrong, &one, 1, 0, nullptr, nullptr, &accepted), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(accepted, 0u);
    EXPECT_EQ(RAFT_ProposeWait(wrong, "x", 1, 0, nullptr, nullptr), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_ReadIndex(wrong, RAFT_READ_SAFE, 0, &index), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_ChangeMember(wrong, RAFT_MEMBER_ADD, 2, "http://127.0.0.1:1", 0, &index),
              RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_TransferLeadership(wrong, 2, 0), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_SaveSnapshot(wrong, 0, &index), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_GetAppliedIndex(wrong, &index), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_GetStatus(wrong, buffer, sizeof buffer), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_GetPeersStatus(wrong, buffer, sizeof buffer), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_EQ(RAFT_GetMetrics(wrong, buffer, sizeof buffer), RAFT_ERR_UNKNOWN_HANDLE);
    EXPECT_STREQ(RAFT_LastError(), RAFT_StrError(RAFT_ERR_UNKNOWN_HANDLE));
  }
}

TEST(Lifecycle, NullsGiveInvalidArgument) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  RAFT_Handle handle = 1;
  EXPECT_EQ(RAFT_NewRaftServerWith(nullptr, &handle), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(handle, 0u);
  RAFT_Options options{};
  EXPECT_EQ(RAFT_NewRaftServerWith(&options, nullptr), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_NewRaftServerWith(&options, &handle), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(RAFT_LastError()).find("struct_size"), std::string::npos);
  options.struct_size = sizeof options;
  options.callbacks.struct_size = sizeof options.callbacks;
  EXPECT_EQ(RAFT_NewRaftServerWith(&options, &handle), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_ProposeAsync(host.handle, nullptr, 1, 0, nullptr, nullptr), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_ProposeAsync(host.handle, nullptr, 0, kWaitMs, nullptr, nullptr), RAFT_OK);
  EXPECT_EQ(RAFT_ProposeBatch(host.handle, nullptr, 1, 0, nullptr, nullptr, nullptr),
            RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_ProposeBatch(host.handle, nullptr, 0, 0, nullptr, nullptr, nullptr), RAFT_OK);
  EXPECT_EQ(RAFT_GetStatus(host.handle, nullptr, 10), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_GetAppliedIndex(host.handle, nullptr), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_ChangeMember(host.handle, RAFT_MEMBER_ADD, 2, nullptr, 0, nullptr),
            RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_ChangeMember(host.handle, RAFT_MEMBER_ADD, 0, "http://x", 0, nullptr),
            RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_ChangeMember(host.handle, 17, 1, "http://x", 0, nullptr), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_TransferLeadership(host.handle, 0, 0), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_ReadIndex(host.handle, 5, 0, nullptr), RAFT_ERR_INVALID_ARGUMENT);
  RAFT_GetVersion(nullptr, 5);
  RAFT_GetVersion(nullptr, 0);
  char version[3] = "zz";
  RAFT_GetVersion(version, 0);
  EXPECT_STREQ(version, "zz");
  RAFT_GetVersion(version, sizeof version);
  EXPECT_EQ(std::string(version), std::string(POLYRAFT_VERSION).substr(0, 2));
}

TEST(Lifecycle, ServerWithoutAnyCallback) {
  RAFT_Options options{};
  options.struct_size = sizeof options;
  options.callbacks.struct_size = sizeof options.callbacks;
  const std::string json = config(R"(,"fake_state":2)");
  options.config = json.c_str();
  RAFT_Handle handle = 0;
  ASSERT_EQ(RAFT_NewRaftServerWith(&options, &handle), RAFT_OK) << RAFT_LastError();
  EXPECT_EQ(RAFT_ProposeWait(handle, "x", 1, kWaitMs, nullptr, nullptr), RAFT_OK);
  EXPECT_EQ(RAFT_ProposeWait(handle, "!message", 8, kWaitMs, nullptr, nullptr), RAFT_OK);
  EXPECT_EQ(RAFT_SaveSnapshot(handle, kWaitMs, nullptr), RAFT_ERR_CALLBACK_FAILED);
  EXPECT_EQ(RAFT_StopServer(handle), RAFT_OK);
}

TEST(Lifecycle, WrongConfigurationsNameTheKey) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "not JSON"},
      {"nonsense", "not JSON"},
      {"[]", "not a JSON object"},
      {R"({"runtime":7})", "runtime"},
      {R"({"runtime":"cloud"})", "runtime"},
      {R"({"runtime":"process","node_path":1})", "node_path"},
      {R"({"runtime":"process","node_path":""})", "node_path"},
  };
  for (const auto& [json, word] : cases) {
    Host host(json);
    EXPECT_EQ(host.start_code, RAFT_ERR_CONFIG) << json;
    EXPECT_EQ(host.handle, 0u);
    EXPECT_NE(host.start_error.find(word), std::string::npos) << host.start_error;
  }
}

TEST(Lifecycle, RefusalOfTheEngineIsHandedOnAndItsSlotUsedAgain) {
  for (int each = 0; each < 200; each++) {
    Host host(config(R"(,"fake_refuse":13)"));
    ASSERT_EQ(host.start_code, RAFT_ERR_IO);
    ASSERT_EQ(host.start_error, "waldir: refused");
  }
  Host host(config());
  EXPECT_EQ(host.start_code, RAFT_OK) << host.start_error;
}

TEST(Lifecycle, SlotsAreUsedAgain) {
  for (int each = 0; each < 150; each++) {
    Host host(config());
    ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
    ASSERT_EQ(host.propose("x"), RAFT_OK) << RAFT_LastError();
    ASSERT_EQ(host.applied_entries()[0].first, 1u);
  }
}

TEST(Lifecycle, MoreServersThanSlotsIsUnsupported) {
  std::vector<std::unique_ptr<Host>> hosts;
  for (int each = 0; each < 64; each++) {
    hosts.push_back(std::make_unique<Host>(config()));
    ASSERT_EQ(hosts.back()->start_code, RAFT_OK) << hosts.back()->start_error;
  }
  Host one_more(config());
  EXPECT_EQ(one_more.start_code, RAFT_ERR_UNSUPPORTED);
  EXPECT_EQ(hosts[63]->propose("x"), RAFT_OK);
}

TEST(Lifecycle, StopEndsBlockedCallsWithStopped) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  ASSERT_EQ(host.propose("!hang"), RAFT_OK);
  const RAFT_Handle handle = host.handle;
  std::atomic<int> ended{0};
  std::vector<std::thread> blocked;
  std::atomic<bool> go_on{true};
  const auto run = [&](auto call) {
    blocked.emplace_back([&ended, call] {
      const int code = call();
      EXPECT_TRUE(code == RAFT_ERR_STOPPED || code == RAFT_ERR_UNKNOWN_HANDLE) << code;
      ended++;
    });
  };
  const std::string large(1 << 20, 'x');
  // Fills the ring, then waits for room.
  run([&] {
    int code = RAFT_OK;
    while (go_on && code == RAFT_OK) {
      code = RAFT_ProposeAsync(handle, large.data(), large.size(), -1, nullptr, nullptr);
    }
    return code;
  });
  run([&] { return RAFT_ProposeWait(handle, "x", 1, -1, nullptr, nullptr); });
  run([&] { return RAFT_ChangeMember(handle, RAFT_MEMBER_REMOVE, 99, nullptr, -1, nullptr); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(ended, 0);
  EXPECT_EQ(RAFT_StopServer(std::exchange(host.handle, 0)), RAFT_OK);
  EXPECT_TRUE(eventually([&] { return ended == 3; }));
  go_on = false;
  for (std::thread& thread : blocked) thread.join();
}

TEST(Lifecycle, StopWaitsForTheRunningCallbackAndNoneComesAfter) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Gate gate;
  host.apply_at(gate);
  for (int each = 0; each < 100; each++) ASSERT_EQ(host.tell("x"), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  std::atomic<bool> stopped{false};
  std::thread stopper([&] {
    EXPECT_EQ(RAFT_StopServer(std::exchange(host.handle, 0)), RAFT_OK);
    stopped = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(stopped);
  gate.open();
  stopper.join();
  const size_t applied = host.applied_count();
  EXPECT_LT(applied, 100u);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(host.applied_count(), applied);
}

TEST(Lifecycle, ManyThreadsStopOnce) {
  for (int round = 0; round < 20; round++) {
    Host host(config());
    ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
    std::atomic<int> stopped{0};
    std::vector<std::thread> threads;
    for (int each = 0; each < 4; each++) {
      threads.emplace_back([&] {
        while (RAFT_ProposeAsync(host.handle, "x", 1, 0, nullptr, nullptr) != RAFT_ERR_UNKNOWN_HANDLE) {
          if (RAFT_StopServer(host.handle) == RAFT_OK) stopped++;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    host.handle = 0;
    EXPECT_EQ(stopped, 1);
  }
}

// After fork the child gets a code from everything, and the parent goes on.
TEST(Lifecycle, ForkedChildIsRefused) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  const pid_t child = fork();
  if (child == 0) {
    int failed = 0;
    char buffer[64];
    RAFT_Handle other = 0;
    RAFT_Options options{};
    options.struct_size = sizeof options;
    options.callbacks.struct_size = sizeof options.callbacks;
    options.config = "{}";
    failed |= RAFT_ProposeAsync(host.handle, "x", 1, 0, nullptr, nullptr) != RAFT_ERR_FORKED ? 1 : 0;
    failed |= RAFT_ProposeWait(host.handle, "x", 1, 0, nullptr, nullptr) != RAFT_ERR_FORKED ? 2 : 0;
    failed |= RAFT_GetStatus(host.handle, buffer, sizeof buffer) != RAFT_ERR_FORKED ? 4 : 0;
    failed |= RAFT_StopServer(host.handle) != RAFT_ERR_FORKED ? 8 : 0;
    failed |= RAFT_NewRaftServerWith(&options, &other) != RAFT_ERR_FORKED ? 16 : 0;
    failed |= RAFT_SetLogLevel(RAFT_LOG_INFO) != RAFT_ERR_FORKED ? 32 : 0;
    _exit(failed);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(host.propose("still here"), RAFT_OK) << RAFT_LastError();
}

TEST(Lifecycle, LoggerAndLevel) {
  TemporaryFile file;
  EXPECT_EQ(RAFT_SetLogger("/nowhere/at/all.log", 0), 1);
  EXPECT_NE(std::string(RAFT_LastError()).find("/nowhere/at/all.log"), std::string::npos);
  EXPECT_EQ(RAFT_SetLogLevel(6), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_SetLogLevel(-2), RAFT_ERR_INVALID_ARGUMENT);
  ASSERT_EQ(RAFT_SetLogger(file.path().c_str(), 1), 0);
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  EXPECT_EQ(RAFT_SetLogLevel(RAFT_LOG_TRACE), RAFT_OK);
  const auto content = [&] {
    std::string text(1 << 16, '\0');
    const int fd = open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t count = read(fd, text.data(), text.size());
    close(fd);
    return text.substr(0, count > 0 ? static_cast<size_t>(count) : 0);
  };
  EXPECT_TRUE(eventually([&] { return content().find("the log level is 5") != std::string::npos; }))
      << content();
  EXPECT_EQ(RAFT_SetLogger(nullptr, 0), 0);
  EXPECT_EQ(RAFT_SetLogLevel(RAFT_LOG_WARNING), RAFT_OK);
  EXPECT_EQ(RAFT_SetLogger("stdout", 0), 0);
  EXPECT_EQ(RAFT_SetLogger("stderr", 0), 0);
}

TEST(Lifecycle, EveryCodeHasItsText) {
  for (int code = 0; code <= RAFT_ERR_URL; code++)
    EXPECT_STRNE(RAFT_StrError(code), RAFT_StrError(-1)) << code;
  EXPECT_STREQ(RAFT_StrError(-1), RAFT_StrError(1 << 20));
  std::thread([] { EXPECT_STREQ(RAFT_LastError(), ""); }).join();
}

}  // namespace
}  // namespace polyraft::test
