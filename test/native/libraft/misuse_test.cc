// Everything that a program may do wrong: an error each time, and the node lives on.
#include <future>
#include <set>
#include <vector>

#include "fixture.h"

namespace libraft_test {

class LibraftMisuse : public Libraft {};

TEST_F(LibraftMisuse, WithoutANode) {
  EXPECT_EQ(alloc_raft_buffer(8), nullptr);
  char stray = 0;
  free_raft_buffer(&stray);
  free_raft_buffer(nullptr);
  EXPECT_EQ(raft_state(), RAFT_INVALID_STATE);
  EXPECT_FALSE(raft_is_leader());
  EXPECT_EQ(raft_last_index(), 0u);
  EXPECT_EQ(raft_last_contact(), 0);
  EXPECT_EQ(raft_child_pid(), -1);
  char* leader = &stray;
  EXPECT_EQ(raft_leader(&leader), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(leader, nullptr);
  EXPECT_EQ(finish(raft_apply(&stray, 1, 0)), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(finish(raft_barrier(0)), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(finish(raft_shutdown()), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(raft_future_wait(nullptr), RAFT_E_INVALID_OP);
  raft_fsm_snapshot_complete(nullptr, true);
  raft_fsm_take_snapshot(nullptr, nullptr, nullptr);
  raft_print_stats(nullptr);
  raft_cleanup();
}

TEST_F(LibraftMisuse, PointersThatAreNone) {
  start();
  char stray[64] = "stray";
  char* const buffer = alloc_raft_buffer(64);
  std::memset(buffer, 'a', 64);
  EXPECT_EQ(finish(raft_apply(stray, 5, 0)), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(finish(raft_apply(nullptr, 5, 0)), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(finish(raft_apply(buffer, 65, 0)), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(finish(raft_apply(buffer + 60, 5, 0)), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(finish(raft_apply(buffer, SIZE_MAX, 0)), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(finish(raft_apply(buffer, 0, 0)), RAFT_E_INVALID_OP);
  EXPECT_EQ(raft_apply_sync(buffer, 64, 0, nullptr), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(raft_leader(nullptr), RAFT_E_INVALID_ADDRESS);
  free_raft_buffer(stray);
  free_raft_buffer(buffer + 1);
  free_raft_buffer(buffer);
  free_raft_buffer(buffer);
  EXPECT_EQ(finish(raft_apply(buffer, 64, 0)), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(reply_of(propose("the node lives")), 1u);
}

TEST_F(LibraftMisuse, FuturesThatAreNone) {
  start();
  int stray = 0;
  void* reply = &stray;
  const char* text = "unchanged";
  const raft_future gone = propose("gone");
  EXPECT_EQ(raft_future_wait(gone), RAFT_SUCCESS);
  raft_future_dispose(gone);
  raft_future_dispose(gone);
  const std::vector<raft_future> none = {nullptr, &stray, gone, reinterpret_cast<raft_future>(UINTPTR_MAX)};
  for (const raft_future future : none) {
    EXPECT_EQ(raft_future_wait(future), RAFT_E_INVALID_OP);
    EXPECT_EQ(raft_future_get_fsm_reply(future, &reply), RAFT_E_INVALID_OP);
    EXPECT_EQ(raft_future_get_stats(future, &text), RAFT_E_INVALID_OP);
    EXPECT_TRUE(raft_future_poll(future));
    EXPECT_TRUE(raft_future_wait_for(future, 100000));
    raft_future_dispose(future);
  }
  EXPECT_EQ(reply, &stray);
  const raft_future command = propose("command");
  EXPECT_EQ(raft_future_get_stats(command, &text), RAFT_E_INVALID_OP);
  EXPECT_EQ(raft_future_get_fsm_reply(command, nullptr), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(raft_future_wait(command), RAFT_SUCCESS);
  EXPECT_EQ(raft_future_wait(command), RAFT_SUCCESS);
  EXPECT_EQ(raft_future_get_ptr(command, &reply), RAFT_SUCCESS);
  delete static_cast<uint64_t*>(reply);
  raft_future_dispose(command);
  const raft_future statistics = raft_stats();
  EXPECT_EQ(raft_future_get_fsm_reply(statistics, &reply), RAFT_E_INVALID_OP);
  EXPECT_EQ(raft_future_get_stats(statistics, nullptr), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(raft_future_get_stats(statistics, &text), RAFT_SUCCESS);
  raft_future_dispose(statistics);
  // The reply of `gone`, and those of futures that are disposed of while they are under way, are released.
  raft_future_dispose(propose("forgotten"));
  EXPECT_EQ(finish(raft_barrier(0)), RAFT_SUCCESS);
  EXPECT_TRUE(eventually([] { return machine().unclaimed == 2; }));
}

TEST_F(LibraftMisuse, Peers) {
  start();
  EXPECT_EQ(finish(raft_add_peer("localhost", config.listen_port)), RAFT_E_KNOWN_PEER);
  EXPECT_EQ(finish(raft_add_peer("127.0.0.1", config.listen_port)), RAFT_E_KNOWN_PEER);
  EXPECT_EQ(finish(raft_remove_peer("127.0.0.2", 9)), RAFT_E_UNKNOWN_PEER);
  EXPECT_EQ(finish(raft_add_peer("no-such-host.invalid", 9)), RAFT_E_RESOLVE);
  EXPECT_EQ(finish(raft_remove_peer("no-such-host.invalid", 9)), RAFT_E_RESOLVE);
  EXPECT_EQ(finish(raft_add_peer(nullptr, 9)), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(finish(raft_remove_peer(nullptr, 9)), RAFT_E_INVALID_ADDRESS);
  EXPECT_EQ(finish(raft_add_peer("localhost", 0)), RAFT_E_INVALID_OP);
  EXPECT_EQ(finish(raft_add_peer("", 9)), RAFT_E_INVALID_OP);
}

TEST_F(LibraftMisuse, WithoutAMajorityLeadershipIsLost) {
  config.HeartbeatTimeout = config.ElectionTimeout = config.LeaderLeaseTimeout = 2'000'000'000;
  start();
  reply_of(propose("alone"));
  // From here on it needs a second node, which is not there.
  const uint16_t port = free_port();
  ASSERT_EQ(finish(raft_add_peer("127.0.0.1", port)), RAFT_SUCCESS);
  const raft_future command = propose("lost");
  const raft_future barrier = raft_barrier(0);
  const raft_future verification = raft_verify_leader();
  const raft_future removal = raft_remove_peer("127.0.0.1", port);
  // One change at a time.
  EXPECT_EQ(finish(raft_add_peer("127.0.0.1", free_port())), RAFT_E_OTHER);
  EXPECT_EQ(finish(command), RAFT_E_LEADERSHIP_LOST);
  EXPECT_EQ(finish(barrier), RAFT_E_LEADERSHIP_LOST);
  EXPECT_EQ(finish(verification), RAFT_E_LEADERSHIP_LOST);
  EXPECT_EQ(finish(removal), RAFT_E_LEADERSHIP_LOST);
  EXPECT_TRUE(eventually([] { return !raft_is_leader(); }));
  EXPECT_EQ(finish(propose("later")), RAFT_E_NOT_LEADER);
  EXPECT_EQ(machine().count, 1u);
}

TEST_F(LibraftMisuse, AQueueThatStaysFullEndsWithEnqueueTimeout) {
  config.shm_size = uint64_t{256} << 20;
  start();
  // The state machine stands still: the engine takes what it may hold for it, then no more.
  std::promise<void> released;
  call_in_apply([ready = released.get_future().share()] { ready.wait(); });
  char* const buffer = alloc_raft_buffer(4 << 20);
  ASSERT_NE(buffer, nullptr);
  std::memset(buffer, 'f', 4 << 20);
  std::vector<raft_future> futures;
  RaftError last = RAFT_SUCCESS;
  for (int each = 0; each < 500 && last != RAFT_E_ENQUEUE_TIMEOUT; each++) {
    futures.push_back(raft_apply(buffer, 4 << 20, each == 0 ? 0 : 100'000'000));
    if (raft_future_wait_for(futures.back(), 120)) last = raft_future_wait(futures.back());
  }
  EXPECT_EQ(last, RAFT_E_ENQUEUE_TIMEOUT);
  released.set_value();
  uint64_t applied = 0;
  for (const raft_future future : futures) {
    void* reply = nullptr;
    const RaftError error = raft_future_get_fsm_reply(future, &reply);
    EXPECT_TRUE(error == RAFT_SUCCESS || error == RAFT_E_ENQUEUE_TIMEOUT) << raft_err_msg(error);
    if (error == RAFT_SUCCESS) applied++;
    delete static_cast<uint64_t*>(reply);
    raft_future_dispose(future);
  }
  EXPECT_GT(applied, 0u);
  EXPECT_EQ(finish(raft_barrier(0)), RAFT_SUCCESS);
  EXPECT_EQ(machine().count, applied);
}

TEST_F(LibraftMisuse, AFollowerTakesNothing) {
  std::snprintf(config.peers, sizeof config.peers, "127.0.0.1:%u", free_port());
  ASSERT_GT(raft_init(&fsm, &config), 0) << raft_init_error();
  EXPECT_EQ(finish(propose("nowhere")), RAFT_E_NOT_LEADER);
  EXPECT_EQ(finish(raft_barrier(0)), RAFT_E_NOT_LEADER);
  EXPECT_EQ(finish(raft_verify_leader()), RAFT_E_NOT_LEADER);
  EXPECT_EQ(finish(raft_add_peer("127.0.0.1", 9)), RAFT_E_NOT_LEADER);
  EXPECT_EQ(finish(raft_remove_peer("127.0.0.1", 9)), RAFT_E_NOT_LEADER);
  char* leader = nullptr;
  EXPECT_EQ(raft_leader(&leader), RAFT_E_UNKNOWN_PEER);
  EXPECT_FALSE(raft_is_leader());
  EXPECT_TRUE(raft_state() == RAFT_FOLLOWER || raft_state() == RAFT_CANDIDATE);
}

TEST_F(LibraftMisuse, TheStateMachineDoesNotWaitForItself) {
  start();
  raft_future later = nullptr;
  RaftError waited = RAFT_SUCCESS;
  RaftError synchronous = RAFT_SUCCESS;
  call_in_apply([&] {
    later = propose("from inside");
    waited = raft_future_wait(later);
    void* reply = nullptr;
    char* const buffer = alloc_raft_buffer(1);
    synchronous = raft_apply_sync(buffer, 1, 0, &reply);
    free_raft_buffer(buffer);
    raft_cleanup();
  });
  EXPECT_EQ(reply_of(propose("outside")), 1u);
  EXPECT_EQ(waited, RAFT_E_INVALID_OP);
  EXPECT_EQ(synchronous, RAFT_E_INVALID_OP);
  EXPECT_EQ(reply_of(later), 2u);
}

TEST_F(LibraftMisuse, AfterShutdown) {
  start();
  const raft_future kept = propose("kept");
  EXPECT_EQ(reply_of(propose("second")), 2u);
  char* const buffer = alloc_raft_buffer(4);
  std::memset(buffer, 'x', 4);
  const raft_future first = raft_shutdown();
  EXPECT_EQ(finish(raft_shutdown()), RAFT_SUCCESS);
  EXPECT_EQ(raft_future_wait(first), RAFT_SUCCESS);
  EXPECT_EQ(raft_state(), RAFT_SHUTDOWN);
  EXPECT_EQ(raft_child_pid(), -1);
  EXPECT_EQ(finish(raft_apply(buffer, 4, 0)), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(finish(raft_barrier(0)), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(finish(raft_verify_leader()), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(finish(raft_snapshot()), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(finish(raft_stats()), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(finish(raft_add_peer("127.0.0.1", 1)), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(finish(raft_remove_peer("127.0.0.1", 1)), RAFT_E_IN_SHUTDOWN);
  char* leader = nullptr;
  EXPECT_EQ(raft_leader(&leader), RAFT_E_IN_SHUTDOWN);
  EXPECT_EQ(raft_last_index(), 0u);
  free_raft_buffer(buffer);
  EXPECT_EQ(reply_of(kept), 1u);
}

TEST_F(LibraftMisuse, EnqueueTimesOutWhileTheEngineIsStopped) {
  start();
  reply_of(propose("first"));
  ASSERT_TRUE(signal_engine(SIGSTOP));
  const raft_future timed = propose("too late", 50'000'000);
  const raft_future barrier = raft_barrier(50'000'000);
  EXPECT_EQ(raft_future_wait(timed), RAFT_E_ENQUEUE_TIMEOUT);
  EXPECT_TRUE(eventually([&] { return raft_future_poll(barrier); }));
  EXPECT_EQ(finish(barrier), RAFT_E_ENQUEUE_TIMEOUT);
  const raft_future patient = propose("patient");
  EXPECT_FALSE(raft_future_wait_for(patient, 20));
  // A number whose place is used again is still no ticket for what was taken back.
  raft_future_dispose(timed);
  const raft_future successor = propose("successor", 60'000'000'000);
  ASSERT_TRUE(signal_engine(SIGCONT));
  EXPECT_EQ(reply_of(patient), 2u);
  EXPECT_EQ(reply_of(successor), 3u);
  EXPECT_EQ(machine().count, 3u);
}

TEST_F(LibraftMisuse, WhatComesTooLateIsNotTakenThoughNobodyWaits) {
  start();
  reply_of(propose("first"));
  ASSERT_TRUE(signal_engine(SIGSTOP));
  constexpr uint64_t kLimitNs = 20'000'000;
  const raft_future kept = propose("too late", kLimitNs);
  const raft_future barrier = raft_barrier(kLimitNs);
  raft_future_dispose(propose("too late, and forgotten", kLimitNs));
  const raft_future early = propose("in time", 60'000'000'000);
  std::this_thread::sleep_for(std::chrono::nanoseconds(2 * kLimitNs));
  ASSERT_TRUE(signal_engine(SIGCONT));
  EXPECT_EQ(reply_of(early), 2u);
  // Nobody has looked at these before. They come by another ring than the reply above.
  EXPECT_TRUE(eventually([&] { return raft_future_poll(kept); }));
  EXPECT_EQ(finish(kept), RAFT_E_ENQUEUE_TIMEOUT);
  EXPECT_TRUE(eventually([&] { return raft_future_poll(barrier); }));
  EXPECT_EQ(finish(barrier), RAFT_E_ENQUEUE_TIMEOUT);
  EXPECT_EQ(reply_of(propose("last")), 3u);
}

TEST_F(LibraftMisuse, TextsOfErrors) {
  std::set<std::string> texts;
  for (int code = 0; code < N_RAFT_ERRORS; code++) texts.insert(raft_err_msg(static_cast<RaftError>(code)));
  EXPECT_EQ(texts.size(), static_cast<size_t>(N_RAFT_ERRORS));
  EXPECT_STREQ(raft_err_msg(N_RAFT_ERRORS), "unknown error code");
}

TEST_F(LibraftMisuse, BuffersHaveABound) {
  config.shm_size = 64 << 10;
  start();
  EXPECT_EQ(alloc_raft_buffer((64 << 10) + 1), nullptr);
  std::vector<char*> buffers;
  for (char* buffer = nullptr; (buffer = alloc_raft_buffer(1000)) != nullptr;) buffers.push_back(buffer);
  EXPECT_GE(buffers.size(), 48u);
  for (char* const buffer : buffers) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer) % 16, 0u);
    std::thread([buffer] { free_raft_buffer(buffer); }).join();
  }
  char* const whole = alloc_raft_buffer(40 << 10);
  EXPECT_NE(whole, nullptr);
  free_raft_buffer(whole);
  // Freed while it is under way: its memory is used again only after that.
  machine().delay_ms = 1;
  std::vector<raft_future> futures;
  for (int each = 0; each < 40; each++) futures.push_back(propose(std::string(1000, 'p')));
  for (size_t each = 0; each < futures.size(); each++) EXPECT_EQ(reply_of(futures[each]), each + 1);
}

}  // namespace libraft_test
