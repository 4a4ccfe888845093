// One server from START on: what it is told, what it answers, and what it refuses.
#include <gtest/gtest.h>
#include <raft.h>

#include <set>
#include <string>

#include "harness.h"

namespace craft_test {
namespace {

constexpr raft_id kLargeId = ~0ull;

TEST(Init, RefusesWhatIsNoServer) {
  struct raft r {};
  EXPECT_EQ(raft_init(&r, 0, "address"), RAFT_INVALID);
  EXPECT_STREQ(raft_errmsg(&r), "id is 0");
  EXPECT_EQ(raft_init(&r, 1, nullptr), RAFT_INVALID);
  EXPECT_EQ(raft_init(&r, 1, std::string(1024, 'a').c_str()), RAFT_INVALID);
  EXPECT_STREQ(raft_errmsg(&r), "address is longer than 1023 bytes");
  ASSERT_EQ(raft_init(&r, 1, std::string(1023, 'a').c_str()), 0);
  EXPECT_EQ(r.id, 1u);
  EXPECT_STREQ(raft_errmsg(&r), "");
  EXPECT_EQ(raft_close(&r), 0);
  EXPECT_EQ(raft_close(&r), 0);
}

TEST(Init, BeforeStartNothingIsKnown) {
  const auto know_nothing = [](const struct raft* r) {
    raft_id leader = 1;
    const char* address = "";
    raft_leader(r, &leader, &address);
    EXPECT_EQ(leader, 0u);
    EXPECT_EQ(address, nullptr);
    raft_leader(r, nullptr, nullptr);
    EXPECT_EQ(raft_state(r), RAFT_UNAVAILABLE);
    EXPECT_EQ(raft_current_term(r), 0u);
    EXPECT_EQ(raft_voted_for(r), 0u);
    EXPECT_EQ(raft_commit_index(r), 0u);
    EXPECT_EQ(raft_last_index(r), 0u);
    EXPECT_EQ(raft_timeout(r), 0u);
    EXPECT_EQ(raft_transferee(r), 0u);
    EXPECT_EQ(raft_role(r), -1);
    raft_index match = 0;
    int status = 0;
    EXPECT_EQ(raft_match_index(r, 1, &match), RAFT_NOTLEADER);
    EXPECT_EQ(raft_catch_up(r, 1, &status), RAFT_NOTLEADER);
  };
  struct raft r {};
  ASSERT_EQ(raft_init(&r, 1, "a"), 0);
  know_nothing(&r);
  raft_close(&r);
  know_nothing(&r);
  struct raft_event event {};
  struct raft_update update {};
  EXPECT_EQ(raft_step(&r, &event, &update), RAFT_INVALID);
}

TEST(Start, ALoneVoterLeadsAndWritesABarrier) {
  Node node(kLargeId);
  const Update update = node.bootstrap({{kLargeId, RAFT_VOTER}});
  EXPECT_EQ(update.flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR | RAFT_UPDATE_ENTRIES |
                            RAFT_UPDATE_STATE | RAFT_UPDATE_TIMEOUT),
            RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR | RAFT_UPDATE_ENTRIES | RAFT_UPDATE_STATE |
                RAFT_UPDATE_TIMEOUT);
  EXPECT_FALSE(update.has(RAFT_UPDATE_SNAPSHOT));
  EXPECT_EQ(raft_state(node.get()), RAFT_LEADER);
  EXPECT_EQ(raft_current_term(node.get()), 2u);
  EXPECT_EQ(raft_voted_for(node.get()), kLargeId);
  EXPECT_EQ(raft_commit_index(node.get()), 1u);
  EXPECT_EQ(raft_last_index(node.get()), 2u);
  EXPECT_EQ(raft_role(node.get()), RAFT_VOTER);
  ASSERT_EQ(update.entries.size(), 1u);
  EXPECT_EQ(update.first, 2u);
  EXPECT_EQ(update.entries[0].type, RAFT_BARRIER);
  EXPECT_EQ(update.entries[0].term, 2u);
  EXPECT_EQ(update.entries[0].data, std::string(8, '\0'));
  const Update persisted = node.persisted(2);
  EXPECT_TRUE(persisted.has(RAFT_UPDATE_COMMIT_INDEX));
  EXPECT_EQ(raft_commit_index(node.get()), 2u);
  raft_id leader = 0;
  const char* address = nullptr;
  raft_leader(node.get(), &leader, &address);
  EXPECT_EQ(leader, kLargeId);
  EXPECT_EQ(address, address_of(kLargeId));
  raft_index match = 0;
  EXPECT_EQ(raft_match_index(node.get(), kLargeId, &match), 0);
  EXPECT_EQ(match, 2u);
  EXPECT_EQ(raft_match_index(node.get(), 5, &match), RAFT_BADID);
}

TEST(Start, TakesWhatWasStored) {
  Node node(1);
  node.log = {{1, RAFT_CHANGE, Configuration(kThree).encoded()},
              {2, RAFT_BARRIER, std::string(8, '\0')},
              {2, RAFT_COMMAND, "x"},
              {5, RAFT_BARRIER, std::string(8, '\0')}};
  const Update update = node.start(7, 3);
  EXPECT_FALSE(update.has(RAFT_UPDATE_ENTRIES));
  EXPECT_EQ(raft_state(node.get()), RAFT_FOLLOWER);
  EXPECT_EQ(raft_current_term(node.get()), 7u);
  EXPECT_EQ(raft_voted_for(node.get()), 3u);
  EXPECT_EQ(raft_commit_index(node.get()), 1u);
  EXPECT_EQ(raft_last_index(node.get()), 4u);
  EXPECT_GE(raft_timeout(node.get()), node.now + 1000);
  EXPECT_LT(raft_timeout(node.get()), node.now + 2000);
}

TEST(Start, WithNothingStoredItWaits) {
  Node node(1);
  node.start(0);
  EXPECT_EQ(raft_state(node.get()), RAFT_FOLLOWER);
  EXPECT_EQ(raft_role(node.get()), -1);
  EXPECT_EQ(raft_commit_index(node.get()), 0u);
  const Update update = node.timeout();
  EXPECT_EQ(raft_state(node.get()), RAFT_FOLLOWER);
  EXPECT_TRUE(update.messages.empty());
  EXPECT_GT(raft_timeout(node.get()), node.now);
}

TEST(Start, WithASnapshot) {
  Node node(1);
  Configuration members(kThree);
  struct raft_snapshot_metadata metadata = {10, 3, *members.get(), 6};
  node.first_index = 9;
  node.log = {{3, RAFT_COMMAND, "9"}, {3, RAFT_COMMAND, "10"}, {4, RAFT_COMMAND, "11"}};
  Update update;
  ASSERT_EQ(node.try_start(4, 0, &update, &metadata), 0) << raft_errmsg(node.get());
  EXPECT_EQ(raft_commit_index(node.get()), 10u);
  EXPECT_EQ(raft_last_index(node.get()), 11u);
  EXPECT_EQ(raft_role(node.get()), RAFT_VOTER);
}

TEST(Start, RefusesWhatCannotHaveBeenStored) {
  const std::string change = Configuration(kThree).encoded();
  const auto refused = [&](int code, const std::vector<StoredEntry>& log, raft_term term, raft_id vote = 0,
                           raft_index first = 1, struct raft_snapshot_metadata* metadata = nullptr) {
    Node node(1);
    node.log = log;
    node.first_index = first;
    Update update;
    EXPECT_EQ(node.try_start(term, vote, &update, metadata), code);
    EXPECT_EQ(raft_state(node.get()), RAFT_UNAVAILABLE);
    // And may be started rightly after that.
    node.first_index = 1;
    node.log = {{1, RAFT_CHANGE, change}};
    node.start(1);
    EXPECT_EQ(raft_state(node.get()), RAFT_FOLLOWER);
  };
  refused(RAFT_INVALID, {{2, RAFT_CHANGE, change}}, 1);
  refused(RAFT_INVALID, {{2, RAFT_CHANGE, change}, {1, RAFT_COMMAND, ""}}, 3);
  refused(RAFT_INVALID, {{0, RAFT_CHANGE, change}}, 1);
  refused(RAFT_INVALID, {{1, 4, change}}, 1);
  refused(RAFT_MALFORMED, {{1, RAFT_CHANGE, "nonsense"}}, 1);
  refused(RAFT_INVALID, {}, 0, 2);
  refused(RAFT_INVALID, {}, 1ull << 53);
  refused(RAFT_INVALID, {{1, RAFT_CHANGE, change}}, 1, 0, 2);
  Configuration members(kThree);
  Configuration none;
  for (struct raft_snapshot_metadata wrong :
       {raft_snapshot_metadata{0, 1, *members.get(), 0}, raft_snapshot_metadata{5, 0, *members.get(), 1},
        raft_snapshot_metadata{5, 9, *members.get(), 1}, raft_snapshot_metadata{5, 1, *members.get(), 6},
        raft_snapshot_metadata{5, 1, *none.get(), 1}})
    refused(RAFT_INVALID, {}, 1, 0, 6, &wrong);
  struct raft_snapshot_metadata gap = {5, 1, *members.get(), 1};
  refused(RAFT_INVALID, {{1, RAFT_COMMAND, ""}}, 1, 0, 7, &gap);
}

TEST(Step, RefusesEventsOutOfPlace) {
  Node node(1);
  Update update;
  struct raft_event event = node.event(RAFT_TIMEOUT);
  EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
  EXPECT_STREQ(raft_errmsg(node.get()), "RAFT_START must be the first event");
  node.bootstrap(kThree);
  EXPECT_EQ(node.try_start(1, 0, &update), RAFT_INVALID);
  EXPECT_STREQ(raft_errmsg(node.get()), "RAFT_START came a second time");
  for (const unsigned char type : {0, 11, 255}) {
    event = node.event(type);
    EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
  }
  event = node.event(RAFT_TIMEOUT);
  event.time = node.now - 1;
  EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
  event.time = 1ull << 53;
  EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
  event = node.event(RAFT_PERSISTED_ENTRIES);
  event.persisted_entries.index = 2;
  EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
  event = node.event(RAFT_PERSISTED_SNAPSHOT);
  event.persisted_snapshot.metadata.index = 1;
  EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
  event.persisted_snapshot.last = true;
  EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
  event = node.event(RAFT_CONFIGURATION);
  event.configuration.index = 2;
  EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
  EXPECT_EQ(raft_state(node.get()), RAFT_FOLLOWER);
  // None of that has changed anything.
  EXPECT_EQ(raft_last_index(node.get()), 1u);
  node.timeout();
  EXPECT_EQ(raft_state(node.get()), RAFT_CANDIDATE);
}

TEST(Settings, TimeoutsAreThoseThatWereSet) {
  Node node(1);
  raft_set_election_timeout(node.get(), 5000);
  raft_set_heartbeat_timeout(node.get(), 700);
  node.bootstrap(kThree);
  EXPECT_GE(raft_timeout(node.get()), node.now + 5000);
  EXPECT_LT(raft_timeout(node.get()), node.now + 10000);
  Node lone(2);
  raft_set_heartbeat_timeout(lone.get(), 700);
  lone.bootstrap({{2, RAFT_VOTER}});
  EXPECT_LE(raft_timeout(lone.get()), lone.now + 700);
}

TEST(Settings, NonsenseIsRefusedWithTheNextStep) {
  Node node(1);
  node.bootstrap(kThree);
  const auto refused = [&](const char* word) {
    struct raft_event event = node.event(RAFT_TIMEOUT);
    Update update;
    EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
    EXPECT_NE(std::string(raft_errmsg(node.get())).find(word), std::string::npos) << raft_errmsg(node.get());
  };
  raft_set_election_timeout(node.get(), 100);
  refused("election timeout");
  raft_set_election_timeout(node.get(), 1000);
  raft_set_heartbeat_timeout(node.get(), 0);
  refused("heartbeat timeout");
  raft_set_heartbeat_timeout(node.get(), 100);
  raft_set_max_inflight_entries(node.get(), 0);
  refused("max_inflight_entries");
  raft_set_max_inflight_entries(node.get(), 1);
  raft_set_max_catch_up_rounds(node.get(), 0);
  refused("max_catch_up_rounds");
  raft_set_max_catch_up_rounds(node.get(), 1);
  raft_set_max_catch_up_round_duration(node.get(), 1);
  raft_set_install_snapshot_timeout(node.get(), 1);
  node.timeout();
  EXPECT_EQ(raft_state(node.get()), RAFT_CANDIDATE);
}

TEST(Settings, SeedsDecideTimeouts) {
  const auto timeout_with = [](unsigned seed) {
    Node node(1);
    raft_seed(node.get(), seed);
    node.bootstrap(kThree);
    return raft_timeout(node.get());
  };
  EXPECT_EQ(timeout_with(1), timeout_with(1));
  std::vector<raft_time> seen;
  for (unsigned seed = 0; seed < 20; seed++) seen.push_back(timeout_with(seed));
  EXPECT_GT(std::set<raft_time>(seen.begin(), seen.end()).size(), 10u);
}

TEST(Submit, GivesEntriesBackInOrder) {
  Node node(1);
  node.bootstrap({{1, RAFT_VOTER}});
  node.persisted(2);
  const Update update =
      node.submit({{0, RAFT_COMMAND, "a"}, {2, RAFT_COMMAND, "bb"}, {0, RAFT_BARRIER, "12345678"}});
  EXPECT_EQ(update.first, 3u);
  ASSERT_EQ(update.entries.size(), 3u);
  EXPECT_EQ(update.entries[0].data, "a");
  EXPECT_EQ(update.entries[1].data, "bb");
  EXPECT_EQ(update.entries[2].type, RAFT_BARRIER);
  for (const StoredEntry& entry : update.entries) EXPECT_EQ(entry.term, 2u);
  EXPECT_EQ(raft_commit_index(node.get()), 2u);
  node.submit(commands(2));
  // A part of what was handed out.
  node.persisted(5);
  EXPECT_EQ(raft_commit_index(node.get()), 5u);
  node.persisted(7);
  EXPECT_EQ(raft_commit_index(node.get()), 7u);
}

TEST(Submit, TheBatchPassesThrough) {
  Node node(1);
  node.bootstrap({{1, RAFT_VOTER}});
  void* const batch = raft_malloc(4);
  memcpy(batch, "data", 4);
  struct raft_entry entry = {0, RAFT_COMMAND, {batch, 4}, batch};
  struct raft_event submit = node.event(RAFT_SUBMIT);
  submit.submit.entries = &entry;
  submit.submit.n = 1;
  struct raft_update update;
  ASSERT_EQ(raft_step(node.get(), &submit, &update), 0);
  EXPECT_EQ(update.entries.batch[0].batch, batch);
  EXPECT_EQ(update.entries.batch[0].buf.base, batch);
  EXPECT_NE(update.entries.batch, &entry);
  raft_free(update.entries.batch[0].batch);
  raft_free(update.entries.batch);
}

TEST(Submit, RefusesWhatIsWrong) {
  Node node(1);
  node.bootstrap({{1, RAFT_VOTER}});
  node.persisted(2);
  Update update;
  EXPECT_EQ(node.try_submit({}, &update), RAFT_INVALID);
  EXPECT_EQ(node.try_submit({{1, RAFT_COMMAND, ""}}, &update), RAFT_INVALID);
  EXPECT_EQ(node.try_submit({{0, 0, ""}}, &update), RAFT_INVALID);
  EXPECT_EQ(node.try_submit({{0, RAFT_CHANGE, "bytes"}}, &update), RAFT_MALFORMED);
  struct raft_event submit = node.event(RAFT_SUBMIT);
  submit.submit.n = 1;
  EXPECT_EQ(node.try_step(submit, &update), RAFT_INVALID);
  EXPECT_EQ(raft_last_index(node.get()), 2u);
  Node follower(2);
  follower.bootstrap(kThree);
  EXPECT_EQ(follower.try_submit(commands(1), &update), RAFT_NOTLEADER);
  EXPECT_EQ(follower.try_catch_up(3, &update), RAFT_NOTLEADER);
  EXPECT_EQ(follower.try_transfer(3, &update), RAFT_NOTLEADER);
}

// Many more messages and entries than fit the buffer that a server has at first.
TEST(Step, AnswersOfAnySizeArrive) {
  std::vector<Role> roles;
  for (raft_id id = 1; id <= 151; id++) roles.push_back({id, RAFT_VOTER});
  Node node(1);
  node.bootstrap(roles);
  const Update update = node.timeout();
  ASSERT_EQ(update.messages.size(), 150u);
  std::set<raft_id> asked;
  for (const struct raft_message& message : update.messages) {
    EXPECT_EQ(message.type, RAFT_REQUEST_VOTE);
    asked.insert(message.server_id);
  }
  EXPECT_EQ(asked.size(), 150u);
  Node stored(1);
  stored.log = {{1, RAFT_CHANGE, Configuration(roles).encoded()}};
  for (raft_term term = 2; term < 1500; term++) stored.log.push_back({term, RAFT_COMMAND, "x"});
  stored.start(2000);
  EXPECT_EQ(raft_last_index(stored.get()), 1499u);
}

}  // namespace
}  // namespace craft_test
