// The example's state machine: writes that come twice, in another order, or with a snapshot.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

extern "C" {
#include "kv/kv_command.h"
#include "kv/kv_request.h"
#include "kv/kv_state.h"
}

namespace {

class KvState : public ::testing::Test {
 protected:
  KvState() { kv_state_init(&state_); }
  ~KvState() override { kv_state_free(&state_); }

  kv_outcome set(uint64_t client, uint64_t sequence, uint64_t oldest, const std::string& key,
                 const std::string& value) {
    return apply(KV_SET, client, sequence, oldest, key, value);
  }
  kv_outcome remove(uint64_t client, uint64_t sequence, const std::string& key) {
    return apply(KV_DEL, client, sequence, sequence, key, "");
  }
  std::string get(const std::string& key) {
    size_t size = 0;
    const char* const value = kv_state_get(&state_, key.data(), key.size(), &size);
    return value == nullptr ? "(none)" : std::string(value, size);
  }

  kv_state state_;

 private:
  // Through the encoding, as a committed entry comes.
  kv_outcome apply(kv_kind kind, uint64_t client, uint64_t sequence, uint64_t oldest, const std::string& key,
                   const std::string& value) {
    const kv_command command{kind,       client,     sequence,     oldest,
                             key.data(), key.size(), value.data(), value.size()};
    kv_bytes bytes{};
    kv_command_encode(&command, &bytes);
    kv_command decoded;
    EXPECT_TRUE(kv_command_decode(&decoded, bytes.data, bytes.size));
    const kv_outcome outcome = kv_state_apply(&state_, ++index_, &decoded);
    kv_bytes_free(&bytes);
    return outcome;
  }

  uint64_t index_ = 0;
};

TEST_F(KvState, AWriteThatComesTwiceIsCarriedOutOnce) {
  EXPECT_EQ(set(1, 1, 1, "k", "old"), KV_DONE_SET);
  EXPECT_EQ(set(2, 1, 1, "k", "new"), KV_DONE_SET);
  EXPECT_EQ(set(1, 1, 1, "k", "old"), KV_DONE_SET);
  EXPECT_EQ(get("k"), "new");
  EXPECT_EQ(state_.writes, 2u);
  EXPECT_EQ(state_.repeats, 1u);
}

TEST_F(KvState, ARepeatedDeleteHasTheFirstAnswer) {
  set(1, 1, 1, "k", "v");
  EXPECT_EQ(remove(1, 2, "k"), KV_DONE_DELETED);
  EXPECT_EQ(remove(1, 2, "k"), KV_DONE_DELETED);
  EXPECT_EQ(remove(1, 3, "k"), KV_DONE_NOTHING);
}

TEST_F(KvState, AWriteThatWasLostIsCarriedOutAfterLaterOnes) {
  EXPECT_EQ(set(1, 2, 1, "b", "2"), KV_DONE_SET);
  EXPECT_EQ(set(1, 3, 1, "c", "3"), KV_DONE_SET);
  EXPECT_EQ(set(1, 1, 1, "a", "1"), KV_DONE_SET);
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(state_.repeats, 0u);
}

TEST_F(KvState, TheWindowMovesWithTheClientsAnswers) {
  EXPECT_EQ(set(1, KV_WINDOW + 1, 1, "a", "1"), KV_BEYOND_WINDOW);
  EXPECT_EQ(set(1, 1, 1, "a", "1"), KV_DONE_SET);
  EXPECT_EQ(set(1, KV_WINDOW + 1, 2, "b", "2"), KV_DONE_SET);
  EXPECT_EQ(set(1, 1, 1, "a", "late"), KV_SETTLED);
  EXPECT_EQ(get("a"), "1");
  // Far above: nothing of the window is left, and nothing old is taken for new.
  EXPECT_EQ(set(1, 10 * KV_WINDOW + 1, 10 * KV_WINDOW + 1, "c", "3"), KV_DONE_SET);
  EXPECT_EQ(set(1, KV_WINDOW + 1, KV_WINDOW + 1, "b", "late"), KV_SETTLED);
  EXPECT_EQ(get("b"), "2");
}

TEST_F(KvState, TheClientThatWasHeardLeastRecentlyIsForgotten) {
  for (uint64_t client = 1; client <= KV_SESSIONS_MAX; client++) set(client, 1, 1, "k", "v");
  set(1, 2, 2, "k", "v");
  set(KV_SESSIONS_MAX + 1, 1, 1, "k", "v");
  EXPECT_EQ(kv_state_outcome(&state_, 1, 2), KV_DONE_SET);
  EXPECT_EQ(kv_state_outcome(&state_, 2, 1), KV_NOT_DONE);
  EXPECT_EQ(kv_state_outcome(&state_, 3, 1), KV_DONE_SET);
}

TEST_F(KvState, ASnapshotHoldsEverythingAndDamageIsSeen) {
  for (int i = 0; i < 500; i++) set(7, static_cast<uint64_t>(i + 1), 1, "key" + std::to_string(i), "v");
  remove(8, 1, "key3");
  kv_bytes snapshot{};
  kv_state_encode(&state_, &snapshot);
  kv_state copy;
  kv_state_init(&copy);
  ASSERT_TRUE(kv_state_decode(&copy, snapshot.data, snapshot.size));
  EXPECT_EQ(kv_state_digest(&copy), kv_state_digest(&state_));
  EXPECT_EQ(kv_state_outcome(&copy, 7, 500), KV_DONE_SET);
  EXPECT_EQ(copy.pairs.count, 499u);
  for (size_t at = 0; at < snapshot.size; at += 37) {
    snapshot.data[at] ^= 0x10;
    EXPECT_FALSE(kv_state_decode(&copy, snapshot.data, snapshot.size)) << "byte " << at;
    snapshot.data[at] ^= 0x10;
  }
  EXPECT_FALSE(kv_state_decode(&copy, snapshot.data, snapshot.size - 1));
  EXPECT_EQ(kv_state_digest(&copy), kv_state_digest(&state_));
  kv_state_free(&copy);
  kv_bytes_free(&snapshot);
}

TEST_F(KvState, TheDigestDoesNotDependOnTheOrderOfPairs) {
  set(1, 1, 1, "a", "1");
  set(1, 2, 1, "b", "2");
  const uint64_t digest = kv_state_digest(&state_);
  kv_state other;
  kv_state_init(&other);
  kv_map_put(&other.pairs, "b", 1, "2", 1);
  kv_map_put(&other.pairs, "a", 1, "1", 1);
  kv_bytes sessions{};
  kv_sessions_encode(&state_.sessions, &sessions);
  kv_reader reader{sessions.data, sessions.size, false};
  ASSERT_TRUE(kv_sessions_decode(&other.sessions, &reader));
  other.writes = 2;
  EXPECT_EQ(kv_state_digest(&other), digest);
  kv_map_put(&other.pairs, "a", 1, "2", 1);
  EXPECT_NE(kv_state_digest(&other), digest);
  kv_bytes_free(&sessions);
  kv_state_free(&other);
}

TEST(KvCommand, BytesThatAreNoCommandAreRefused) {
  kv_command command;
  const std::string noise(64, '\x7f');
  EXPECT_FALSE(kv_command_decode(&command, "", 0));
  EXPECT_FALSE(kv_command_decode(&command, noise.data(), noise.size()));
}

TEST(KvRequest, LinesAreTakenApart) {
  kv_request request;
  std::string line = "18446744073709551615.5.3 SET color deep blue";
  ASSERT_EQ(kv_request_parse(&request, line.data()), nullptr);
  EXPECT_EQ(request.client, UINT64_MAX);
  EXPECT_EQ(request.sequence, 5u);
  EXPECT_EQ(request.oldest, 3u);
  EXPECT_STREQ(request.first, "color");
  EXPECT_STREQ(request.second, "deep blue");
  line = "1.2 GET k";
  ASSERT_EQ(kv_request_parse(&request, line.data()), nullptr);
  EXPECT_EQ(request.oldest, 2u);
  for (const char* const wrong :
       {"", " ", "SET a b", "1.0 GET k", "1.2.3 GET k", "1 GET k", "1.1", "1.1 GET", "1.1 SET a",
        "1.1 STATUS x", "1.1 FLY", "18446744073709551616.1 GET k", "-1.1 GET k", "1.1 GET "}) {
    line = wrong;
    EXPECT_NE(kv_request_parse(&request, line.data()), nullptr) << wrong;
  }
}

}  // namespace
