// The first generation of easyraft's interface, as its page shows it.
#include "easyraft.h"
#include "harness.h"

namespace polyraft::test {
namespace {

struct Machine {
  std::mutex mutex;
  std::vector<std::string> committed;
  std::vector<int> states;
  std::string recovered;
  std::atomic<int> freed{0};
};

Context machine_context() {
  Context context{};
  context.getSnapshot = [](void*, void** data, uint64_t* size) {
    *data = strdup("state");
    *size = 5;
    return 0;
  };
  context.freeSnapshot = [](void* ctx, void* data) {
    static_cast<Machine*>(ctx)->freed++;
    free(data);
  };
  context.onStateChange = [](void* ctx, int state) {
    Machine& machine = *static_cast<Machine*>(ctx);
    const std::lock_guard<std::mutex> lock(machine.mutex);
    machine.states.push_back(state);
  };
  context.recoverFromSnapshot = [](void* ctx, void* data, uint64_t size) {
    static_cast<Machine*>(ctx)->recovered.assign(static_cast<const char*>(data), size);
    return 0;
  };
  context.onCommit = [](void* ctx, void* data, uint64_t size) {
    Machine& machine = *static_cast<Machine*>(ctx);
    const std::lock_guard<std::mutex> lock(machine.mutex);
    machine.committed.emplace_back(static_cast<const char*>(data), size);
    return 0;
  };
  return context;
}

TEST(EasyraftFirst, WorksAsItsPageSays) {
  Machine machine;
  {
    Context context = machine_context();
    RAFT_SetContext(&context);
    // Copied: what happens to it afterwards does not matter.
    std::memset(static_cast<void*>(&context), 0, sizeof context);
  }
  void* const raft =
      RAFT_NewRaftServer(&machine, config(R"(,"fake_state":2,"fake_restore_bytes":3)").c_str());
  ASSERT_NE(raft, nullptr) << RAFT_LastError();
  char data[] = "hello";
  EXPECT_EQ(RAFT_Propose(raft, data, 5), 0);
  EXPECT_EQ(RAFT_Propose(raft, nullptr, 0), 0);
  EXPECT_EQ(RAFT_Propose(raft, data, -1), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_Propose(raft, nullptr, 1), RAFT_ERR_INVALID_ARGUMENT);
  EXPECT_EQ(RAFT_Snapshot(raft), 0);
  EXPECT_EQ(machine.freed, 1);
  EXPECT_EQ(RAFT_AddServer(raft, 4, "http://127.0.0.1:9004"), 0);
  EXPECT_EQ(RAFT_ChangeServer(raft, 4, "http://127.0.0.1:9005"), 0);
  EXPECT_EQ(RAFT_DelServer(raft, 4), 0);
  EXPECT_EQ(RAFT_DelServer(raft, 98), RAFT_ERR_NO_LEADER);
  EXPECT_EQ(RAFT_AddServer(raft, 4, nullptr), RAFT_ERR_INVALID_ARGUMENT);
  // Accepted is not yet applied, and what is not applied when a server is deleted comes after its next start.
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard<std::mutex> lock(machine.mutex);
    return !machine.committed.empty();
  }));
  RAFT_DeleteRaftServer(raft);
  EXPECT_EQ(machine.committed, std::vector<std::string>{"hello"});
  EXPECT_EQ(machine.recovered, "abc");
  EXPECT_EQ(machine.states, std::vector<int>{STATE_LEADER});
  // After it, every call is safe.
  EXPECT_EQ(RAFT_Propose(raft, data, 5), RAFT_ERR_UNKNOWN_HANDLE);
  EXPECT_EQ(RAFT_Snapshot(raft), RAFT_ERR_UNKNOWN_HANDLE);
  EXPECT_EQ(RAFT_AddServer(raft, 4, "http://127.0.0.1:9004"), RAFT_ERR_UNKNOWN_HANDLE);
  RAFT_DeleteRaftServer(raft);
  RAFT_DeleteRaftServer(nullptr);
  EXPECT_EQ(RAFT_Propose(nullptr, data, 5), RAFT_ERR_UNKNOWN_HANDLE);
  RAFT_SetContext(nullptr);
}

TEST(EasyraftFirst, FailureIsNullWithAText) {
  EXPECT_EQ(RAFT_NewRaftServer(nullptr, nullptr), nullptr);
  EXPECT_STRNE(RAFT_LastError(), "");
  EXPECT_EQ(RAFT_NewRaftServer(nullptr, "{"), nullptr);
  EXPECT_NE(std::string(RAFT_LastError()).find("JSON"), std::string::npos);
}

TEST(EasyraftFirst, DeleteInACallbackDoesNothing) {
  static std::atomic<void*> handle;
  static std::atomic<bool> called;
  handle = nullptr;
  called = false;
  Context context{};
  context.onCommit = [](void*, void*, uint64_t) {
    RAFT_DeleteRaftServer(handle);
    EXPECT_EQ(RAFT_AddServer(handle, 9, "http://127.0.0.1:9"), 0);
    called = true;
    return 0;
  };
  RAFT_SetContext(&context);
  handle = RAFT_NewRaftServer(nullptr, config().c_str());
  RAFT_SetContext(nullptr);
  ASSERT_NE(handle, nullptr) << RAFT_LastError();
  char data[] = "x";
  ASSERT_EQ(RAFT_Propose(handle, data, 1), 0);
  ASSERT_TRUE(eventually([] { return called.load(); }));
  EXPECT_EQ(RAFT_Propose(handle, data, 1), 0);
  RAFT_DeleteRaftServer(handle);
}

}  // namespace
}  // namespace polyraft::test
