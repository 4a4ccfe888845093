// None of this takes the host down, in either runtime, through the C interface and with the real engine.
#include <gtest/gtest.h>

#include "survival/survivor_process.h"

namespace polyraft::test {
namespace {

class Survival : public ::testing::TestWithParam<const char*> {
 protected:
  bool is_embedded() const { return std::string(GetParam()) == "embedded"; }

  SurvivorResult run(const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment = {}, int child_heap_mb = 0) {
    return run_survivor({GetParam(), arguments, environment, child_heap_mb});
  }

  void expect_survival(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment = {}, int child_heap_mb = 0) {
    const SurvivorResult result = run(arguments, environment, child_heap_mb);
    EXPECT_TRUE(result.exited_with(0)) << result.status << "\n" << result.output;
    EXPECT_NE(result.output.find("survived\n"), std::string::npos) << result.output;
    EXPECT_EQ(result.engine_left, 0);
  }
};

// The third argument is in the event's text; a child's log has the reason, its event how its process ended.
TEST_P(Survival, ExceptionInTheEngine) {
  expect_survival({"engine-ends", "throw", is_embedded() ? "Error: thrown on purpose" : "exit code 70"});
}

TEST_P(Survival, UnhandledRejectionInTheEngine) {
  expect_survival({"engine-ends", "reject", is_embedded() ? "Error: rejected on purpose" : "exit code 70"});
}

TEST_P(Survival, ProcessExitInTheEngine) {
  expect_survival({"engine-ends", "exit", is_embedded() ? "process.exit(7)" : "exit code 7"});
}

TEST_P(Survival, HeapNearlyFull) {
  expect_survival(
      {"engine-ends", "fill-slowly", is_embedded() ? "memory of the engine is nearly full" : "signal 6"},
      {"POLYRAFT_ENGINE_HEAP_MB=64"}, 64);
}

TEST_P(Survival, HeapFilledAtOnce) {
  expect_survival({"engine-ends", "fill-at-once", is_embedded() ? "heap is full" : "signal 6"},
                  {"POLYRAFT_ENGINE_HEAP_MB=64"}, 64);
}

TEST_P(Survival, SignalsSentToTheProcessAndItsGroup) {
  const SurvivorResult result = run({"signals"});
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  // Nothing else is printed: node's debugger, which SIGUSR1 opens, would be.
  EXPECT_EQ(result.output, "survived\n");
  EXPECT_EQ(result.engine_left, 0);
}

TEST_P(Survival, TheThreadThatStartedTheRuntimeEnds) {
  expect_survival({"thread"});
}

TEST_P(Survival, ChildrenIgnored) {
  expect_survival({"children", "ignored"});
}

TEST_P(Survival, ChildrenReapedByAHandler) {
  expect_survival({"children", "reaped-by-handler"});
}

TEST_P(Survival, ChildrenReapedByAThread) {
  expect_survival({"children", "reaped-by-thread"});
}

TEST_P(Survival, Fork) {
  expect_survival({"fork"});
}

TEST_P(Survival, PeersThatCloseMidWriteAndMalformedRequests) {
  const SurvivorResult result = run({"peers"});
  EXPECT_TRUE(result.exited_with(0)) << result.status << result.output;
  EXPECT_EQ(result.output.substr(result.output.rfind('\n', result.output.size() - 2) + 1), "survived\n");
  EXPECT_EQ(result.engine_left, 0);
  // The noise of strangers is in the log, with nothing that steers a terminal.
  EXPECT_NE(result.output.find("WARNING"), std::string::npos);
  for (const unsigned char byte : result.output) EXPECT_TRUE(byte == '\n' || (byte >= 0x20 && byte != 0x7f));
}

TEST_P(Survival, SecondServerOnTheSameDirectory) {
  expect_survival({"second-server"});
}

TEST_P(Survival, EndOfTheProcessWithARunningServer) {
  for (const char* const how : {"exit", "exit-on-thread", "return"}) {
    const SurvivorResult result = run({"end", how});
    EXPECT_TRUE(result.exited_with(3)) << how << " " << result.status << "\n" << result.output;
    EXPECT_EQ(result.output, "survived\n") << how;
    EXPECT_EQ(result.engine_left, 0) << how;
  }
}

INSTANTIATE_TEST_SUITE_P(Runtimes, Survival, ::testing::Values("embedded", "process"),
                         [](const auto& chosen) { return std::string(chosen.param); });

}  // namespace
}  // namespace polyraft::test
