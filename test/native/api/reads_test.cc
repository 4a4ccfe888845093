// Read index: its answer waits for the own state machine; with a completion, exactly one comes, whatever
// happens.
#include "harness.h"

namespace polyraft::test {
namespace {

TEST(Reads, WaitForApply) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Gate gate;
  host.apply_at(gate);
  host.publish();
  ASSERT_EQ(host.tell("x"), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  uint64_t index = 0;
  EXPECT_EQ(RAFT_ReadIndex(host.handle, RAFT_READ_SAFE, 50, &index), RAFT_ERR_TIMEOUT);
  gate.open();
  EXPECT_EQ(RAFT_ReadIndex(host.handle, RAFT_READ_LEASE, kWaitMs, &index), RAFT_OK);
  EXPECT_EQ(index, 1u);
  EXPECT_EQ(host.applied_count(), 1u);
  EXPECT_EQ(RAFT_TransferLeadership(host.handle, 2, kWaitMs), RAFT_OK);
}

struct Answer {
  std::atomic<int> calls{0};
  std::atomic<int> code{-1};
  std::atomic<uint64_t> index{0};

  static void on_completion(void* user, int code, uint64_t index, uint64_t term) {
    auto* const own = static_cast<Answer*>(user);
    EXPECT_EQ(term, 0u);
    own->index = index;
    own->code = code;
    own->calls++;
  }
};

int read_async(const Host& host, Answer* answer, int kind = RAFT_READ_SAFE) {
  return RAFT_ReadIndexAsync(host.handle, kind, kWaitMs, Answer::on_completion, answer);
}

// The apply thread stands in the callback of entry 1.
class BlockedHost {
 public:
  BlockedHost() {
    host.on_apply = [this](uint64_t, const std::string& data) {
      if (data == "slow") gate.pass();
      return 0;
    };
    host.publish();
    EXPECT_EQ(host.tell("slow"), RAFT_OK);
    EXPECT_TRUE(eventually([this] { return gate.waiting() == 1; }));
  }
  ~BlockedHost() { gate.open(); }
  Gate gate;
  Host host{config()};
};

TEST(Reads, CompletionComesWhenTheEntriesAreApplied) {
  Answer answers[3];
  BlockedHost blocked;
  for (Answer& answer : answers) ASSERT_EQ(read_async(blocked.host, &answer), RAFT_OK);
  // An answer of the engine that comes later than theirs.
  EXPECT_NE(blocked.host.status(), "");
  for (Answer& answer : answers) EXPECT_EQ(answer.calls, 0);
  blocked.gate.open();
  ASSERT_TRUE(eventually([&] { return answers[0].calls + answers[1].calls + answers[2].calls == 3; }));
  for (Answer& answer : answers) {
    EXPECT_EQ(answer.code, RAFT_OK);
    EXPECT_EQ(answer.index, 1u);
  }
  EXPECT_EQ(blocked.host.applied_count(), 1u);
  Answer again;
  ASSERT_EQ(read_async(blocked.host, &again, RAFT_READ_LEASE), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return again.calls == 1; }));
  EXPECT_EQ(again.code, RAFT_OK);
}

TEST(Reads, WrongArgumentsHaveNoCompletion) {
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  Answer answer;
  EXPECT_EQ(RAFT_ReadIndexAsync(host.handle + 1, RAFT_READ_SAFE, 0, Answer::on_completion, &answer),
            RAFT_ERR_UNKNOWN_HANDLE);
  EXPECT_EQ(RAFT_ReadIndexAsync(host.handle, RAFT_READ_SAFE, 0, nullptr, &answer), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_STREQ(RAFT_LastError(), "completion is NULL");
  EXPECT_EQ(read_async(host, &answer, 5), RAFT_ERR_INVALID_ARGUMENT);
  const RAFT_Handle handle = std::exchange(host.handle, 0);
  EXPECT_EQ(RAFT_StopServer(handle), RAFT_OK);
  EXPECT_EQ(answer.calls, 0);
}

TEST(Reads, StopEndsThoseThatAreDue) {
  Answer waits_for_apply;
  BlockedHost blocked;
  ASSERT_EQ(read_async(blocked.host, &waits_for_apply), RAFT_OK);
  EXPECT_NE(blocked.host.status(), "");
  const RAFT_Handle handle = std::exchange(blocked.host.handle, 0);
  std::thread stopping([handle] { EXPECT_EQ(RAFT_StopServer(handle), RAFT_OK); });
  EXPECT_TRUE(eventually([&] { return waits_for_apply.calls == 1; }));
  blocked.gate.open();
  stopping.join();
  EXPECT_EQ(waits_for_apply.calls, 1);
  EXPECT_EQ(waits_for_apply.code, RAFT_ERR_STOPPED);
  EXPECT_EQ(waits_for_apply.index, 0u);
}

TEST(Reads, DoNotWaitInACallback) {
  Answer answer;
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  std::atomic<int> code{-1};
  host.on_apply = [&](uint64_t, const std::string&) {
    code = RAFT_ReadIndexAsync(host.handle, RAFT_READ_SAFE, -1, Answer::on_completion, &answer);
    return 0;
  };
  ASSERT_EQ(host.propose("x"), RAFT_OK);
  EXPECT_EQ(code, RAFT_OK);
  ASSERT_TRUE(eventually([&] { return answer.calls == 1; }));
  EXPECT_EQ(answer.code, RAFT_OK);
}

TEST(Reads, NoMoreAreDueThanTheBound) {
  constexpr int kBound = 65536;
  std::atomic<int> ended{0};
  const auto count = [](void* user, int, uint64_t, uint64_t) { ++*static_cast<std::atomic<int>*>(user); };
  BlockedHost blocked;
  const auto read = [&] {
    return RAFT_ReadIndexAsync(blocked.host.handle, RAFT_READ_SAFE, kWaitMs, count, &ended);
  };
  for (int each = 0; each < kBound; each++) ASSERT_EQ(read(), RAFT_OK) << RAFT_LastError();
  EXPECT_EQ(read(), RAFT_ERR_BUSY);
  EXPECT_STREQ(RAFT_LastError(), "65536 reads are due already");
  blocked.gate.open();
  ASSERT_TRUE(eventually([&] { return ended == kBound; }));
  EXPECT_EQ(read(), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return ended == kBound + 1; }));
}

}  // namespace
}  // namespace polyraft::test
