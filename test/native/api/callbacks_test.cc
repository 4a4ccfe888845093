// What callbacks may do, where they run, and what their results mean.
#include "harness.h"

namespace polyraft::test {
namespace {

TEST(Callbacks, MayCallEverythingAndNothingWaitsThere) {
  // No state at the start: hooks are set before the callback can come.
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  std::atomic<int> checked{0};
  const auto check = [&] {
    char buffer[4096];
    RAFT_Handle other = 0;
    uint64_t index = 0;
    RAFT_Options options{};
    options.struct_size = sizeof options;
    options.callbacks.struct_size = sizeof options.callbacks;
    options.config = "{}";
    EXPECT_EQ(RAFT_StopServer(host.handle), RAFT_ERR_WOULD_DEADLOCK);
    EXPECT_EQ(RAFT_ProposeWait(host.handle, "x", 1, -1, nullptr, nullptr), RAFT_ERR_WOULD_DEADLOCK);
    EXPECT_EQ(RAFT_SaveSnapshot(host.handle, -1, nullptr), RAFT_ERR_WOULD_DEADLOCK);
    EXPECT_EQ(RAFT_ReadIndex(host.handle, RAFT_READ_SAFE, -1, nullptr), RAFT_ERR_WOULD_DEADLOCK);
    EXPECT_EQ(RAFT_TransferLeadership(host.handle, 2, -1), RAFT_ERR_WOULD_DEADLOCK);
    EXPECT_EQ(RAFT_NewRaftServerWith(&options, &other), RAFT_ERR_WOULD_DEADLOCK);
    EXPECT_EQ(RAFT_ProposeAsync(host.handle, "from a callback", 15, -1, nullptr, nullptr), RAFT_OK);
    EXPECT_EQ(RAFT_ReadIndexAsync(
                  host.handle, RAFT_READ_SAFE, -1, [](void*, int, uint64_t, uint64_t) {}, nullptr),
              RAFT_OK);
    EXPECT_EQ(RAFT_ChangeMember(host.handle, RAFT_MEMBER_ADD, 8, "http://127.0.0.1:8", -1, nullptr), RAFT_OK);
    EXPECT_EQ(RAFT_GetStatus(host.handle, buffer, sizeof buffer), RAFT_OK) << RAFT_LastError();
    EXPECT_EQ(RAFT_GetAppliedIndex(host.handle, &index), RAFT_OK);
    checked++;
  };
  host.on_apply = [&](uint64_t, const std::string& data) {
    if (data == "check") check();
    return 0;
  };
  host.on_state = [&](int state) {
    if (state == STATE_FOLLOWER) check();
  };
  ASSERT_EQ(host.propose("check"), RAFT_OK);
  ASSERT_EQ(host.propose("!state-twice"), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return checked == 2; }));
}

TEST(Callbacks, ProposeIsBusyAtOnceWhereItCannotWait) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  std::atomic<int> code{-1};
  host.on_apply = [&](uint64_t, const std::string& data) {
    if (data != "fill") return 0;
    EXPECT_EQ(RAFT_ProposeAsync(host.handle, "!hang", 5, -1, nullptr, nullptr), RAFT_OK);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const std::string large(1 << 20, 'x');
    int result = RAFT_OK;
    for (int each = 0; each < 10 && result == RAFT_OK; each++) {
      result = RAFT_ProposeAsync(host.handle, large.data(), large.size(), -1, nullptr, nullptr);
    }
    code = result;
    return 0;
  };
  ASSERT_EQ(host.tell("fill"), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return code == RAFT_ERR_BUSY; }));
}

TEST(Callbacks, BlockedEventThreadHidesNoAnswer) {
  Host host(config(R"(,"fake_state":2)"));
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Gate gate;
  host.on_event = [&gate](int) { gate.pass(); };
  ASSERT_EQ(host.propose("!removed"), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_NE(host.status().find("\"last\""), std::string::npos);
  uint64_t index = 0;
  EXPECT_EQ(RAFT_SaveSnapshot(host.handle, kWaitMs, &index), RAFT_OK);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  gate.open();
}

TEST(Callbacks, OnlyRealStateChanges) {
  Host host(config(R"(,"fake_state":0)"));
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  ASSERT_EQ(host.propose("!state-twice"), RAFT_OK);
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard<std::mutex> lock(host.mutex);
    return host.states == std::vector<int>{STATE_FOLLOWER, STATE_LEADER, STATE_FOLLOWER};
  }));
}

TEST(Callbacks, FailedApplyStopsTheServerAndIsReported) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  host.on_apply = [](uint64_t index, const std::string&) { return index == 3 ? 77 : 0; };
  ASSERT_EQ(host.propose("1"), RAFT_OK);
  ASSERT_EQ(host.propose("2"), RAFT_OK);
  EXPECT_EQ(host.propose("3"), RAFT_ERR_STOPPED);
  ASSERT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_SERVER_FAILED); }));
  EXPECT_EQ(host.events.size(), 1u);
  EXPECT_EQ(host.events[0].value, static_cast<uint64_t>(RAFT_ERR_CALLBACK_FAILED));
  EXPECT_NE(host.events[0].text.find("77"), std::string::npos);
  EXPECT_NE(host.events[0].text.find("entry 3"), std::string::npos);
  EXPECT_EQ(host.propose("4"), RAFT_ERR_STOPPED);
  EXPECT_EQ(host.applied_count(), 2u);
  EXPECT_TRUE(eventually([&] { return host.status().find("\"apply_failed\":3") != std::string::npos; }));
}

TEST(Callbacks, ExceptionOfTheHostCountsAsFailure) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  host.on_apply = [](uint64_t, const std::string&) -> int { throw std::string("out"); };
  EXPECT_EQ(host.propose("1"), RAFT_ERR_STOPPED);
  ASSERT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_SERVER_FAILED); }));
}

TEST(Callbacks, MissingEntryIsNotSkipped) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  ASSERT_EQ(host.tell("!gap"), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_SERVER_FAILED); }));
  EXPECT_EQ(host.events[0].value, static_cast<uint64_t>(RAFT_ERR_INTERNAL));
  EXPECT_EQ(host.applied_count(), 0u);
}

TEST(Callbacks, SnapshotsAreTakenOnTheApplyThreadAndFreed) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{262144}, uint64_t{30000001}}) {
    ASSERT_EQ(host.propose("x"), RAFT_OK);
    host.snapshot_bytes = size;
    const int frees = host.frees;
    uint64_t index = 0;
    ASSERT_EQ(RAFT_SaveSnapshot(host.handle, kWaitMs, &index), RAFT_OK) << RAFT_LastError();
    EXPECT_EQ(index, host.applied_count());
    EXPECT_EQ(host.snapshot_index, index);
    EXPECT_NE(host.status().find("\"snapshot_bytes\":" + std::to_string(size)), std::string::npos)
        << host.status();
    // The last part wakes the caller before the memory goes back.
    EXPECT_TRUE(eventually([&] { return host.frees - frees == (size == 0 ? 0 : 1); }));
  }
  const int frees = host.frees;
  host.snapshot_result = 5;
  EXPECT_EQ(RAFT_SaveSnapshot(host.handle, kWaitMs, nullptr), RAFT_ERR_CALLBACK_FAILED);
  EXPECT_STREQ(RAFT_LastError(), "getSnapshot failed");
  EXPECT_EQ(host.frees, frees);
  EXPECT_EQ(host.propose("goes on"), RAFT_OK);
}

TEST(Callbacks, RestoreComesWholeBeforeLaterEntries) {
  for (const uint64_t size : {uint64_t{1}, uint64_t{2097112}, uint64_t{2097113}, uint64_t{20000001}}) {
    Host host(config(R"(,"fake_restore_bytes":)" + std::to_string(size)));
    ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
    uint64_t index = 0;
    ASSERT_EQ(RAFT_ProposeWait(host.handle, "x", 1, kWaitMs, &index, nullptr), RAFT_OK) << RAFT_LastError();
    EXPECT_EQ(index, 6u);
    ASSERT_EQ(host.restored.size(), 1u);
    EXPECT_EQ(host.restored[0].first, 5u);
    ASSERT_EQ(host.restored[0].second.size(), size);
    for (uint64_t at = 0; at < size; at += 4093)
      ASSERT_EQ(host.restored[0].second[at], static_cast<char>('a' + at % 26));
  }
}

TEST(Callbacks, HostThatIsAheadGetsNothingTwice) {
  TemporaryFile log;
  const std::string json = config(R"(,"waldir":")" + log.path() + "\"");
  {
    Host host(json);
    ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
    for (int each = 1; each <= 10; each++) ASSERT_EQ(host.propose(std::to_string(each)), RAFT_OK);
  }
  Host host(config(R"(,"fake_repeat":3,"waldir":")" + log.path() + "\""), 7);
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  ASSERT_TRUE(eventually([&] { return host.applied_count() == 3; }));
  EXPECT_EQ(host.applied_entries()[0], (std::pair<uint64_t, std::string>(8, "8")));
  ASSERT_EQ(host.propose("11"), RAFT_OK);
  EXPECT_EQ(host.applied_count(), 4u);
}

TEST(Callbacks, MessagesAreAnswered) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  ASSERT_EQ(host.propose("!message"), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return host.status().find("0:re: hello") != std::string::npos; }))
      << host.status();
  EXPECT_TRUE(eventually([&] { return host.frees == 1; }));
}

TEST(Callbacks, StatusNeedsRoom) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  char buffer[4096] = "untouched";
  EXPECT_EQ(RAFT_GetStatus(host.handle, buffer, 3), RAFT_ERR_BUFFER_TOO_SMALL);
  EXPECT_STREQ(buffer, "untouched");
  EXPECT_EQ(RAFT_GetStatus(host.handle, buffer, 0), RAFT_ERR_BUFFER_TOO_SMALL);
  EXPECT_EQ(RAFT_GetPeersStatus(host.handle, buffer, 3), RAFT_OK);
  EXPECT_STREQ(buffer, "[]");
  EXPECT_EQ(RAFT_GetPeersStatus(host.handle, buffer, 2), RAFT_ERR_BUFFER_TOO_SMALL);
}

}  // namespace
}  // namespace polyraft::test
