// Starting the process runtime: what can be wrong with node, each with a text that helps. Each case is a host
// process of its own (programs/start_once.cc), since a process keeps the first engine that it has started.
#include <cstdio>

#include "harness.h"

namespace polyraft::test {
namespace {

// "code text" as start_once prints it.
std::string start(const std::string& environment, const std::string& json) {
  const std::string command = environment + " exec " + program("start_once") + " '" + json + "'";
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "no pipe";
  std::string text;
  char line[1024];
  while (fgets(line, sizeof line, pipe) != nullptr) text += line;
  pclose(pipe);
  return text;
}

void expect(const std::string& result, int code, const std::string& word) {
  EXPECT_EQ(result.substr(0, result.find(' ')), std::to_string(code)) << result;
  EXPECT_NE(result.find(word), std::string::npos) << result;
}

TEST(Runtime, GoodNode) {
  expect(start("", config()), RAFT_OK, "");
}

TEST(Runtime, NodeByEnvironmentAndByPath) {
  config();
  const std::string json = R"({"runtime":"process"})";
  expect(start("POLYRAFT_NODE=" + program("fake_engine"), json), RAFT_OK, "");
  const std::string path = program("fake_engine");
  const std::string directory = path.substr(0, path.rfind('/'));
  expect(start("PATH=" + directory + ":$PATH", R"({"runtime":"process","node_path":"fake_engine"})"), RAFT_OK,
         "");
  expect(start("POLYRAFT_RUNTIME=process POLYRAFT_NODE=" + path, "{}"), RAFT_OK, "");
  expect(start("POLYRAFT_RUNTIME=cloud", "{}"), RAFT_ERR_CONFIG, "POLYRAFT_RUNTIME");
}

TEST(Runtime, NoNode) {
  expect(start("", R"({"runtime":"process","node_path":"/nowhere/node"})"), RAFT_ERR_RUNTIME,
         "/nowhere/node");
  expect(start("POLYRAFT_NODE=/nowhere/else", R"({"runtime":"process"})"), RAFT_ERR_RUNTIME, "POLYRAFT_NODE");
  expect(start("PATH=/nowhere", R"({"runtime":"process"})"), RAFT_ERR_RUNTIME, "PATH");
}

TEST(Runtime, NotANode) {
  expect(start("", R"({"runtime":"process","node_path":"/bin/true"})"), RAFT_ERR_RUNTIME, "/bin/true");
}

TEST(Runtime, OldNode) {
  expect(start("FAKE_NODE_VERSION=v16.3.0", config()), RAFT_ERR_RUNTIME, "18.20 or newer");
  expect(start("FAKE_NODE_VERSION=v18.19.9", config()), RAFT_ERR_RUNTIME, "18.20 or newer");
  expect(start("FAKE_NODE_VERSION=v18.20.0", config()), RAFT_OK, "");
}

TEST(Runtime, EngineThatDoesNotStart) {
  expect(start("FAKE_ENGINE_FAILS=1", config()), RAFT_ERR_RUNTIME, "exit code 7");
}

TEST(Runtime, MissingBundle) {
  config();
  expect(start("POLYRAFT_ENGINE=/nowhere/engine.cjs", config()), RAFT_ERR_RUNTIME, "/nowhere/engine.cjs");
}

TEST(Runtime, SignalsOfTheHostStayItsOwn) {
  // start_once checks its signal mask, handlers and streams before and after with this variable.
  expect(start("CHECK_PROCESS=1", config()), RAFT_OK, "untouched");
}

}  // namespace
}  // namespace polyraft::test
