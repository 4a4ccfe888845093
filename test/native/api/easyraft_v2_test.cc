// The second generation of easyraft's interface.
#define EASYRAFT_API_VERSION 2
#include "easyraft.h"
#include "harness.h"

namespace polyraft::test {
namespace {

struct Machine {
  std::mutex mutex;
  std::vector<std::string> committed;
  std::atomic<int> freed{0};
  std::atomic<int> blocked{0};
  Gate gate;
};

TEST(EasyraftSecond, TermsIndexesMessagesAndCodes) {
  Machine machine;
  RAFT_Callback callback{};
  callback.onCommit = [](void* ctx, void* data, uint64_t size, uint64_t term, uint64_t index) {
    Machine& own = *static_cast<Machine*>(ctx);
    const std::string text(static_cast<const char*>(data), size);
    if (text == "block") own.gate.pass();
    const std::lock_guard<std::mutex> lock(own.mutex);
    own.committed.push_back(std::to_string(term) + "/" + std::to_string(index) + " " + text.substr(0, 10));
    return 0;
  };
  callback.onMessage = [](void*, void* data, uint64_t size, void** out, uint64_t* out_size) {
    *out = malloc(size);
    memcpy(*out, data, size);
    *out_size = size;
    return 0;
  };
  callback.free = [](void* ctx, void* data) {
    static_cast<Machine*>(ctx)->freed++;
    free(data);
  };
  RAFT_SetCallback(&callback);
  const uint64_t raft = RAFT_NewRaftServer(&machine, config().c_str());
  RAFT_SetCallback(nullptr);
  ASSERT_NE(raft, 0u) << RAFT_LastError();
  char data[] = "hello";
  EXPECT_EQ(RAFT_Propose(raft, data, 5, 1000), 0);
  EXPECT_EQ(RAFT_Propose(raft + 1, data, 5, 1000), 1);
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard<std::mutex> lock(machine.mutex);
    return machine.committed == std::vector<std::string>{"1/1 hello"};
  }));
  char buffer[4096];
  EXPECT_EQ(RAFT_GetPeersStatus(raft, buffer, sizeof buffer), 0);
  EXPECT_EQ(RAFT_GetPeersStatus(raft, buffer, 1), 3);
  EXPECT_EQ(RAFT_GetStatus(raft + 1, buffer, 1), 1);
  EXPECT_EQ(RAFT_SendMessage(raft, 2, "you", 3, buffer, sizeof buffer), 13);
  EXPECT_EQ(std::string(buffer, 13), "answer to you");
  EXPECT_EQ(RAFT_SendMessage(raft, 2, "you", 3, buffer, 12), -1);
  EXPECT_EQ(RAFT_SendMessage(raft, 2, "you", 3, nullptr, 0), -1);
  EXPECT_EQ(RAFT_SendMessage(raft, 1, "you", 3, buffer, sizeof buffer), -2);
  EXPECT_EQ(RAFT_SendMessage(0, 2, "you", 3, buffer, sizeof buffer), -2);
  EXPECT_EQ(RAFT_SendMessage(raft, 3, "you", 3, buffer, sizeof buffer), -3);
  EXPECT_EQ(RAFT_SendMessage(raft, 4, "you", 3, buffer, sizeof buffer), -4);
  EXPECT_EQ(RAFT_SendMessage(raft, 5, "you", 3, buffer, sizeof buffer), -5);
  EXPECT_EQ(RAFT_SendMessage(raft, 6, "you", 3, buffer, sizeof buffer), -6);
  char message[] = "!message";
  EXPECT_EQ(RAFT_Propose(raft, message, 8, 1000), 0);
  ASSERT_TRUE(eventually([&] { return machine.freed == 1; }));
  // Back-pressure is a timeout here.
  char block[] = "block";
  ASSERT_EQ(RAFT_Propose(raft, block, 5, 1000), 0);
  std::string large(1 << 20, 'x');
  int code = 0;
  for (int each = 0; each < 100 && code == 0; each++) {
    code = RAFT_Propose(raft, large.data(), static_cast<int>(large.size()), 50);
  }
  EXPECT_EQ(code, 2);
  machine.gate.open();
  RAFT_DeleteRaftServer(raft);
  EXPECT_EQ(RAFT_Propose(raft, data, 5, 1000), 1);
  EXPECT_EQ(RAFT_Snapshot(raft), 1);
  EXPECT_EQ(RAFT_AddServer(raft, 4, "http://127.0.0.1:9004"), 1);
}

}  // namespace
}  // namespace polyraft::test
