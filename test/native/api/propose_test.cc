// Proposals and their outcomes: each exactly one, in order, bounded.
#include "harness.h"

namespace polyraft::test {
namespace {

TEST(Propose, EveryCompletionComesOnceWithManyThreads) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  constexpr int kThreads = 4;
  constexpr int kEach = 3000;
  std::vector<Outcomes> outcomes(kThreads);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; thread++) {
    threads.emplace_back([&, thread] {
      for (int each = 0; each < kEach; each++) {
        const std::string data = std::to_string(thread) + ":" + std::to_string(each);
        ASSERT_EQ(RAFT_ProposeAsync(host.handle, data.data(), data.size(), kWaitMs, Outcomes::on_completion,
                                    outcomes[thread].next()),
                  RAFT_OK)
            << RAFT_LastError();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int thread = 0; thread < kThreads; thread++) {
    ASSERT_TRUE(eventually([&] { return outcomes[thread].total == kEach; }));
    for (size_t each = 0; each < kEach; each++) {
      ASSERT_EQ(outcomes[thread].calls(each), 1);
      ASSERT_EQ(outcomes[thread].code(each), RAFT_OK);
    }
  }
  ASSERT_TRUE(eventually([&] { return host.applied_count() == kThreads * kEach; }));
  // Log order without a gap, and each thread's own order within it.
  std::vector<int> next(kThreads, 0);
  uint64_t index = 0;
  for (const auto& [at, data] : host.applied_entries()) {
    ASSERT_EQ(at, ++index);
    const int thread = data[0] - '0';
    ASSERT_EQ(std::stoi(data.substr(2)), next[thread]++);
  }
}

TEST(Propose, SizesAroundTheBoundsArriveWhole) {
  Host host(config(R"(,"max_proposal_bytes":9000000)"));
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  std::vector<std::string> sent;
  // A quarter of the submit ring is 1 MiB, of the apply ring 2 MiB.
  for (const size_t size : {1u, 7u, 8u, 9u, 1048551u, 1048552u, 1048553u, 1048576u, 2097063u, 2097064u,
                            2097128u, 2097129u, 2097152u, 5000001u, 9000000u}) {
    std::string data(size, '\0');
    for (size_t each = 0; each < size; each++) data[each] = static_cast<char>('a' + (each * 31 + size) % 26);
    ASSERT_EQ(host.propose(data), RAFT_OK) << RAFT_LastError();
    sent.push_back(std::move(data));
  }
  const auto applied = host.applied_entries();
  ASSERT_EQ(applied.size(), sent.size());
  for (size_t each = 0; each < sent.size(); each++)
    EXPECT_TRUE(applied[each].second == sent[each]) << sent[each].size();
  const std::string too_large(9000001, 'x');
  EXPECT_EQ(host.propose(too_large), RAFT_ERR_TOO_LARGE);
  EXPECT_NE(std::string(RAFT_LastError()).find("max_proposal_bytes"), std::string::npos);
}

TEST(Propose, EmptyOnesUseAnIndexAndAreNotApplied) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  uint64_t index = 0;
  ASSERT_EQ(RAFT_ProposeWait(host.handle, nullptr, 0, kWaitMs, &index, nullptr), RAFT_OK);
  EXPECT_EQ(index, 1u);
  ASSERT_EQ(RAFT_ProposeWait(host.handle, "x", 1, kWaitMs, &index, nullptr), RAFT_OK);
  EXPECT_EQ(index, 2u);
  EXPECT_EQ(host.applied_count(), 1u);
}

TEST(Propose, RejectionIsHandedOn) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  EXPECT_EQ(host.propose("!reject"), RAFT_ERR_REJECTED);
}

TEST(Propose, BatchKeepsOrderAndUsers) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Outcomes outcomes;
  const RAFT_Buffer buffers[] = {{"a", 1}, {nullptr, 0}, {"ccc", 3}};
  void* users[] = {outcomes.next(), outcomes.next(), outcomes.next()};
  size_t accepted = 0;
  ASSERT_EQ(RAFT_ProposeBatch(host.handle, buffers, 3, kWaitMs, Outcomes::on_completion, users, &accepted),
            RAFT_OK);
  EXPECT_EQ(accepted, 3u);
  ASSERT_TRUE(eventually([&] { return outcomes.total == 3 && host.applied_count() == 2; }));
  EXPECT_EQ(host.applied_entries()[1], (std::pair<uint64_t, std::string>(3, "ccc")));
}

TEST(Propose, TimesOutWhenNobodyAnswersAndIsCleanAfterwards) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  EXPECT_EQ(host.propose("!silent", 50), RAFT_ERR_TIMEOUT);
  EXPECT_EQ(host.propose("x"), RAFT_OK);
  EXPECT_EQ(RAFT_ChangeMember(host.handle, RAFT_MEMBER_REMOVE, 99, nullptr, 50, nullptr), RAFT_ERR_TIMEOUT);
  uint64_t index = 0;
  EXPECT_EQ(RAFT_ChangeMember(host.handle, RAFT_MEMBER_ADD, 7, "http://127.0.0.1:7", kWaitMs, &index),
            RAFT_OK);
  EXPECT_EQ(index, 2u);
  EXPECT_EQ(RAFT_ChangeMember(host.handle, RAFT_MEMBER_REMOVE, 98, nullptr, kWaitMs, &index),
            RAFT_ERR_NO_LEADER);
}

TEST(Propose, BackPressureIsReportedAndBounded) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Gate gate;
  host.apply_at(gate);
  host.publish();
  const std::string data(100000, 'x');
  int accepted = 0;
  int code = RAFT_OK;
  while (code == RAFT_OK && accepted < 2000) {
    code = RAFT_ProposeAsync(host.handle, data.data(), data.size(), 100, nullptr, nullptr);
    if (code == RAFT_OK) accepted++;
  }
  EXPECT_EQ(code, RAFT_ERR_BUSY);
  EXPECT_LT(accepted, 300);
  // The engine goes on while apply is blocked.
  EXPECT_NE(host.status().find("\"last\""), std::string::npos);
  gate.open();
  EXPECT_TRUE(eventually([&] { return host.applied_count() == static_cast<size_t>(accepted); }));
  EXPECT_EQ(host.propose("x"), RAFT_OK);
}

// A chunked proposal that finds no room in time leaves no trace: the engine discards its first chunks.
TEST(Propose, UnfinishedLargeOneIsDiscarded) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Gate gate;
  host.apply_at(gate);
  host.publish();
  const std::string large(20 << 20, 'x');
  Outcomes outcomes;
  int accepted = 0;
  while (RAFT_ProposeAsync(host.handle, large.data(), large.size(), 100, Outcomes::on_completion,
                           outcomes.next()) == RAFT_OK) {
    accepted++;
    ASSERT_LT(accepted, 100);
  }
  gate.open();
  ASSERT_EQ(host.propose("small"), RAFT_OK) << RAFT_LastError();
  ASSERT_EQ(host.applied_count(), static_cast<size_t>(accepted) + 1);
  for (int each = 0; each < accepted; each++) EXPECT_TRUE(host.applied_entries()[each].second == large);
  ASSERT_TRUE(eventually([&] { return outcomes.total == static_cast<uint64_t>(accepted); }));
}

TEST(Propose, RemovedAndFailedServersSaySo) {
  {
    Host host(config());
    ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
    ASSERT_EQ(host.propose("!removed"), RAFT_OK);
    ASSERT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_REMOVED); }));
    EXPECT_EQ(host.propose("x"), RAFT_ERR_REMOVED);
  }
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Outcomes outcomes;
  ASSERT_EQ(RAFT_ProposeAsync(host.handle, "!silent", 7, kWaitMs, Outcomes::on_completion, outcomes.next()),
            RAFT_OK);
  ASSERT_EQ(host.tell("!failed"), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return host.has_event(RAFT_EVENT_SERVER_FAILED); }));
  EXPECT_EQ(host.events[0].value, static_cast<uint64_t>(RAFT_ERR_IO));
  EXPECT_EQ(host.events[0].text, "the disk is full");
  EXPECT_EQ(host.propose("x"), RAFT_ERR_STOPPED);
  ASSERT_TRUE(eventually([&] { return outcomes.total == 1; }));
  EXPECT_EQ(outcomes.code(0), RAFT_ERR_UNKNOWN_OUTCOME);
}

TEST(Propose, StopGivesEveryPendingCompletionItsOutcome) {
  Outcomes outcomes;
  {
    Host host(config());
    ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
    for (int each = 0; each < 100; each++) {
      ASSERT_EQ(
          RAFT_ProposeAsync(host.handle, "!silent", 7, kWaitMs, Outcomes::on_completion, outcomes.next()),
          RAFT_OK);
    }
  }
  ASSERT_EQ(outcomes.total, 100u);
  for (size_t each = 0; each < outcomes.size(); each++)
    EXPECT_EQ(outcomes.code(each), RAFT_ERR_UNKNOWN_OUTCOME);
}

// A call that waits reads the events itself where the event thread is busy, and is then asleep in the ring:
// it has to be woken there when the entry is applied.
TEST(Propose, CallThatReadsTheEventsItselfEndsWhenTheEntryIsApplied) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Gate apply;
  Gate event_thread;
  host.on_apply = [&apply](uint64_t, const std::string& data) {
    if (data == "slow") apply.pass();
    return 0;
  };
  host.publish();
  const auto hold = [](void* gate, int, uint64_t, uint64_t) { static_cast<Gate*>(gate)->pass(); };
  ASSERT_EQ(RAFT_ProposeAsync(host.handle, "x", 1, kWaitMs, hold, &event_thread), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return event_thread.waiting() == 1; }));
  std::atomic<int> code{-1};
  // Without a limit: when it is not woken, only StopServer ends it.
  std::thread waiting([&] { code = RAFT_ProposeWait(host.handle, "slow", 4, -1, nullptr, nullptr); });
  ASSERT_TRUE(eventually([&] { return apply.waiting() == 1; }));
  // More than the time after which it reads itself.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(code, -1);
  apply.open();
  EXPECT_TRUE(eventually([&] { return code != -1; }));
  event_thread.open();
  RAFT_StopServer(host.handle);
  waiting.join();
  EXPECT_EQ(code, RAFT_OK);
}

}  // namespace
}  // namespace polyraft::test
