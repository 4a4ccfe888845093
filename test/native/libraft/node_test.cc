// One node: commands, futures, snapshots, restarts, the engine's death.
#include <fstream>
#include <iterator>
#include <vector>

#include "api/json_object.h"
#include "fixture.h"

namespace libraft_test {

using polyraft::JsonObject;

TEST_F(Libraft, AppliesAndRepliesInOrder) {
  start();
  EXPECT_EQ(raft_state(), RAFT_LEADER);
  for (uint64_t each = 1; each <= 20; each++) EXPECT_EQ(reply_of(propose("command")), each);
  EXPECT_EQ(machine().count, 20u);
  char* leader = nullptr;
  ASSERT_EQ(raft_leader(&leader), RAFT_SUCCESS);
  EXPECT_EQ(leader, "127.0.0.1:" + std::to_string(config.listen_port));
  free_raft_buffer(leader);
  EXPECT_GE(raft_last_index(), 20u);
  EXPECT_EQ(raft_last_contact(), 0);
}

TEST_F(Libraft, CommandsTravelWithoutACopy) {
  start();
  std::vector<raft_future> futures;
  uint64_t bytes = 0;
  for (int each = 0; each < 500; each++) {
    const std::string text(static_cast<size_t>(1 + each * 7), 'x');
    bytes += text.size();
    futures.push_back(propose(text));
  }
  // Far beyond what a record of a ring holds.
  futures.push_back(propose(std::string(5 << 20, 'y')));
  bytes += 5 << 20;
  for (size_t each = 0; each < futures.size(); each++) EXPECT_EQ(reply_of(futures[each]), each + 1);
  // No command.
  EXPECT_EQ(finish(raft_barrier(0)), RAFT_SUCCESS);
  const JsonObject facts = JsonObject::parse(stats()).value();
  EXPECT_EQ(facts.text("commands_shared"), std::to_string(futures.size()));
  EXPECT_EQ(facts.text("command_bytes_shared"), std::to_string(bytes));
  EXPECT_EQ(facts.text("commands_copied"), "0");
}

TEST_F(Libraft, ManyThreadsEachGetTheirOwnReply) {
  start();
  std::vector<std::thread> threads;
  std::atomic<uint64_t> replies{0};
  for (int thread = 0; thread < 4; thread++) {
    threads.emplace_back([&] {
      for (int each = 0; each < 200; each++) replies += reply_of(propose("z"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(replies, 800u * 801 / 2);
}

TEST_F(Libraft, ApplySyncBarrierVerifyAndStats) {
  start();
  char* const buffer = alloc_raft_buffer(3);
  std::memcpy(buffer, "abc", 3);
  void* reply = nullptr;
  EXPECT_EQ(raft_apply_sync(buffer, 3, 0, &reply), RAFT_SUCCESS);
  ASSERT_NE(reply, nullptr);
  delete static_cast<uint64_t*>(reply);
  // Any part of a buffer is a command, too.
  EXPECT_EQ(raft_apply_sync(buffer + 1, 2, 1'000'000'000, &reply), RAFT_SUCCESS);
  delete static_cast<uint64_t*>(reply);
  free_raft_buffer(buffer);
  machine().delay_ms = 20;
  std::vector<raft_future> futures;
  for (int each = 0; each < 10; each++) futures.push_back(propose("later"));
  EXPECT_EQ(finish(raft_barrier(0)), RAFT_SUCCESS);
  EXPECT_EQ(machine().count, 12u);
  for (const raft_future future : futures) {
    EXPECT_TRUE(raft_future_poll(future));
    reply_of(future);
  }
  EXPECT_EQ(finish(raft_verify_leader()), RAFT_SUCCESS);
  const std::string text = stats();
  const JsonObject facts = JsonObject::parse(text).value();
  for (const char* key :
       {"state", "term", "last_log_index", "last_log_term", "commit_index", "applied_index", "fsm_pending",
        "last_snapshot_index", "last_snapshot_term", "num_peers", "last_contact"}) {
    EXPECT_TRUE(facts.text(key)) << key;
  }
  EXPECT_EQ(facts.text("state"), "Leader");
  EXPECT_EQ(facts.text("num_peers"), "0");
  raft_print_stats(text.c_str());
}

TEST_F(Libraft, RestartsFromItsDirectory) {
  keep_on_disk();
  start();
  for (int each = 0; each < 10; each++) reply_of(propose("kept " + std::to_string(each)));
  EXPECT_EQ(finish(raft_snapshot()), RAFT_SUCCESS);
  EXPECT_EQ(machine().snapshots, 1u);
  for (int each = 0; each < 5; each++) reply_of(propose("after " + std::to_string(each)));
  const uint64_t sum = machine().sum;
  raft_cleanup();
  machine().count = machine().sum = 0;
  start();
  ASSERT_TRUE(eventually([&] { return machine().count == 15; }));
  EXPECT_EQ(machine().sum, sum);
  EXPECT_EQ(machine().restores, 1u);
  // Their futures are long gone.
  EXPECT_EQ(machine().unclaimed, 5u);
}

TEST_F(Libraft, TakesSnapshotsByThresholdAndInterval) {
  keep_on_disk();
  config.SnapshotThreshold = 50;
  config.SnapshotInterval = 200'000'000;
  start();
  for (int each = 0; each < 120; each++) reply_of(propose("counted"));
  EXPECT_TRUE(eventually([] { return machine().snapshots >= 1; }));
}

TEST_F(Libraft, ASnapshotIsWrittenWhileCommandsGoOn) {
  start();
  reply_of(propose("before"));
  raft_snapshot_req open = nullptr;
  std::string path;
  machine().in_begin_snapshot = [&](const char* given, raft_snapshot_req request) {
    path = given;
    open = request;
  };
  const raft_future snapshot = raft_snapshot();
  EXPECT_EQ(reply_of(propose("meanwhile")), 2u);
  ASSERT_NE(open, nullptr);
  EXPECT_FALSE(raft_future_poll(snapshot));
  FILE* const sink = std::fopen(path.c_str(), "w");
  ASSERT_NE(sink, nullptr);
  std::fputs("1 1\n", sink);
  std::fclose(sink);
  raft_fsm_snapshot_complete(open, true);
  EXPECT_EQ(finish(snapshot), RAFT_SUCCESS);
  // The request is over.
  raft_fsm_snapshot_complete(open, true);
  raft_fsm_take_snapshot(open, nullptr, write_state);
  machine().in_begin_snapshot = nullptr;
  reply_of(propose("more"));
  machine().fails_snapshots = true;
  EXPECT_EQ(finish(raft_snapshot()), RAFT_E_OTHER);
}

TEST_F(Libraft, TheEngineComesBackWhenItIsKilled) {
  keep_on_disk();
  start();
  for (int each = 0; each < 10; each++) reply_of(propose("before"));
  const pid_t first = raft_child_pid();
  machine().delay_ms = 50;
  std::vector<raft_future> open;
  for (int each = 0; each < 20; each++) open.push_back(propose("under way"));
  ASSERT_EQ(kill(first, SIGKILL), 0);
  uint64_t committed = 0;
  for (const raft_future future : open) {
    void* reply = nullptr;
    const RaftError error = raft_future_get_fsm_reply(future, &reply);
    EXPECT_TRUE(error == RAFT_SUCCESS || error == RAFT_E_SHUTDOWN) << raft_err_msg(error);
    if (error == RAFT_SUCCESS) committed++;
    delete static_cast<uint64_t*>(reply);
    raft_future_dispose(future);
  }
  machine().delay_ms = 0;
  ASSERT_TRUE(
      eventually([&] { return raft_child_pid() > 0 && raft_child_pid() != first && raft_is_leader(); }));
  EXPECT_EQ(finish(raft_barrier(0)), RAFT_SUCCESS);
  const uint64_t count = machine().count;
  EXPECT_GE(count, 10 + committed);
  EXPECT_LE(count, 30u);
  EXPECT_EQ(reply_of(propose("after")), count + 1);
  EXPECT_EQ(JsonObject::parse(stats()).value().text("engine_restarts"), "1");
}

TEST_F(Libraft, NoCallButApplyAndBarrierWaitsForTheNextEngine) {
  keep_on_disk();
  // The next engine starts only while this is there.
  const std::string gate = directory + "/gate";
  const std::string node = directory + "/node";
  const char* const real = std::getenv("POLYRAFT_NODE");
  std::ofstream(gate) << "open\n";
  std::ofstream(node) << "#!/bin/sh\nwhile [ ! -e '" << gate << "' ]; do sleep 0.05; done\nexec '"
                      << (real != nullptr ? real : "node") << "' \"$@\"\n";
  std::filesystem::permissions(node, std::filesystem::perms::owner_all);
  const ScopedEnvironment wrapper("POLYRAFT_NODE", node.c_str());
  start();
  reply_of(propose("before"));
  std::filesystem::remove(gate);
  ASSERT_TRUE(signal_engine(SIGKILL));
  ASSERT_TRUE(eventually([] { return !raft_is_leader(); }));
  const raft_future statistics = raft_stats();
  const raft_future snapshot = raft_snapshot();
  const raft_future removal = raft_remove_peer("127.0.0.2", 9);
  const raft_future addition = raft_add_peer("localhost", config.listen_port);
  const raft_future verification = raft_verify_leader();
  const std::vector<raft_future> all = {statistics, snapshot, removal, addition, verification};
  for (const raft_future each : all) EXPECT_FALSE(raft_future_poll(each));
  EXPECT_EQ(finish(raft_apply(alloc_raft_buffer(1), 1, 20'000'000)), RAFT_E_ENQUEUE_TIMEOUT);
  EXPECT_EQ(finish(raft_barrier(20'000'000)), RAFT_E_ENQUEUE_TIMEOUT);
  std::ofstream(gate) << "open\n";
  // The engine that comes back may not lead at once.
  EXPECT_EQ(raft_future_wait(statistics), RAFT_SUCCESS);
  // Its log is gone through first.
  const RaftError taken = raft_future_wait(snapshot);
  EXPECT_TRUE(taken == RAFT_SUCCESS || taken == RAFT_E_OTHER) << raft_err_msg(taken);
  for (const raft_future each : {removal, addition, verification}) {
    const RaftError error = raft_future_wait(each);
    EXPECT_TRUE(error == RAFT_E_NOT_LEADER || error == RAFT_E_UNKNOWN_PEER || error == RAFT_E_KNOWN_PEER ||
                error == RAFT_SUCCESS)
        << raft_err_msg(error);
  }
  for (const raft_future each : all) raft_future_dispose(each);
  ASSERT_TRUE(eventually(raft_is_leader));
  EXPECT_EQ(reply_of(propose("after")), 2u);
}

TEST_F(Libraft, WhatIsUnderWayEndsWithTheNode) {
  keep_on_disk();
  start();
  // Nobody reads the ring of commands, which is full at some time: no call waits for that.
  ASSERT_TRUE(signal_engine(SIGSTOP));
  std::vector<raft_future> all;
  constexpr size_t kRequests = 20'000;
  for (size_t each = 0; each < kRequests; each++) all.push_back(raft_stats());
  EXPECT_FALSE(raft_future_poll(all.back()));
  all.push_back(propose("under way"));
  all.push_back(raft_barrier(0));
  const raft_future end = raft_shutdown();
  for (size_t each = 0; each < kRequests; each++) EXPECT_EQ(raft_future_wait(all[each]), RAFT_E_SHUTDOWN);
  // A death on the way out brings no other engine.
  ASSERT_TRUE(signal_engine(SIGKILL));
  EXPECT_EQ(finish(end), RAFT_SUCCESS);
  EXPECT_EQ(raft_child_pid(), -1);
  for (const raft_future each : all) EXPECT_EQ(finish(each), RAFT_E_SHUTDOWN);
}

TEST_F(Libraft, WithoutRestartTheEnginesDeathEndsTheNode) {
  raft_set_engine_restart(false);
  start();
  machine().delay_ms = 20;
  const raft_future open = propose("under way");
  ASSERT_TRUE(signal_engine(SIGKILL));
  const RaftError error = raft_future_wait(open);
  EXPECT_TRUE(error == RAFT_E_SHUTDOWN || error == RAFT_SUCCESS) << raft_err_msg(error);
  EXPECT_TRUE(eventually([] { return raft_state() == RAFT_SHUTDOWN; }));
  EXPECT_EQ(finish(propose("later")), RAFT_E_SHUTDOWN);
  EXPECT_EQ(finish(raft_stats()), RAFT_E_SHUTDOWN);
  EXPECT_EQ(raft_child_pid(), -1);
  raft_cleanup();
  raft_set_engine_restart(true);
  start();
  machine().delay_ms = 0;
  reply_of(propose("a new node"));
}

TEST_F(Libraft, TheLogHoldsNoBuffer) {
  config.shm_size = 64 << 10;
  start();
  ASSERT_GT(config.TrailingLogs, 400u);
  for (uint64_t each = 1; each <= 400; each++) EXPECT_EQ(reply_of(propose(std::string(4000, 'k'))), each);
}

TEST_F(Libraft, InMemoryLeavesADirectoryAlone) {
  keep_on_disk();
  std::strcpy(config.backend_type, "inmem");
  start();
  reply_of(propose("forgotten"));
  raft_cleanup();
  EXPECT_FALSE(std::filesystem::exists(config.base_dir));
  machine().count = 0;
  start();
  EXPECT_EQ(reply_of(propose("the first")), 1u);
}

TEST_F(Libraft, TheNameOfTheBackendIsLoggedOnce) {
  keep_on_disk();
  const std::string log = directory + "/log";
  std::snprintf(config.LogOutput, sizeof config.LogOutput, "%s", log.c_str());
  std::strcpy(config.backend_type, "mdb");
  start();
  reply_of(propose("logged"));
  raft_cleanup();
  std::ifstream file(log);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t found = text.find("backend_type \"mdb\" means polyraft's write-ahead log in");
  EXPECT_NE(found, std::string::npos) << text;
  EXPECT_EQ(text.find("backend_type", found + 1), std::string::npos) << text;
}

TEST_F(Libraft, WhatIsKeptInMemoryOutlivesTheEngineToo) {
  start();
  for (int each = 0; each < 10; each++) reply_of(propose("in memory"));
  const pid_t first = raft_child_pid();
  ASSERT_EQ(kill(first, SIGKILL), 0);
  ASSERT_TRUE(
      eventually([&] { return raft_child_pid() > 0 && raft_child_pid() != first && raft_is_leader(); }));
  EXPECT_EQ(reply_of(propose("after")), 11u);
  EXPECT_EQ(machine().restores, 0u);
}

TEST_F(Libraft, CleansUpWhileItShutsDown) {
  for (int each = 0; each < 4; each++) {
    start();
    reply_of(propose("before"));
    const raft_future first = raft_shutdown();
    std::thread waiting;
    if (each % 2 == 0) {
      waiting = std::thread([first] {
        // It may be over before it is looked at.
        const RaftError error = raft_future_wait(first);
        EXPECT_TRUE(error == RAFT_SUCCESS || error == RAFT_E_INVALID_OP) << raft_err_msg(error);
      });
    }
    raft_cleanup();
    if (waiting.joinable()) waiting.join();
    EXPECT_EQ(raft_state(), RAFT_INVALID_STATE);
  }
}

}  // namespace libraft_test
