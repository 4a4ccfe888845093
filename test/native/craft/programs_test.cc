// Programs of their own: users of the header as strict compilers take it, and one with both interfaces.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace craft_test {
namespace {

struct Result {
  int code;
  std::string output;
};

Result run(const std::string& command) {
  FILE* const pipe =
      popen((std::string("exec ") + POLYRAFT_PROGRAM_DIR + "/" + command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, "no pipe"};
  Result result{-1, ""};
  char line[1024];
  while (fgets(line, sizeof line, pipe) != nullptr) result.output += line;
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

TEST(Programs, InC11) {
  const Result result = run("user_c11");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.output, "hello\nleader, commit index 3\n");
}

// That of docs/craft.md.
TEST(Programs, OfTheDocumentation) {
  const Result result = run("document");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.output, "leader, commit index 3\n");
}

TEST(Programs, InCxx17) {
  const Result result = run("user_cxx17");
  EXPECT_EQ(result.code, 0) << result.output;
}

TEST(Programs, WithFiveArguments) {
  const Result result = run("user_five_args");
  EXPECT_EQ(result.code, 0) << result.output;
}

#ifdef POLYRAFT_WITH_ENGINE
// After the first steps: no thread but the caller's, and of system calls nothing but memory's.
TEST(Programs, StepsWithoutSystemCalls) {
  const Result result = run("quiet");
  EXPECT_EQ(result.code, 0) << result.output;
}

class Coexistence : public testing::TestWithParam<const char*> {};

TEST_P(Coexistence, BothInterfacesWork) {
  char directory[] = "/tmp/polyraft-craft-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const Result result = run(std::string("coexist ") + GetParam() + " " + directory);
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.output, "both work\n");
  std::filesystem::remove_all(directory);
}

INSTANTIATE_TEST_SUITE_P(Orders, Coexistence, testing::Values("craft-first", "engine-first"),
                         [](const auto& one) {
                           return std::string(one.param) == "craft-first" ? "CraftFirst" : "EngineFirst";
                         });
#endif

}  // namespace
}  // namespace craft_test
