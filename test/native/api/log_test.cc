// The log's callback beside servers, on the fake engine.
#include <atomic>

#include "harness.h"

namespace polyraft::test {
namespace {

struct Lines {
  std::mutex mutex;
  std::vector<std::string> texts;
  std::atomic<uint64_t> cluster{0};
  std::atomic<uint64_t> node{0};
  std::function<void()> then;

  static void call(void* context, const RAFT_LogRecord* record) {
    auto* const self = static_cast<Lines*>(context);
    EXPECT_EQ(record->struct_size, sizeof(RAFT_LogRecord));
    {
      const std::lock_guard<std::mutex> lock(self->mutex);
      self->texts.push_back(std::string(record->source) + "/" + record->position + "/" + record->message);
    }
    if (record->node_id != 0) {
      self->cluster = record->cluster_id;
      self->node = record->node_id;
    }
    if (self->then) self->then();
  }
  bool has(const std::string& text) {
    const std::lock_guard<std::mutex> lock(mutex);
    for (const std::string& each : texts) {
      if (each == text) return true;
    }
    return false;
  }
};

TEST(LogCallback, GetsLinesOfTheEngineWithTheirServer) {
  Lines lines;
  ASSERT_EQ(RAFT_SetLogCallback(Lines::call, &lines), RAFT_OK);
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  EXPECT_EQ(RAFT_SetLogLevel(RAFT_LOG_TRACE), RAFT_OK);
  EXPECT_TRUE(eventually([&] { return lines.has("transport/fake.ts:12/the log level is 5"); }));
  EXPECT_EQ(lines.cluster, 7U);
  EXPECT_EQ(lines.node, 255U);
  EXPECT_EQ(RAFT_SetLogCallback(nullptr, nullptr), RAFT_OK);
  EXPECT_EQ(RAFT_SetLogLevel(RAFT_LOG_WARNING), RAFT_OK);
}

TEST(LogCallback, BlocksNobodyAndMayCallEverything) {
  Lines lines;
  Gate gate;
  std::atomic<bool> is_done{false};
  Host host(config());
  ASSERT_EQ(host.start_code, RAFT_OK) << host.start_error;
  lines.then = [&] {
    gate.pass();
    if (is_done) return;
    EXPECT_EQ(host.propose("of the callback"), RAFT_OK) << RAFT_LastError();
    EXPECT_FALSE(host.status().empty());
    EXPECT_EQ(RAFT_SetLogLevel(RAFT_LOG_WARNING), RAFT_OK);
    EXPECT_EQ(RAFT_StopServer(host.handle), RAFT_OK);
    EXPECT_EQ(RAFT_SetLogCallback(nullptr, nullptr), RAFT_OK);
    is_done = true;
  };
  ASSERT_EQ(RAFT_SetLogCallback(Lines::call, &lines), RAFT_OK);
  EXPECT_EQ(RAFT_SetLogLevel(RAFT_LOG_TRACE), RAFT_OK);
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  for (int i = 0; i < 100; i++) EXPECT_EQ(host.propose("while it blocks"), RAFT_OK);
  gate.open();
  EXPECT_TRUE(eventually([&] { return is_done.load(); }));
  EXPECT_EQ(host.applied_count(), 101U);
  host.handle = 0;
}

}  // namespace
}  // namespace polyraft::test
