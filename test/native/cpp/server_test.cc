// polyraft.hpp on the real engine, in both runtimes; with it the calls of polyraft.h that it stands on.
#include <algorithm>
#include <stdexcept>

#include "cpp/test_host.h"

namespace polyraft::test {
namespace {

using Cpp = OnEngine;

TEST_P(Cpp, ProposesReadsAndRestartsFromASnapshot) {
  const std::string text = config(1, {1});
  {
    Lines state;
    Server server(text, state);
    EXPECT_TRUE(server.running());
    const Position first = server.propose_wait("one", kWaitMs);
    EXPECT_GT(first.index, 0U);
    std::future<Position> second = server.propose(std::string("two"));
    EXPECT_EQ(second.get().index, first.index + 1);
    EXPECT_GE(server.read_barrier(kWaitMs), first.index + 1);
    EXPECT_EQ(state.lines(), (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(server.save_snapshot(kWaitMs), first.index + 1);
    server.propose_wait("three", kWaitMs);
    EXPECT_NE(server.status().find("\"role\":\"leader\""), std::string::npos);
    Server moved = std::move(server);
    EXPECT_FALSE(server.running());
    EXPECT_TRUE(moved.running());
  }
  Lines state;
  Server server(text, state);
  server.read_barrier(kWaitMs);
  EXPECT_EQ(state.lines(), (std::vector<std::string>{"one", "two", "three"}));
  EXPECT_EQ(state.restores(), 1);
  server.stop();
  EXPECT_EQ(server.try_propose_wait("late").code(), RAFT_ERR_UNKNOWN_HANDLE);
}

TEST_P(Cpp, BatchKeepsOrderAndTellsWhatWasNotTaken) {
  Lines state;
  Server server(config(1, {1}, ",\"max_proposal_bytes\":1000"), state);
  server.propose_wait("first", kWaitMs);
  const std::string wide(2000, 'w');
  std::vector<std::string> texts;
  for (int i = 0; i < 500; i++) texts.push_back(std::to_string(i));
  std::vector<Bytes> batch(texts.begin(), texts.end());
  batch.emplace_back(wide);
  batch.emplace_back("not reached");
  std::vector<std::future<Position>> outcomes = server.propose_batch(batch, kWaitMs);
  ASSERT_EQ(outcomes.size(), batch.size());
  const Index first = outcomes[0].get().index;
  for (size_t i = 1; i < texts.size(); i++) EXPECT_EQ(outcomes[i].get().index, first + i);
  for (size_t i = texts.size(); i < batch.size(); i++) {
    try {
      outcomes[i].get();
      ADD_FAILURE() << "proposal " << i << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), RAFT_ERR_TOO_LARGE);
    }
  }
  server.read_barrier(kWaitMs);
  std::vector<std::string> expected = {"first"};
  expected.insert(expected.end(), texts.begin(), texts.end());
  EXPECT_EQ(state.lines(), expected);
}

TEST_P(Cpp, ErrorsAreThrownOrReturned) {
  const Result<Server> none = Server::start("{\"id\": 1}", {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.code(), RAFT_ERR_CONFIG);
  EXPECT_NE(std::string(none.error().what()).find("waldir"), std::string::npos);
  EXPECT_THROW(Server("{}", Callbacks{}), Error);
  Server empty;
  EXPECT_EQ(empty.try_status().code(), RAFT_ERR_UNKNOWN_HANDLE);
  EXPECT_THROW(empty.propose("x").get(), Error);
  EXPECT_TRUE(empty.try_stop());
}

TEST_P(Cpp, ExceptionsOfCallbacksStayInside) {
  std::mutex mutex;
  std::vector<int> events;
  Callbacks callbacks;
  callbacks.apply = [](Index, Term, Bytes data) {
    if (data.text() == "throw") throw std::runtime_error("apply");
  };
  callbacks.snapshot = [](Index) -> std::string { throw 7; };
  callbacks.on_state = [](int) { throw std::runtime_error("state"); };
  callbacks.on_event = [&](int event, std::uint64_t, std::string_view) {
    const std::lock_guard<std::mutex> lock(mutex);
    events.push_back(event);
    throw std::runtime_error("event");
  };
  Server server(config(1, {1}), callbacks);
  server.propose_wait("good", kWaitMs);
  EXPECT_EQ(server.try_save_snapshot(kWaitMs).code(), RAFT_ERR_CALLBACK_FAILED);
  server.propose_wait("still good", kWaitMs);
  EXPECT_FALSE(server.try_propose_wait("throw", kWaitMs));
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard<std::mutex> lock(mutex);
    return std::find(events.begin(), events.end(), RAFT_EVENT_SERVER_FAILED) != events.end();
  }));
  EXPECT_EQ(server.try_propose_wait("late", kWaitMs).code(), RAFT_ERR_STOPPED);
}

TEST_P(Cpp, MetricsTellWhatHappened) {
  Lines state;
  Server server(config(1, {1}, ",\"cluster_id\":77"), state);
  for (int i = 0; i < 3; i++) server.propose_wait("x", kWaitMs);
  const std::string labels = "{cluster=\"77\",node=\"1\"";
  const std::string text = server.metrics();
  EXPECT_NE(text.find("polyraft_proposals_total" + labels + "} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("polyraft_proposal_outcomes_total" + labels + ",outcome=\"committed\"} 3\n"),
            std::string::npos);
  EXPECT_NE(text.find("# TYPE polyraft_wal_sync_duration_seconds histogram\n"), std::string::npos);
  EXPECT_EQ(text.find("polyraft_wal_sync_duration_seconds_count" + labels + "} 0\n"), std::string::npos);
  EXPECT_NE(text.find("polyraft_bridge_bytes" + labels + ",queue=\"submit\"} 0\n"), std::string::npos);
  // Written by the host itself, beside what the engine counts.
  EXPECT_NE(text.find("polyraft_apply_duration_seconds_count" + labels + "} "), std::string::npos);
  EXPECT_EQ(text.find("polyraft_apply_duration_seconds_count" + labels + "} 0\n"), std::string::npos) << text;
  char small[16];
  EXPECT_EQ(RAFT_GetMetrics(server.handle(), small, sizeof small), RAFT_ERR_BUFFER_TOO_SMALL);
}

TEST_P(Cpp, LeaderHandsOverBeforeItStopsAndMembersChangeTogether) {
  std::map<int, Lines> states;
  std::map<int, Server> servers;
  for (const int id : {1, 2, 3}) servers[id] = Server(config(id, {1, 2, 3}), states[id]);
  asked([&] { return servers[1].try_propose_wait("one", kWaitMs); }).value();
  asked([&] { return servers[1].try_transfer_leadership(1, kWaitMs); }).value();

  // Two of three are replaced in one step.
  for (const int id : {4, 5}) servers[id] = Server(config(id, {1, 2, 3, 4, 5}, ",\"join\":true"), states[id]);
  const std::vector<MemberChange> both = {{Change::kRemove, 2, ""},
                                          {Change::kAdd, 4, url(4)},
                                          {Change::kRemove, 3, ""},
                                          {Change::kAdd, 5, url(5)}};
  EXPECT_GT(asked([&] { return servers[1].try_change_members(both, kWaitMs); }).value(), 0U);
  EXPECT_TRUE(
      eventually([&] { return servers[2].status().find("\"role\":\"removed\"") != std::string::npos; }));
  EXPECT_EQ(servers[2].try_propose_wait("x", kWaitMs).code(), RAFT_ERR_REMOVED);
  asked([&] { return servers[1].try_propose_wait("two", kWaitMs); }).value();
  asked([&] { return servers[5].try_read_barrier(kWaitMs); }).value();
  EXPECT_EQ(states[5].lines(), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(servers[1].try_change_members({}, kWaitMs).code(), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(servers[1].try_change_members({{Change::kAdd, 6, ""}}, kWaitMs).code(),
            RAFT_ERR_INVALID_ARGUMENT);

  // Who leads stops; another leads already then, without an election timeout.
  asked([&] { return servers[1].try_transfer_leadership(1, kWaitMs); }).value();
  const std::string before = servers[1].metrics();
  EXPECT_NE(before.find("polyraft_role{cluster=\"0\",node=\"1\",role=\"leader\"} 1\n"), std::string::npos);
  servers[1].stop(true);
  // A follower that had only lost its leader would still name node 1, or nobody.
  EXPECT_TRUE(eventually([&] {
    const std::string status = servers[4].status();
    return status.find("\"leader\":4,") != std::string::npos ||
           status.find("\"leader\":5,") != std::string::npos;
  }));
}

TEST_P(Cpp, LeaseReadsAreOffUnlessAllowedAndRefusedBesideAVoterWithoutCheckQuorum) {
  {
    Lines state;
    Server server(config(1, {1}), state);
    server.propose_wait("x", kWaitMs);
    EXPECT_EQ(server.try_read_barrier(kWaitMs, Read::kLease).code(), RAFT_ERR_UNSUPPORTED);
  }
  Lines states[2];
  Server with(config(2, {2, 3}, ",\"lease_reads\":true"), states[0]);
  Server without(config(3, {2, 3}, ",\"check_quorum\":false"), states[1]);
  asked([&] { return with.try_propose_wait("x", kWaitMs); }).value();
  const Result<Index> read = asked([&] { return with.try_read_barrier(kWaitMs, Read::kLease); });
  EXPECT_EQ(read.code(), RAFT_ERR_UNSUPPORTED);
  const std::string why = read ? "" : read.error().what();
  EXPECT_NE(why.find("voter 3 has check_quorum off"), std::string::npos) << why;
  EXPECT_TRUE(asked([&] { return with.try_read_barrier(kWaitMs); }));
}

INSTANTIATE_TEST_SUITE_P(Runtimes, Cpp, ::testing::Values("process", "embedded"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace polyraft::test
