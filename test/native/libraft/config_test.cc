// RaftConfig: its rules, what is resolved, and its options of the command line.
#include <getopt.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <vector>

#include "fixture.h"

namespace libraft_test {

class LibraftConfig : public Libraft {
 protected:
  // The defaults with a change; their last rule is broken, so that no engine is started where the change is
  // fine.
  static std::string refusal_of(const std::function<void(RaftConfig&)>& change) {
    RaftConfig bad;
    raft_default_config(&bad);
    bad.RetainSnapshots = 0;
    change(bad);
    RaftFSM machine{apply, begin_snapshot, restore};
    EXPECT_EQ(raft_init(&machine, &bad), -1);
    EXPECT_EQ(raft_state(), RAFT_INVALID_STATE);
    return raft_init_error();
  }

  static void expect_refused(const std::function<void(RaftConfig&)>& change, const std::string& text) {
    const std::string why = refusal_of(change);
    EXPECT_EQ(why.compare(0, text.size(), text), 0) << why << " (wanted: " << text << ")";
  }

  static void expect_fine(const std::function<void(RaftConfig&)>& change) {
    expect_refused(change, "RaftConfig: RetainSnapshots is 0, outside 1..");
  }
};

TEST_F(LibraftConfig, Defaults) {
  RaftConfig c;
  std::memset(&c, 0xff, sizeof c);
  raft_default_config(&c);
  EXPECT_STREQ(c.shm_path, "/tmp/raft_shm");
  EXPECT_EQ(c.shm_size, uint64_t{64} << 20);
  EXPECT_STREQ(c.backend_type, "boltdb");
  EXPECT_STREQ(c.base_dir, "");
  EXPECT_EQ(c.api_workers, 4u);
  EXPECT_FALSE(c.verbose);
  EXPECT_EQ(c.listen_port, 9001);
  EXPECT_STREQ(c.peers, "");
  EXPECT_EQ(c.HeartbeatTimeout, 1'000'000'000u);
  EXPECT_EQ(c.ElectionTimeout, 1'000'000'000u);
  EXPECT_EQ(c.CommitTimeout, 50'000'000u);
  EXPECT_EQ(c.MaxAppendEntries, 64u);
  EXPECT_TRUE(c.ShutdownOnRemove);
  EXPECT_TRUE(c.DisableBootstrapAfterElect);
  EXPECT_EQ(c.TrailingLogs, 10240u);
  EXPECT_EQ(c.SnapshotInterval, 120'000'000'000u);
  EXPECT_EQ(c.SnapshotThreshold, 8192u);
  EXPECT_FALSE(c.EnableSingleNode);
  EXPECT_EQ(c.LeaderLeaseTimeout, 500'000'000u);
  EXPECT_STREQ(c.LogOutput, "");
  EXPECT_EQ(c.RetainSnapshots, 8u);
}

// What programs that initialise by position, or print numbers, rely on.
TEST_F(LibraftConfig, OrderOfMembersAndNumbers) {
  const std::vector<size_t> offsets = {
      offsetof(RaftConfig, shm_path),           offsetof(RaftConfig, shm_size),
      offsetof(RaftConfig, backend_type),       offsetof(RaftConfig, base_dir),
      offsetof(RaftConfig, api_workers),        offsetof(RaftConfig, verbose),
      offsetof(RaftConfig, listen_port),        offsetof(RaftConfig, peers),
      offsetof(RaftConfig, HeartbeatTimeout),   offsetof(RaftConfig, ElectionTimeout),
      offsetof(RaftConfig, CommitTimeout),      offsetof(RaftConfig, MaxAppendEntries),
      offsetof(RaftConfig, ShutdownOnRemove),   offsetof(RaftConfig, DisableBootstrapAfterElect),
      offsetof(RaftConfig, TrailingLogs),       offsetof(RaftConfig, SnapshotInterval),
      offsetof(RaftConfig, SnapshotThreshold),  offsetof(RaftConfig, EnableSingleNode),
      offsetof(RaftConfig, LeaderLeaseTimeout), offsetof(RaftConfig, LogOutput),
      offsetof(RaftConfig, RetainSnapshots)};
  EXPECT_EQ(offsets.size(), 21u);
  EXPECT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));
  const std::vector<int> states = {RAFT_INVALID_STATE, RAFT_FOLLOWER, RAFT_CANDIDATE, RAFT_LEADER,
                                   RAFT_SHUTDOWN};
  const std::vector<int> types = {RAFT_LOG_COMMAND, RAFT_LOG_NOOP, RAFT_LOG_ADD_PEER, RAFT_LOG_REMOVE_PEER,
                                  RAFT_LOG_BARRIER};
  const std::vector<int> errors = {RAFT_SUCCESS,
                                   RAFT_E_LEADER,
                                   RAFT_E_NOT_LEADER,
                                   RAFT_E_LEADERSHIP_LOST,
                                   RAFT_E_SHUTDOWN,
                                   RAFT_E_ENQUEUE_TIMEOUT,
                                   RAFT_E_KNOWN_PEER,
                                   RAFT_E_UNKNOWN_PEER,
                                   RAFT_E_LOG_NOT_FOUND,
                                   RAFT_E_PIPELINE_REPLICATION_NOT_SUPP,
                                   RAFT_E_TRANSPORT_SHUTDOWN,
                                   RAFT_E_PIPELINE_SHUTDOWN,
                                   RAFT_E_OTHER,
                                   RAFT_E_INVALID_OP,
                                   RAFT_E_INVALID_ADDRESS,
                                   RAFT_E_RESOLVE,
                                   RAFT_E_IN_SHUTDOWN,
                                   N_RAFT_ERRORS};
  for (const auto& numbers : {states, types, errors}) {
    for (size_t each = 0; each < numbers.size(); each++) EXPECT_EQ(numbers[each], static_cast<int>(each));
  }
}

TEST_F(LibraftConfig, EachRuleIsNamedAndItsLimitsAreFine) {
  constexpr uint64_t kMs = 1'000'000;
  constexpr uint64_t kDay = 24 * 60 * 60 * 1000 * kMs;
  const auto all = [](RaftConfig& c, uint64_t ns) {
    c.HeartbeatTimeout = c.ElectionTimeout = c.LeaderLeaseTimeout = ns;
  };
  expect_fine([](RaftConfig&) {});
  expect_fine([&](RaftConfig& c) { all(c, 5 * kMs); });
  expect_fine([&](RaftConfig& c) { all(c, kDay); });
  expect_refused([](RaftConfig& c) { c.HeartbeatTimeout = 5 * kMs - 1; },
                 "RaftConfig: HeartbeatTimeout is 4999999 ns, must be at least 5 ms");
  expect_refused([&](RaftConfig& c) { all(c, kDay + 1); }, "RaftConfig: HeartbeatTimeout is");
  expect_refused([](RaftConfig& c) { c.ElectionTimeout = 5 * kMs - 1; },
                 "RaftConfig: ElectionTimeout is 4999999 ns, must be at least 5 ms");
  expect_refused([](RaftConfig& c) { c.ElectionTimeout = kDay + 1; }, "RaftConfig: ElectionTimeout is");
  expect_fine([](RaftConfig& c) { c.ElectionTimeout = c.HeartbeatTimeout; });
  expect_refused([](RaftConfig& c) { c.ElectionTimeout = c.HeartbeatTimeout - 1; },
                 "RaftConfig: ElectionTimeout is 999999999, below HeartbeatTimeout");
  expect_fine([](RaftConfig& c) { c.CommitTimeout = kMs; });
  expect_refused([](RaftConfig& c) { c.CommitTimeout = kMs - 1; },
                 "RaftConfig: CommitTimeout is 999999 ns, must be at least 1 ms");
  expect_fine([](RaftConfig& c) { c.SnapshotInterval = 5 * kMs; });
  expect_refused([](RaftConfig& c) { c.SnapshotInterval = 5 * kMs - 1; },
                 "RaftConfig: SnapshotInterval is 4999999 ns, must be at least 5 ms");
  expect_fine([](RaftConfig& c) { c.LeaderLeaseTimeout = 5 * kMs; });
  expect_refused([](RaftConfig& c) { c.LeaderLeaseTimeout = 5 * kMs - 1; },
                 "RaftConfig: LeaderLeaseTimeout is 4999999 ns, must be at least 5 ms");
  expect_fine([](RaftConfig& c) { c.LeaderLeaseTimeout = c.HeartbeatTimeout; });
  expect_refused([](RaftConfig& c) { c.LeaderLeaseTimeout = c.HeartbeatTimeout + 1; },
                 "RaftConfig: LeaderLeaseTimeout is 1000000001, above HeartbeatTimeout");
  expect_fine([](RaftConfig& c) { c.MaxAppendEntries = 1; });
  expect_fine([](RaftConfig& c) { c.MaxAppendEntries = 1024; });
  expect_refused([](RaftConfig& c) { c.MaxAppendEntries = 0; },
                 "RaftConfig: MaxAppendEntries is 0, outside 1..1024");
  expect_refused([](RaftConfig& c) { c.MaxAppendEntries = 1025; },
                 "RaftConfig: MaxAppendEntries is 1025, outside 1..1024");
  expect_refused([](RaftConfig& c) { c.SnapshotThreshold = 0; }, "RaftConfig: SnapshotThreshold is 0");
  expect_refused([](RaftConfig& c) { c.listen_port = 0; }, "RaftConfig: listen_port is 0");
  expect_refused([](RaftConfig& c) { c.shm_size = (64 << 10) - 1; }, "RaftConfig: shm_size is 65535");
  expect_refused([](RaftConfig& c) { c.shm_size = (uint64_t{2} << 30) + 1; }, "RaftConfig: shm_size is");
  expect_fine([](RaftConfig& c) { c.shm_size = uint64_t{2} << 30; });
  expect_refused([](RaftConfig& c) { c.api_workers = 0; }, "RaftConfig: api_workers is 0");
  for (const char* const name : {"boltdb", "mdb", "inmem"})
    expect_fine([name](RaftConfig& c) { std::strcpy(c.backend_type, name); });
  expect_refused([](RaftConfig& c) { std::strcpy(c.backend_type, "paper"); },
                 "RaftConfig: backend_type is \"paper\"");
}

TEST_F(LibraftConfig, TextsEndInsideTheirArrays) {
  expect_refused([](RaftConfig& c) { std::memset(c.shm_path, 'x', sizeof c.shm_path); },
                 "RaftConfig: shm_path");
  expect_refused([](RaftConfig& c) { std::memset(c.backend_type, 'x', sizeof c.backend_type); },
                 "RaftConfig: backend_type");
  expect_refused([](RaftConfig& c) { std::memset(c.base_dir, 'x', sizeof c.base_dir); },
                 "RaftConfig: base_dir");
  expect_refused([](RaftConfig& c) { std::memset(c.peers, 'x', sizeof c.peers); }, "RaftConfig: peers");
  expect_refused([](RaftConfig& c) { std::memset(c.LogOutput, 'x', sizeof c.LogOutput); },
                 "RaftConfig: LogOutput");
}

TEST_F(LibraftConfig, WhatIsFoundOutOnTheWayIsNamedToo) {
  const RaftConfig good = config;
  const auto refused = [&](const std::function<void(RaftConfig&)>& change, const char* named) {
    RaftConfig bad = good;
    change(bad);
    EXPECT_EQ(raft_init(&fsm, &bad), -1) << named;
    EXPECT_NE(std::strstr(raft_init_error(), named), nullptr) << named << ": " << raft_init_error();
    EXPECT_EQ(raft_state(), RAFT_INVALID_STATE);
  };
  refused([](RaftConfig& c) { std::strcpy(c.base_dir, "/proc/none"); }, "base_dir /proc/none");
  refused([](RaftConfig& c) { std::strcpy(c.LogOutput, "/proc/none"); }, "/proc/none");
  refused([](RaftConfig& c) { std::strcpy(c.peers, "localhost"); }, "RaftConfig: peers: \"localhost\"");
  refused([](RaftConfig& c) { std::strcpy(c.peers, "no-such-host.invalid:9"); },
          "RaftConfig: peers: \"no-such-host.invalid\" has no IPv4 address");
  EXPECT_NE(std::strstr(raft_init_error(), "RAFT_E_RESOLVE"), nullptr) << raft_init_error();
  {
    const ScopedEnvironment advertise("POLYRAFT_ADVERTISE", "host:port");
    refused([](RaftConfig&) {}, "POLYRAFT_ADVERTISE is \"host:port\"");
  }
  EXPECT_EQ(raft_init(nullptr, &good), -1);
  RaftFSM empty{};
  EXPECT_EQ(raft_init(&empty, &good), -1);
  start();
  EXPECT_STREQ(raft_init_error(), "");
  EXPECT_EQ(raft_init(&fsm, &good), -1);
  EXPECT_NE(std::strstr(raft_init_error(), "already"), nullptr);
  EXPECT_EQ(reply_of(propose("the first lives on")), 1u);
}

TEST_F(LibraftConfig, OptionsOfTheCommandLine) {
  std::set<std::string> names;
  RaftConfig into{};
  raft_default_config(&into);
  raft_default_config(nullptr);
  const option* each = raft_getopt_long_opts();
  for (; each->name[0] != '\0'; each++) {
    names.insert(each->name);
    EXPECT_GT(each->val, 255);
    EXPECT_TRUE(is_raft_option(each->val));
    if (each->has_arg == required_argument) {
      EXPECT_EQ(raft_apply_option(&into, each->val, nullptr), 1);
      EXPECT_EQ(raft_apply_option(&into, each->val, std::string(300, 'x').c_str()), 1);
    }
    const std::string name = each->name;
    const char* const value = name == "shm-size" ? "2m" : name == "port" ? "9002" : "text";
    EXPECT_EQ(raft_apply_option(&into, each->val, value), 0) << name;
    EXPECT_EQ(raft_apply_option(nullptr, each->val, value), 1);
    if (name == "port") {
      for (const char* bad : {"0", "65536", "-1", "9k", ""})
        EXPECT_EQ(raft_apply_option(&into, each->val, bad), 1);
    }
    if (name == "shm-size") {
      for (const char* bad : {"k", "1t", "1kk", "99999999999999999999", "18446744073709551615g"})
        EXPECT_EQ(raft_apply_option(&into, each->val, bad), 1) << bad;
    }
  }
  EXPECT_EQ(each[1].name, nullptr);
  EXPECT_EQ(names, (std::set<std::string>{"shm-path", "shm-size", "backend-type", "dir", "port", "single",
                                          "peers", "verbose"}));
  EXPECT_EQ(into.shm_size, uint64_t{2} << 20);
  EXPECT_EQ(into.listen_port, 9002);
  EXPECT_STREQ(into.base_dir, "text");
  EXPECT_STREQ(into.peers, "text");
  EXPECT_TRUE(into.EnableSingleNode);
  EXPECT_TRUE(into.verbose);
  EXPECT_FALSE(is_raft_option('n'));
  EXPECT_EQ(raft_apply_option(&into, 'n', "1"), 1);
}

}  // namespace libraft_test
