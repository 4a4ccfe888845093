// What takes several servers: membership, catching up, snapshots, handing over.
#include <gtest/gtest.h>
#include <raft.h>

#include <string>

#include "harness.h"

namespace craft_test {
namespace {

StoredEntry change(const std::vector<Role>& roles) {
  return {0, RAFT_CHANGE, Configuration(roles).encoded()};
}

std::vector<Role> with(std::vector<Role> roles, raft_id id, int role) {
  for (Role& one : roles)
    if (one.id == id) {
      one.role = role;
      return roles;
    }
  roles.push_back({id, role});
  return roles;
}

// Submits a configuration at the leader; it is committed and applied when this returns.
void set_members(Cluster& cluster, raft_id leader, const std::vector<Role>& roles) {
  cluster.handle(leader, cluster.node(leader).submit({change(roles)}));
  const raft_index index = raft_last_index(cluster.node(leader).get());
  ASSERT_EQ(raft_commit_index(cluster.node(leader).get()), index);
  cluster.handle(leader, cluster.node(leader).configuration(index, roles));
}

TEST(Members, AServerJoinsCatchesUpAndVotes) {
  Cluster cluster(kThree);
  cluster.elect(1);
  cluster.handle(1, cluster.node(1).submit(commands(100)));
  EXPECT_EQ(raft_commit_index(cluster.node(1).get()), 102u);
  cluster.add(4).start(0);
  set_members(cluster, 1, with(kThree, 4, RAFT_SPARE));
  int status = -1;
  EXPECT_EQ(raft_catch_up(cluster.node(1).get(), 4, &status), 0);
  EXPECT_EQ(status, RAFT_CATCH_UP_NONE);
  set_members(cluster, 1, with(kThree, 4, RAFT_STANDBY));
  Update update;
  EXPECT_EQ(cluster.node(1).try_catch_up(2, &update), RAFT_BADID);
  EXPECT_EQ(cluster.node(1).try_catch_up(9, &update), RAFT_BADID);
  ASSERT_EQ(cluster.node(1).try_catch_up(4, &update), 0);
  cluster.handle(1, update);
  cluster.heartbeat(1);
  EXPECT_EQ(raft_catch_up(cluster.node(1).get(), 4, &status), 0);
  EXPECT_EQ(status, RAFT_CATCH_UP_FINISHED);
  EXPECT_EQ(raft_role(cluster.node(4).get()), RAFT_STANDBY);
  raft_index match = 0;
  EXPECT_EQ(raft_match_index(cluster.node(1).get(), 4, &match), 0);
  EXPECT_EQ(match, raft_last_index(cluster.node(1).get()));
  set_members(cluster, 1, with(kThree, 4, RAFT_VOTER));
  cluster.heartbeat(1);
  EXPECT_EQ(raft_role(cluster.node(4).get()), RAFT_VOTER);
  EXPECT_EQ(raft_commit_index(cluster.node(4).get()), raft_commit_index(cluster.node(1).get()));
}

TEST(Members, ASilentServerIsGivenUp) {
  Cluster cluster(kThree);
  cluster.elect(1);
  set_members(cluster, 1, with(kThree, 4, RAFT_STANDBY));
  Update update;
  ASSERT_EQ(cluster.node(1).try_catch_up(4, &update), 0);
  cluster.handle(1, update);
  int status = 0;
  EXPECT_EQ(raft_catch_up(cluster.node(1).get(), 4, &status), 0);
  EXPECT_EQ(status, RAFT_CATCH_UP_RUNNING);
  EXPECT_EQ(cluster.node(1).try_catch_up(4, &update), RAFT_CANTCHANGE);
  EXPECT_EQ(cluster.node(1).try_submit({change(kThree)}, &update), RAFT_CANTCHANGE);
  for (int i = 0; i < 100; i++) cluster.pass(100);
  ASSERT_EQ(raft_state(cluster.node(1).get()), RAFT_LEADER);
  EXPECT_EQ(raft_catch_up(cluster.node(1).get(), 4, &status), 0);
  EXPECT_EQ(status, RAFT_CATCH_UP_ABORTED);
}

TEST(Members, AChangeCountsWhenAppendedAndIsRolledBack) {
  Cluster cluster(kThree);
  cluster.elect(1);
  cluster.drops = [](raft_id from, raft_id to, const struct raft_message&) { return from == 1 || to == 1; };
  Update update = cluster.node(1).submit({change(with(kThree, 1, RAFT_STANDBY))});
  EXPECT_EQ(raft_role(cluster.node(1).get()), RAFT_STANDBY);
  cluster.elect(2);
  EXPECT_EQ(raft_role(cluster.node(2).get()), RAFT_VOTER);
  cluster.drops = nullptr;
  for (int i = 0; i < 30; i++) cluster.pass(100);
  EXPECT_EQ(raft_role(cluster.node(1).get()), RAFT_VOTER);
  EXPECT_EQ(raft_commit_index(cluster.node(1).get()), raft_commit_index(cluster.node(2).get()));
}

TEST(Members, OneVoteAtATimeAndOneChangeAtATime) {
  Cluster cluster(kThree);
  cluster.elect(1);
  Update update;
  EXPECT_EQ(cluster.node(1).try_submit({change({{1, RAFT_VOTER}})}, &update), RAFT_INVALID);
  EXPECT_EQ(cluster.node(1).try_submit({change(with(with(kThree, 4, RAFT_VOTER), 5, RAFT_VOTER))}, &update),
            RAFT_INVALID);
  cluster.drops = [](raft_id, raft_id, const struct raft_message&) { return true; };
  cluster.handle(1, cluster.node(1).submit({change(with(kThree, 4, RAFT_STANDBY))}));
  EXPECT_EQ(cluster.node(1).try_submit({change(kThree)}, &update), RAFT_CANTCHANGE);
}

TEST(Members, ALeaderThatIsTakenOutStepsDown) {
  Cluster cluster(kThree);
  cluster.elect(1);
  const std::vector<Role> rest = {{2, RAFT_VOTER}, {3, RAFT_VOTER}};
  cluster.handle(1, cluster.node(1).submit({change(rest)}));
  EXPECT_NE(raft_state(cluster.node(1).get()), RAFT_LEADER);
  EXPECT_EQ(raft_role(cluster.node(1).get()), -1);
  cluster.elect(2);
  EXPECT_EQ(raft_commit_index(cluster.node(3).get()), raft_last_index(cluster.node(2).get()));
}

TEST(Transfer, TheOtherOneLeads) {
  Cluster cluster(kThree);
  cluster.elect(1);
  Update update;
  ASSERT_EQ(cluster.node(1).try_transfer(3, &update), 0);
  cluster.handle(1, update);
  EXPECT_EQ(raft_state(cluster.node(3).get()), RAFT_LEADER);
  EXPECT_EQ(raft_state(cluster.node(1).get()), RAFT_FOLLOWER);
  raft_id leader = 0;
  raft_leader(cluster.node(1).get(), &leader, nullptr);
  EXPECT_EQ(leader, 3u);
}

class Snapshots : public testing::Test {
 protected:
  // The leader has a snapshot up to `index`, and nothing before index - trailing + 1 in its log.
  void take(raft_index index, unsigned trailing) {
    Node& leader = cluster.node(1);
    Configuration members(kThree);
    struct raft_event event = leader.event(RAFT_SNAPSHOT);
    event.snapshot.metadata = {index, 2, *members.get(), 1};
    event.snapshot.trailing = trailing;
    leader.step(event);
    cluster.snapshot_index = index;
    cluster.snapshot_term = 2;
    cluster.snapshot_configuration_index = 1;
  }

  Cluster cluster{kThree};
};

TEST_F(Snapshots, AFollowerThatIsFarBehindGetsOne) {
  cluster.elect(1);
  cluster.drops = [](raft_id from, raft_id to, const struct raft_message&) { return from == 3 || to == 3; };
  cluster.handle(1, cluster.node(1).submit(commands(50)));
  take(52, 0);
  cluster.handle(1, cluster.node(1).submit(commands(1)));
  cluster.drops = nullptr;
  for (int i = 0; i < 30; i++) cluster.pass(100);
  EXPECT_EQ(raft_last_index(cluster.node(3).get()), 53u);
  EXPECT_EQ(raft_commit_index(cluster.node(3).get()), 53u);
  EXPECT_EQ(cluster.node(3).first_index, 53u);
  EXPECT_EQ(raft_role(cluster.node(3).get()), RAFT_VOTER);
}

TEST_F(Snapshots, TrailingEntriesSpareOne) {
  cluster.elect(1);
  cluster.drops = [](raft_id from, raft_id to, const struct raft_message&) { return from == 3 || to == 3; };
  cluster.handle(1, cluster.node(1).submit(commands(50)));
  take(52, 52);
  cluster.drops = [](raft_id, raft_id, const struct raft_message& message) {
    return message.type == RAFT_INSTALL_SNAPSHOT;
  };
  for (int i = 0; i < 30; i++) cluster.pass(100);
  EXPECT_EQ(raft_commit_index(cluster.node(3).get()), 52u);
  EXPECT_EQ(cluster.node(3).first_index, 1u);
}

TEST_F(Snapshots, RefusesWhatIsNotCommitted) {
  cluster.elect(1);
  Node& leader = cluster.node(1);
  Configuration members(kThree);
  Update update;
  struct raft_event event = leader.event(RAFT_SNAPSHOT);
  event.snapshot.metadata = {3, 2, *members.get(), 1};
  EXPECT_EQ(leader.try_step(event, &update), RAFT_INVALID);
  event.snapshot.metadata = {2, 1, *members.get(), 1};
  EXPECT_EQ(leader.try_step(event, &update), RAFT_INVALID);
  event.snapshot.metadata = {2, 2, *members.get(), 3};
  EXPECT_EQ(leader.try_step(event, &update), RAFT_INVALID);
  event.snapshot.metadata = {2, 2, *Configuration().get(), 1};
  EXPECT_EQ(leader.try_step(event, &update), RAFT_INVALID);
  event.snapshot.metadata = {2, 2, *members.get(), 1};
  EXPECT_EQ(leader.try_step(event, &update), 0) << raft_errmsg(leader.get());
}

struct raft_message install(struct raft_configuration* members, raft_index index, const char* data) {
  struct raft_message message {};
  message.type = RAFT_INSTALL_SNAPSHOT;
  message.install_snapshot = {0, 5, index, 4, *members, 7, {nullptr, 0}};
  if (data != nullptr) {
    message.install_snapshot.data = {raft_malloc(strlen(data)), strlen(data)};
    memcpy(message.install_snapshot.data.base, data, strlen(data));
  }
  return message;
}

TEST(Installing, AnswersOnceItIsStored) {
  Node node(1);
  node.bootstrap(kThree);
  const std::vector<Role> roles = {{1, RAFT_STANDBY}, {2, RAFT_VOTER}, {3, RAFT_VOTER}};
  Configuration members(roles);
  const Update update = node.receive(2, install(members.get(), 20, "the state"));
  ASSERT_TRUE(update.has(RAFT_UPDATE_SNAPSHOT));
  EXPECT_EQ(update.snapshot_index, 20u);
  EXPECT_EQ(update.snapshot_term, 4u);
  EXPECT_EQ(update.snapshot_configuration_index, 7u);
  EXPECT_EQ(update.snapshot_data, "the state");
  EXPECT_TRUE(update.snapshot_last);
  ASSERT_EQ(update.snapshot_members.size(), 3u);
  EXPECT_EQ(update.snapshot_members[0].role, RAFT_STANDBY);
  EXPECT_EQ(raft_role(node.get()), RAFT_STANDBY);
  EXPECT_FALSE(update.has(RAFT_UPDATE_COMMIT_INDEX));
  EXPECT_EQ(raft_commit_index(node.get()), 1u);
  for (const struct raft_message& message : update.messages)
    EXPECT_LT(message.append_entries_result.last_log_index, 20u);
  // It replaces what an own one would be taken from.
  struct raft_event own = node.event(RAFT_SNAPSHOT);
  own.snapshot.metadata = {1, 1, *members.get(), 1};
  Update refused;
  EXPECT_EQ(node.try_step(own, &refused), RAFT_BUSY);
  // Another copy meanwhile is freed, and so is one that is out of date.
  EXPECT_FALSE(node.receive(2, install(members.get(), 20, "again")).has(RAFT_UPDATE_SNAPSHOT));
  struct raft_event persisted = node.event(RAFT_PERSISTED_SNAPSHOT);
  persisted.persisted_snapshot.metadata = {20, 4, *members.get(), 7};
  persisted.persisted_snapshot.last = true;
  const Update stored = node.step(persisted);
  const struct raft_message* const answer = stored.find(RAFT_APPEND_ENTRIES_RESULT, 2);
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer->append_entries_result.rejected, 0u);
  EXPECT_EQ(answer->append_entries_result.last_log_index, 20u);
  EXPECT_TRUE(stored.has(RAFT_UPDATE_COMMIT_INDEX));
  EXPECT_EQ(raft_last_index(node.get()), 20u);
  EXPECT_EQ(raft_commit_index(node.get()), 20u);
  EXPECT_FALSE(node.receive(2, install(members.get(), 15, "old")).has(RAFT_UPDATE_SNAPSHOT));
  node.first_index = 21;
  node.log.clear();
  const Update next = node.receive_entries(2, 5, 20, 4, {{5, RAFT_COMMAND, "x"}});
  EXPECT_EQ(next.first, 21u);
}

TEST(Installing, RefusesNonsense) {
  Node node(1);
  node.bootstrap(kThree);
  Configuration members(kThree);
  Update update;
  struct raft_message message = install(members.get(), 0, nullptr);
  message.server_id = 2;
  EXPECT_EQ(node.try_receive(message, &update), RAFT_INVALID);
  message = install(Configuration().get(), 20, nullptr);
  message.server_id = 2;
  EXPECT_EQ(node.try_receive(message, &update), RAFT_INVALID);
  message = install(members.get(), 20, nullptr);
  message.server_id = 2;
  message.install_snapshot.data.len = 5;
  EXPECT_EQ(node.try_receive(message, &update), RAFT_INVALID);
  EXPECT_EQ(raft_current_term(node.get()), 1u);
}

}  // namespace
}  // namespace craft_test
