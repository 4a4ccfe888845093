// Every message, received and sent, field by field; votes, replication, and what becomes of the memory.
#include <gtest/gtest.h>
#include <raft.h>

#include <string>

#include "harness.h"

namespace craft_test {
namespace {

struct raft_message vote_request(raft_id candidate, raft_term term, raft_index last, raft_term last_term,
                                 bool pre_vote = false, bool disrupt = false) {
  struct raft_message message {};
  message.type = RAFT_REQUEST_VOTE;
  message.request_vote = {2, term, candidate, last, last_term, disrupt, pre_vote};
  return message;
}

struct raft_message vote(raft_term term, bool granted, bool pre_vote = false) {
  struct raft_message message {};
  message.type = RAFT_REQUEST_VOTE_RESULT;
  message.request_vote_result = {2, term, granted, pre_vote, 0, 0};
  return message;
}

struct raft_message result(raft_term term, raft_index rejected, raft_index last, int capacity = -1) {
  struct raft_message message {};
  message.type = RAFT_APPEND_ENTRIES_RESULT;
  message.append_entries_result = {1,
                                   term,
                                   rejected,
                                   last,
                                   static_cast<unsigned short>(capacity < 0 ? 0 : 1),
                                   static_cast<unsigned short>(capacity)};
  return message;
}

// Server 1 of three, elected in term 2; its barrier is stored.
Update make_leader(Node& node) {
  node.bootstrap(kThree);
  node.timeout();
  Update update = node.receive(2, vote(2, true));
  EXPECT_EQ(raft_state(node.get()), RAFT_LEADER);
  node.persisted(2);
  return update;
}

TEST(Election, AsksForVotesAndLeads) {
  Node node(1);
  node.bootstrap(kThree);
  const Update asks = node.timeout();
  EXPECT_TRUE(asks.has(RAFT_UPDATE_CURRENT_TERM));
  EXPECT_TRUE(asks.has(RAFT_UPDATE_VOTED_FOR));
  EXPECT_TRUE(asks.has(RAFT_UPDATE_STATE));
  EXPECT_TRUE(asks.has(RAFT_UPDATE_TIMEOUT));
  EXPECT_EQ(raft_state(node.get()), RAFT_CANDIDATE);
  EXPECT_EQ(raft_voted_for(node.get()), 1u);
  ASSERT_EQ(asks.messages.size(), 2u);
  for (const raft_id to : {2, 3}) {
    const struct raft_message* const message = asks.find(RAFT_REQUEST_VOTE, to);
    ASSERT_NE(message, nullptr);
    EXPECT_EQ(message->request_vote.term, 2u);
    EXPECT_EQ(message->request_vote.candidate_id, 1u);
    EXPECT_EQ(message->request_vote.last_log_index, 1u);
    EXPECT_EQ(message->request_vote.last_log_term, 1u);
    EXPECT_FALSE(message->request_vote.pre_vote);
    EXPECT_FALSE(message->request_vote.disrupt_leader);
  }
  node.receive(2, vote(2, false));
  EXPECT_EQ(raft_state(node.get()), RAFT_CANDIDATE);
  const Update leads = node.receive(3, vote(2, true));
  EXPECT_EQ(raft_state(node.get()), RAFT_LEADER);
  ASSERT_EQ(leads.entries.size(), 1u);
  EXPECT_EQ(leads.entries[0].type, RAFT_BARRIER);
  ASSERT_EQ(leads.messages.size(), 2u);
  const struct raft_message* const append = leads.find(RAFT_APPEND_ENTRIES, 2);
  ASSERT_NE(append, nullptr);
  EXPECT_EQ(append->append_entries.term, 2u);
  EXPECT_EQ(append->append_entries.prev_log_index, 1u);
  EXPECT_EQ(append->append_entries.prev_log_term, 1u);
  EXPECT_EQ(append->append_entries.leader_commit, 1u);
  EXPECT_EQ(append->append_entries.n_entries, 1u);
  EXPECT_EQ(append->append_entries.entries, nullptr);
}

TEST(Election, PreVoteAsksFirst) {
  Node node(1);
  raft_set_pre_vote(node.get(), true);
  node.bootstrap(kThree);
  const Update asks = node.timeout();
  EXPECT_FALSE(asks.has(RAFT_UPDATE_CURRENT_TERM));
  EXPECT_EQ(raft_current_term(node.get()), 1u);
  EXPECT_EQ(raft_state(node.get()), RAFT_CANDIDATE);
  ASSERT_NE(asks.find(RAFT_REQUEST_VOTE), nullptr);
  EXPECT_TRUE(asks.find(RAFT_REQUEST_VOTE)->request_vote.pre_vote);
  EXPECT_EQ(asks.find(RAFT_REQUEST_VOTE)->request_vote.term, 2u);
  const Update real = node.receive(2, vote(2, true, true));
  EXPECT_EQ(raft_current_term(node.get()), 2u);
  ASSERT_NE(real.find(RAFT_REQUEST_VOTE), nullptr);
  EXPECT_FALSE(real.find(RAFT_REQUEST_VOTE)->request_vote.pre_vote);
  // A pre-vote that comes late is no vote.
  node.receive(3, vote(2, true, true));
  EXPECT_EQ(raft_state(node.get()), RAFT_CANDIDATE);
}

TEST(Election, VotesOnceInATermAndForGoodLogsOnly) {
  Node node(1);
  node.log = {{1, RAFT_CHANGE, Configuration(kThree).encoded()}, {3, RAFT_COMMAND, "x"}};
  node.start(3);
  node.now += 10000;
  const Update bad = node.receive(2, vote_request(2, 4, 5, 2));
  ASSERT_NE(bad.find(RAFT_REQUEST_VOTE_RESULT, 2), nullptr);
  EXPECT_FALSE(bad.find(RAFT_REQUEST_VOTE_RESULT)->request_vote_result.vote_granted);
  EXPECT_EQ(raft_current_term(node.get()), 4u);
  EXPECT_EQ(raft_voted_for(node.get()), 0u);
  const Update good = node.receive(3, vote_request(3, 4, 2, 3));
  EXPECT_TRUE(good.has(RAFT_UPDATE_VOTED_FOR));
  ASSERT_NE(good.find(RAFT_REQUEST_VOTE_RESULT, 3), nullptr);
  EXPECT_TRUE(good.find(RAFT_REQUEST_VOTE_RESULT)->request_vote_result.vote_granted);
  EXPECT_EQ(good.find(RAFT_REQUEST_VOTE_RESULT)->request_vote_result.term, 4u);
  EXPECT_EQ(raft_voted_for(node.get()), 3u);
  const Update second = node.receive(2, vote_request(2, 4, 9, 4));
  ASSERT_NE(second.find(RAFT_REQUEST_VOTE_RESULT, 2), nullptr);
  EXPECT_FALSE(second.find(RAFT_REQUEST_VOTE_RESULT)->request_vote_result.vote_granted);
  EXPECT_EQ(raft_voted_for(node.get()), 3u);
}

TEST(Election, APreVoteIsAnsweredAsOne) {
  Node node(1);
  node.bootstrap(kThree);
  node.now += 10000;
  const Update update = node.receive(2, vote_request(2, 2, 1, 1, true));
  const struct raft_message* const answer = update.find(RAFT_REQUEST_VOTE_RESULT, 2);
  ASSERT_NE(answer, nullptr);
  EXPECT_TRUE(answer->request_vote_result.pre_vote);
  EXPECT_TRUE(answer->request_vote_result.vote_granted);
  EXPECT_EQ(answer->request_vote_result.term, 2u);
  EXPECT_EQ(raft_current_term(node.get()), 1u);
  EXPECT_FALSE(update.has(RAFT_UPDATE_VOTED_FOR));
}

TEST(Election, ARefusedPreVoteSaysWhoseTermItHas) {
  Node refusing(1);
  refusing.bootstrap(kThree);
  refusing.now += 10000;
  refusing.receive(3, vote_request(3, 5, 1, 1));
  const Update update = refusing.receive(2, vote_request(2, 2, 1, 1, true));
  const struct raft_message* const answer = update.find(RAFT_REQUEST_VOTE_RESULT, 2);
  ASSERT_NE(answer, nullptr);
  EXPECT_FALSE(answer->request_vote_result.vote_granted);
  EXPECT_EQ(answer->request_vote_result.term, 5u);
  EXPECT_EQ(answer->request_vote_result.features, 1u | 1u << 15);

  Node asking(2);
  raft_set_pre_vote(asking.get(), true);
  asking.bootstrap(kThree);
  asking.now = raft_timeout(asking.get());
  asking.timeout();
  // As the original says it: the term that was asked for.
  asking.receive(1, vote(2, false, true));
  EXPECT_EQ(raft_current_term(asking.get()), 1u);
  struct raft_message refusal = vote(2, false, true);
  refusal.request_vote_result.features = 1 << 15;
  asking.receive(3, refusal);
  EXPECT_EQ(raft_current_term(asking.get()), 2u);
  EXPECT_EQ(raft_state(asking.get()), RAFT_FOLLOWER);
}

TEST(Election, WithALeaderOnlyAHandedOverCandidateGetsAVote) {
  Node node(1);
  node.bootstrap(kThree);
  node.receive_entries(2, 2, 1, 1, {{2, RAFT_BARRIER, std::string(8, '\0')}});
  node.persisted(2);
  node.receive(3, vote_request(3, 3, 2, 2));
  EXPECT_EQ(raft_current_term(node.get()), 2u);
  const Update update = node.receive(3, vote_request(3, 3, 2, 2, false, true));
  EXPECT_EQ(raft_current_term(node.get()), 3u);
  ASSERT_NE(update.find(RAFT_REQUEST_VOTE_RESULT, 3), nullptr);
  EXPECT_TRUE(update.find(RAFT_REQUEST_VOTE_RESULT)->request_vote_result.vote_granted);
}

TEST(Replication, AFollowerAcknowledgesWhatIsDurable) {
  Node node(1);
  node.bootstrap(kThree);
  const Update update =
      node.receive_entries(2, 2, 1, 1, {{2, RAFT_BARRIER, std::string(8, '\0')}, {2, RAFT_COMMAND, "x"}}, 1);
  EXPECT_TRUE(update.has(RAFT_UPDATE_CURRENT_TERM));
  EXPECT_EQ(update.first, 2u);
  ASSERT_EQ(update.entries.size(), 2u);
  EXPECT_EQ(update.entries[1].data, "x");
  for (const struct raft_message& message : update.messages)
    EXPECT_LE(message.append_entries_result.last_log_index, 1u);
  raft_id leader = 0;
  const char* address = nullptr;
  raft_leader(node.get(), &leader, &address);
  EXPECT_EQ(leader, 2u);
  EXPECT_EQ(address, address_of(2));
  node.capacity = 77;
  const Update persisted = node.persisted(3);
  const struct raft_message* const answer = persisted.find(RAFT_APPEND_ENTRIES_RESULT, 2);
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer->append_entries_result.term, 2u);
  EXPECT_EQ(answer->append_entries_result.rejected, 0u);
  EXPECT_EQ(answer->append_entries_result.last_log_index, 3u);
  EXPECT_EQ(answer->append_entries_result.features, 1u);
  EXPECT_EQ(answer->append_entries_result.capacity, 77u);
  const Update heartbeat = node.receive_entries(2, 2, 3, 2, {}, 3);
  EXPECT_TRUE(heartbeat.has(RAFT_UPDATE_COMMIT_INDEX));
  EXPECT_EQ(raft_commit_index(node.get()), 3u);
  EXPECT_EQ(raft_last_index(node.get()), 3u);
}

TEST(Replication, AGapIsRejected) {
  Node node(1);
  node.bootstrap(kThree);
  const Update update = node.receive_entries(2, 2, 5, 2, {{2, RAFT_COMMAND, "x"}});
  EXPECT_FALSE(update.has(RAFT_UPDATE_ENTRIES));
  const struct raft_message* const answer = update.find(RAFT_APPEND_ENTRIES_RESULT, 2);
  ASSERT_NE(answer, nullptr);
  EXPECT_EQ(answer->append_entries_result.rejected, 5u);
  EXPECT_EQ(answer->append_entries_result.last_log_index, 1u);
}

// Of a batch only the entries that are new come out, and it is one batch still.
TEST(Replication, WhatIsThereAlreadyIsLeftOut) {
  Node node(1);
  node.bootstrap(kThree);
  const std::vector<StoredEntry> entries = {
      {2, RAFT_COMMAND, "a"}, {2, RAFT_COMMAND, "b"}, {2, RAFT_COMMAND, "c"}};
  node.receive_entries(2, 2, 1, 1, {entries[0], entries[1]});
  node.persisted(3);
  const Update update = node.receive_entries(2, 2, 1, 1, entries);
  EXPECT_EQ(update.first, 4u);
  ASSERT_EQ(update.entries.size(), 1u);
  EXPECT_EQ(update.entries[0].data, "c");
  node.persisted(4);
  EXPECT_FALSE(node.receive_entries(2, 2, 1, 1, entries).has(RAFT_UPDATE_ENTRIES));
  EXPECT_EQ(node.log.size(), 4u);
}

TEST(Replication, ConflictsAreReplaced) {
  Node node(1);
  node.bootstrap(kThree);
  node.receive_entries(2, 2, 1, 1, {{2, RAFT_COMMAND, "a"}, {2, RAFT_COMMAND, "b"}, {2, RAFT_COMMAND, "c"}});
  node.persisted(4);
  const Update update = node.receive_entries(3, 3, 2, 2, {{3, RAFT_COMMAND, "B"}});
  EXPECT_EQ(update.first, 3u);
  EXPECT_EQ(raft_last_index(node.get()), 3u);
  const Update persisted = node.persisted(3);
  ASSERT_NE(persisted.find(RAFT_APPEND_ENTRIES_RESULT, 3), nullptr);
  EXPECT_EQ(persisted.find(RAFT_APPEND_ENTRIES_RESULT)->append_entries_result.last_log_index, 3u);
}

// Entries that were received one by one each have a batch: none is lost and none freed twice (ASan tells).
TEST(Replication, SeveralBatchesInOneMessage) {
  Node node(1);
  node.bootstrap(kThree);
  for (const bool again : {false, true}) {
    std::vector<struct raft_entry> entries;
    for (int i = 0; i < 3 + (again ? 1 : 0); i++) {
      void* const batch = raft_malloc(8);
      entries.push_back({2, RAFT_COMMAND, {batch, 8}, batch});
      memset(batch, i, 8);
    }
    struct raft_message message {};
    message.type = RAFT_APPEND_ENTRIES;
    message.append_entries = {0, 2, 1, 1, 1, entries.data(), static_cast<unsigned>(entries.size())};
    const Update update = node.receive(2, message);
    EXPECT_EQ(update.entries.size(), again ? 1u : 3u);
    node.persisted(raft_last_index(node.get()));
  }
}

TEST(Replication, ALeaderCommitsByMajorityAndTellsProgress) {
  Node node(1);
  make_leader(node);
  EXPECT_EQ(raft_commit_index(node.get()), 1u);
  raft_index match = 0;
  EXPECT_EQ(raft_match_index(node.get(), 2, &match), 0);
  EXPECT_EQ(match, 0u);
  const Update update = node.receive(2, result(2, 0, 2));
  EXPECT_TRUE(update.has(RAFT_UPDATE_COMMIT_INDEX));
  EXPECT_EQ(raft_commit_index(node.get()), 2u);
  EXPECT_EQ(raft_match_index(node.get(), 2, &match), 0);
  EXPECT_EQ(match, 2u);
  const Update submitted = node.submit(commands(3));
  const struct raft_message* const append = submitted.find(RAFT_APPEND_ENTRIES, 2);
  ASSERT_NE(append, nullptr);
  EXPECT_EQ(append->append_entries.prev_log_index, 2u);
  EXPECT_EQ(append->append_entries.n_entries, 3u);
  // A majority without the leader's own disk is one as well.
  node.receive(2, result(2, 0, 5));
  node.receive(3, result(2, 0, 5));
  EXPECT_EQ(raft_commit_index(node.get()), 5u);
}

TEST(Replication, ARejectionMakesTheLeaderGoBack) {
  Node node(1);
  node.log = {{1, RAFT_CHANGE, Configuration(kThree).encoded()}};
  for (int i = 0; i < 5; i++) node.log.push_back({1, RAFT_COMMAND, "x"});
  node.start(1);
  node.timeout();
  node.receive(2, vote(2, true));
  ASSERT_EQ(raft_state(node.get()), RAFT_LEADER);
  const Update update = node.receive(3, result(2, 6, 2));
  const struct raft_message* const append = update.find(RAFT_APPEND_ENTRIES, 3);
  ASSERT_NE(append, nullptr);
  EXPECT_EQ(append->append_entries.prev_log_index, 2u);
  EXPECT_EQ(append->append_entries.prev_log_term, 1u);
}

TEST(Replication, HeartbeatsGoOutInTime) {
  Node node(1);
  make_leader(node);
  node.receive(2, result(2, 0, 2));
  EXPECT_LE(raft_timeout(node.get()), node.now + 100);
  const Update update = node.timeout();
  const struct raft_message* const heartbeat = update.find(RAFT_APPEND_ENTRIES, 2);
  ASSERT_NE(heartbeat, nullptr);
  EXPECT_EQ(heartbeat->append_entries.n_entries, 0u);
  EXPECT_EQ(heartbeat->append_entries.prev_log_index, 2u);
}

TEST(Replication, ALeaderWithoutAnswersStepsDown) {
  Node node(1);
  make_leader(node);
  for (int i = 0; i < 100 && raft_state(node.get()) == RAFT_LEADER; i++) node.timeout();
  EXPECT_EQ(raft_state(node.get()), RAFT_FOLLOWER);
  Update update;
  EXPECT_EQ(node.try_submit(commands(1), &update), RAFT_NOTLEADER);
  raft_index match = 0;
  EXPECT_EQ(raft_match_index(node.get(), 2, &match), RAFT_NOTLEADER);
}

TEST(Replication, AHigherTermEndsTheLeadership) {
  Node node(1);
  make_leader(node);
  const Update update = node.receive(2, result(9, 5, 1));
  EXPECT_TRUE(update.has(RAFT_UPDATE_STATE));
  EXPECT_TRUE(update.has(RAFT_UPDATE_CURRENT_TERM));
  EXPECT_EQ(raft_state(node.get()), RAFT_FOLLOWER);
  EXPECT_EQ(raft_current_term(node.get()), 9u);
}

TEST(Replication, InflightEntriesAreBounded) {
  Node node(1);
  raft_set_max_inflight_entries(node.get(), 4);
  make_leader(node);
  node.receive(2, result(2, 0, 2));
  unsigned sent = 0;
  for (int i = 0; i < 40; i++)
    for (const struct raft_message& message : node.submit(commands(1)).messages)
      if (message.server_id == 2) sent += message.append_entries.n_entries;
  EXPECT_GE(sent, 1u);
  EXPECT_LE(sent, 8u);
}

TEST(Replication, InflightEntriesAreThoseOfTheStart) {
  Node node(1);
  make_leader(node);
  node.receive(2, result(2, 0, 2));
  raft_set_max_inflight_entries(node.get(), 1);
  unsigned sent = 0;
  for (int i = 0; i < 20; i++)
    for (const struct raft_message& message : node.submit(commands(1)).messages)
      if (message.server_id == 2) sent += message.append_entries.n_entries;
  EXPECT_EQ(sent, 20u);
}

TEST(Replication, AnUpdatesEntriesCountAsAWhole) {
  Node node(1);
  node.bootstrap(kThree);
  node.receive_entries(2, 2, 1, 1, {{2, RAFT_COMMAND, "a"}, {2, RAFT_COMMAND, "b"}});
  EXPECT_EQ(node.persisted(2).find(RAFT_APPEND_ENTRIES_RESULT), nullptr);
  node.receive_entries(2, 2, 3, 2, {{2, RAFT_COMMAND, "c"}});
  const Update first = node.persisted(3);
  ASSERT_NE(first.find(RAFT_APPEND_ENTRIES_RESULT), nullptr);
  EXPECT_EQ(first.find(RAFT_APPEND_ENTRIES_RESULT)->append_entries_result.last_log_index, 3u);
  // The next leader's entry replaces what is under way: its own write is what is waited for.
  node.receive_entries(3, 3, 3, 2, {{3, RAFT_COMMAND, "d"}});
  const Update second = node.persisted(4);
  ASSERT_NE(second.find(RAFT_APPEND_ENTRIES_RESULT, 3), nullptr);
  EXPECT_EQ(second.find(RAFT_APPEND_ENTRIES_RESULT, 3)->append_entries_result.last_log_index, 4u);
}

TEST(Transfer, TimeoutNowStartsAnElection) {
  Node node(1);
  node.bootstrap(kThree);
  node.receive_entries(2, 2, 1, 1, {{2, RAFT_BARRIER, std::string(8, '\0')}});
  node.persisted(2);
  struct raft_message message {};
  message.type = RAFT_TIMEOUT_NOW;
  message.timeout_now = {0, 2, 2, 2};
  const Update update = node.receive(2, message);
  EXPECT_EQ(raft_state(node.get()), RAFT_CANDIDATE);
  EXPECT_EQ(raft_current_term(node.get()), 3u);
  ASSERT_NE(update.find(RAFT_REQUEST_VOTE), nullptr);
  EXPECT_TRUE(update.find(RAFT_REQUEST_VOTE)->request_vote.disrupt_leader);
}

TEST(Transfer, ALeaderHandsOver) {
  Node node(1);
  make_leader(node);
  node.receive(2, result(2, 0, 2));
  Update update;
  EXPECT_EQ(node.try_transfer(1, &update), RAFT_BADID);
  EXPECT_EQ(node.try_transfer(9, &update), RAFT_BADID);
  ASSERT_EQ(node.try_transfer(2, &update), 0);
  EXPECT_EQ(raft_transferee(node.get()), 2u);
  const struct raft_message* const now = update.find(RAFT_TIMEOUT_NOW, 2);
  ASSERT_NE(now, nullptr);
  EXPECT_EQ(now->timeout_now.term, 2u);
  EXPECT_EQ(now->timeout_now.last_log_index, 2u);
  EXPECT_EQ(now->timeout_now.last_log_term, 2u);
  EXPECT_EQ(node.try_submit(commands(1), &update), RAFT_NOTLEADER);
  // Given up after an election timeout, the leadership kept by answers.
  for (int i = 0; i < 30 && raft_transferee(node.get()) != 0; i++) {
    node.timeout();
    node.receive(2, result(2, 0, 2));
  }
  EXPECT_EQ(raft_transferee(node.get()), 0u);
  EXPECT_EQ(raft_state(node.get()), RAFT_LEADER);
  // Nobody named: the one that is furthest.
  ASSERT_EQ(node.try_transfer(0, &update), 0);
  EXPECT_EQ(raft_transferee(node.get()), 2u);
  Node lone(5);
  lone.bootstrap({{5, RAFT_VOTER}});
  lone.persisted(2);
  EXPECT_EQ(lone.try_transfer(0, &update), RAFT_NOTFOUND);
}

TEST(Receive, RefusesWhatNobodyCanHaveSent) {
  Node node(1);
  node.bootstrap(kThree);
  Update update;
  struct raft_event event = node.event(RAFT_RECEIVE);
  EXPECT_EQ(node.try_step(event, &update), RAFT_INVALID);
  struct raft_message message = vote(2, true);
  EXPECT_EQ(node.try_receive(message, &update), RAFT_INVALID);
  message.server_id = 1;
  EXPECT_EQ(node.try_receive(message, &update), RAFT_INVALID);
  message.server_id = 2;
  for (const unsigned short type : {0, 7, 65535}) {
    message.type = type;
    EXPECT_EQ(node.try_receive(message, &update), RAFT_INVALID);
  }
  message = vote(1ull << 53, true);
  message.server_id = 2;
  EXPECT_EQ(node.try_receive(message, &update), RAFT_INVALID);
  message = vote_request(3, 2, 1, 1);
  message.server_id = 2;
  EXPECT_EQ(node.try_receive(message, &update), RAFT_INVALID);
  const auto refuse_entries = [&](int code, const std::vector<StoredEntry>& entries) {
    EntryArray array(entries);
    struct raft_message append {};
    append.type = RAFT_APPEND_ENTRIES;
    append.server_id = 2;
    append.append_entries = {0, 2, 1, 1, 0, array.get(), array.size()};
    EXPECT_EQ(node.try_receive(append, &update), code);
    // The batch has stayed the caller's: `array` frees it.
  };
  refuse_entries(RAFT_INVALID, {{3, RAFT_COMMAND, ""}});
  refuse_entries(RAFT_INVALID, {{0, RAFT_COMMAND, ""}});
  refuse_entries(RAFT_INVALID, {{2, RAFT_COMMAND, ""}, {1, RAFT_COMMAND, ""}});
  refuse_entries(RAFT_INVALID, {{2, 9, ""}});
  refuse_entries(RAFT_MALFORMED, {{2, RAFT_CHANGE, "nonsense"}});
  EXPECT_EQ(raft_current_term(node.get()), 1u);
  EXPECT_EQ(raft_last_index(node.get()), 1u);
}

TEST(Receive, WhatIsOutOfDateIsIgnored) {
  Node node(1);
  node.bootstrap(kThree);
  node.receive_entries(2, 5, 1, 1, {{5, RAFT_COMMAND, "x"}});
  node.persisted(2);
  EXPECT_FALSE(node.receive_entries(3, 4, 1, 1, {{4, RAFT_COMMAND, "old"}}).has(RAFT_UPDATE_ENTRIES));
  EXPECT_FALSE(node.receive(3, vote(4, true)).has(RAFT_UPDATE_STATE));
  EXPECT_EQ(raft_current_term(node.get()), 5u);
  // From nobody's member.
  EXPECT_FALSE(node.receive(99, result(5, 0, 2)).has(RAFT_UPDATE_COMMIT_INDEX));
}

TEST(Receive, WithoutAnAddressTheConfigurationsCounts) {
  Node node(1);
  node.bootstrap(kThree);
  node.now += 10000;
  struct raft_message message = vote_request(2, 2, 1, 1);
  message.server_id = 2;
  Update update;
  ASSERT_EQ(node.try_receive(message, &update), 0);
  ASSERT_NE(update.find(RAFT_REQUEST_VOTE_RESULT, 2), nullptr);
}

// Strangers that invent ids do not fill the memory, and members are served all the same.
TEST(Receive, TheIdsThatAreKnownAreBounded) {
  Node node(1);
  node.bootstrap(kThree);
  struct raft_message message = result(1, 0, 1);
  int refused = 0;
  for (raft_id id = 1000; id < 1000 + 66000; id++) {
    message.server_id = id;
    Update update;
    const int error = node.try_receive(message, &update);
    refused += error == RAFT_TOOMANY ? 1 : 0;
    ASSERT_TRUE(error == 0 || error == RAFT_TOOMANY);
  }
  EXPECT_GT(refused, 400);
  node.receive_entries(2, 2, 1, 1, {{2, RAFT_COMMAND, "x"}});
  EXPECT_EQ(raft_last_index(node.get()), 2u);
}

TEST(Capacity, AFullMajorityTakesNothing) {
  Node node(1);
  node.capacity = 10;
  make_leader(node);
  raft_set_capacity_threshold(node.get(), 5);
  Update update;
  // Too few report to say anything.
  EXPECT_EQ(node.try_submit(commands(1), &update), 0);
  node.receive(2, result(2, 0, 2, 4));
  EXPECT_EQ(node.try_submit(commands(1), &update), RAFT_NOSPACE);
  node.receive(3, result(2, 0, 2, 5));
  EXPECT_EQ(node.try_submit(commands(1), &update), 0);
  node.capacity = 4;
  struct raft_event configuration = node.event(RAFT_CONFIGURATION);
  configuration.configuration.index = 1;
  node.step(configuration);
  EXPECT_EQ(node.try_submit(commands(1), &update), RAFT_NOSPACE);
  raft_set_capacity_threshold(node.get(), 0);
  EXPECT_EQ(node.try_submit(commands(1), &update), 0);
}

}  // namespace
}  // namespace craft_test
