// Calls of polyraft.h on the real engine, in both runtimes, where polyraft.hpp is not what matters.
#include <atomic>
#include <memory>

#include "cpp/test_host.h"

namespace polyraft::test {
namespace {

using NativeApi = OnEngine;

struct Answer {
  std::atomic<int> calls{0};
  std::atomic<int> code{-1};
  std::atomic<std::uint64_t> index{0};
  std::atomic<std::size_t> lines_seen{0};
  const Lines* state = nullptr;

  static void on_completion(void* user, int code, std::uint64_t index, std::uint64_t) {
    auto* const own = static_cast<Answer*>(user);
    if (own->state != nullptr) own->lines_seen = own->state->lines().size();
    own->index = index;
    own->code = code;
    own->calls++;
  }
};

// Until it is taken: on a busy machine the leadership may change at any moment.
bool write(Server& server, const std::string& data = "x") {
  return eventually([&] { return server.try_propose_wait(data, kWaitMs).has_value(); });
}

// The codes of a leadership that changes are asked again; each has its one completion.
void expect_read_of(const Server& server, const Lines& state, std::size_t lines_at_least) {
  bool seen = false;
  ASSERT_TRUE(eventually([&] {
    Answer answer;
    answer.state = &state;
    EXPECT_EQ(RAFT_ReadIndexAsync(server.handle(), RAFT_READ_SAFE, kWaitMs, Answer::on_completion, &answer),
              RAFT_OK);
    // The answer lies here, so it is waited for whatever happens.
    while (answer.calls == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (answer.code != RAFT_OK) return false;
    seen = answer.lines_seen >= lines_at_least && answer.index > 0;
    return true;
  }));
  EXPECT_TRUE(seen);
}

TEST_P(NativeApi, ReadWithCompletionSeesWhatWasCommittedBefore) {
  std::map<int, Lines> states;
  std::map<int, Server> servers;
  for (const int id : {1, 2, 3}) servers[id] = Server(config(id, {1, 2, 3}), states[id]);
  for (std::size_t written = 1; written <= 8; written++) {
    ASSERT_TRUE(write(servers[1]));
    for (auto& [id, server] : servers) expect_read_of(server, states[id], written);
  }
  EXPECT_TRUE(eventually([&] {
    try {
      return servers[2].read_barrier_async().get() > 0U;
    } catch (const Error&) {
      return false;
    }
  }));
}

TEST_P(NativeApi, ReadWithCompletionEndsWithoutAQuorum) {
  Lines states[2];
  Server alone(config(1, {1, 2}), states[0]);
  Answer answer;
  {
    Server second(config(2, {1, 2}), states[1]);
    ASSERT_TRUE(write(alone));
  }
  ASSERT_EQ(RAFT_ReadIndexAsync(alone.handle(), RAFT_READ_SAFE, 0, Answer::on_completion, &answer), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return answer.calls == 1; }));
  EXPECT_TRUE(answer.code == RAFT_ERR_NO_LEADER || answer.code == RAFT_ERR_TIMEOUT) << answer.code;
  Answer late;
  ASSERT_EQ(RAFT_ReadIndexAsync(alone.handle(), RAFT_READ_SAFE, 0, Answer::on_completion, &late), RAFT_OK);
  alone.stop();
  EXPECT_EQ(late.calls, 1);
  EXPECT_NE(late.code, RAFT_OK);
}

// Joins as learner, is promoted, and then is needed for the majority.
TEST_P(NativeApi, LearnerIsPromoted) {
  std::map<int, Lines> states;
  Server first(config(1, {1}), states[1]);
  first.propose_wait("one", kWaitMs);
  const RAFT_Handle handle = first.handle();
  std::uint64_t added = 0;
  ASSERT_EQ(RAFT_ChangeMember(handle, RAFT_MEMBER_ADD_LEARNER, 2, url(2).c_str(), kWaitMs, &added), RAFT_OK)
      << RAFT_LastError();
  auto second = std::make_unique<Server>(config(2, {1, 2}, ",\"join\":true"), states[2]);
  second->read_barrier(kWaitMs);
  EXPECT_EQ(states[2].lines(), (std::vector<std::string>{"one"}));
  second->stop();
  // A learner has no vote, so the other is a majority by itself.
  first.propose_wait("two", kWaitMs);
  second = std::make_unique<Server>(config(2, {1, 2}, ",\"join\":true"), states[2]);
  std::uint64_t promoted = 0;
  ASSERT_EQ(RAFT_ChangeMember(handle, RAFT_MEMBER_PROMOTE, 2, nullptr, kWaitMs, &promoted), RAFT_OK)
      << RAFT_LastError();
  EXPECT_GT(promoted, added);
  EXPECT_EQ(RAFT_ChangeMember(handle, RAFT_MEMBER_PROMOTE, 9, nullptr, kWaitMs, nullptr),
            RAFT_ERR_UNKNOWN_MEMBER);
  // One election timeout may be too short on a busy machine.
  ASSERT_TRUE(eventually([&] { return RAFT_TransferLeadership(handle, 2, kWaitMs) == RAFT_OK; }));
  EXPECT_NE(second->status().find("\"role\":\"leader\""), std::string::npos);
  second->stop();
  EXPECT_EQ(RAFT_ProposeWait(handle, "three", 5, 500, nullptr, nullptr), RAFT_ERR_TIMEOUT);
}

// A peer's stream as a program that is not polyraft opens it: no word about check-quorum.
class ForeignPeer {
 public:
  ForeignPeer(int port, int own_id, int to_id) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string id = std::to_string(own_id);
    const std::string request = "GET /raft/stream/message/" + id +
                                " HTTP/1.1\r\nHost: peer\r\nX-Server-From: " + id +
                                "\r\nX-Server-Version: 3.5.0\r\nX-Min-Cluster-Version: 3.0.0"
                                "\r\nX-Etcd-Cluster-ID: 0\r\nX-Raft-To: " +
                                std::to_string(to_id) + "\r\n\r\n";
    EXPECT_EQ(send(fd_, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    char answer[12] = "";
    EXPECT_EQ(recv(fd_, answer, sizeof answer, MSG_WAITALL), static_cast<ssize_t>(sizeof answer));
    EXPECT_EQ(std::string(answer, sizeof answer), "HTTP/1.1 200");
  }
  ~ForeignPeer() { close(fd_); }
  ForeignPeer(const ForeignPeer&) = delete;
  ForeignPeer& operator=(const ForeignPeer&) = delete;

 private:
  int fd_;
};

TEST_P(NativeApi, LeaseReadIsRefusedWhileAVoterIsKnownThatIsNotPolyraft) {
  const std::string leases = ",\"lease_reads\":true";
  Lines states[2];
  Server first(config(1, {1, 2, 3}, leases), states[0]);
  Server second(config(2, {1, 2, 3}, leases), states[1]);
  ASSERT_TRUE(write(first));
  EXPECT_TRUE(asked([&] { return first.try_read_barrier(kWaitMs, Read::kLease); }));
  const ForeignPeer third(ports_.at(1), 3, 1);
  ASSERT_TRUE(eventually([&] {
    return RAFT_ReadIndex(first.handle(), RAFT_READ_LEASE, kWaitMs, nullptr) == RAFT_ERR_UNSUPPORTED;
  }));
  EXPECT_STREQ(RAFT_LastError(), "lease reads: voter 3 is not a polyraft server; use a safe read");
  Answer answer;
  ASSERT_EQ(RAFT_ReadIndexAsync(first.handle(), RAFT_READ_LEASE, kWaitMs, Answer::on_completion, &answer),
            RAFT_OK);
  ASSERT_TRUE(eventually([&] { return answer.calls == 1; }));
  EXPECT_EQ(answer.code, RAFT_ERR_UNSUPPORTED);
  EXPECT_TRUE(asked([&] { return first.try_read_barrier(kWaitMs); }));
}

INSTANTIATE_TEST_SUITE_P(Runtimes, NativeApi, ::testing::Values("process", "embedded"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace polyraft::test
