// The words that both halves of raft_step read and write have the same places in both.
#include "craft/layout.h"

#include <gtest/gtest.h>
#include <raft.h>

#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>

namespace craft_test {
namespace {

using Numbers = std::map<std::string, long>;

// Members of `export const <name> = { ... } as const`.
Numbers numbers_of(const std::string& source, const std::string& name) {
  const size_t start = source.find("export const " + name + " = {");
  EXPECT_NE(start, std::string::npos) << name;
  const std::string body = source.substr(start, source.find("} as const", start) - start);
  static const std::regex member(R"((\w+): (\d+))");
  Numbers found;
  for (auto at = std::sregex_iterator(body.begin(), body.end(), member); at != std::sregex_iterator(); ++at)
    found[(*at)[1]] = std::stol((*at)[2]);
  return found;
}

TEST(Layout, IsTheSameInTypeScript) {
  std::ifstream file(POLYRAFT_SOURCE_DIR "/src-ts/facade/craft/layout.ts");
  std::ostringstream all;
  all << file.rdbuf();
  const std::string source = all.str();
  namespace in = polyraft::craft::in;
  namespace out = polyraft::craft::out;
  const auto number = [](size_t value) { return static_cast<long>(value); };
  EXPECT_EQ(numbers_of(source, "In"), (Numbers{{"event", number(in::kEvent)},
                                               {"time", number(in::kTime)},
                                               {"arguments", number(in::kArguments)},
                                               {"runs", number(in::kRuns)},
                                               {"changes", number(in::kChanges)},
                                               {"lists", number(in::kLists)}}));
  EXPECT_EQ(numbers_of(source, "Out"), (Numbers{{"flags", number(out::kFlags)},
                                                {"term", number(out::kTerm)},
                                                {"vote", number(out::kVote)},
                                                {"state", number(out::kState)},
                                                {"commit", number(out::kCommit)},
                                                {"timeout", number(out::kTimeout)},
                                                {"lastIndex", number(out::kLastIndex)},
                                                {"lead", number(out::kLead)},
                                                {"transferee", number(out::kTransferee)},
                                                {"entriesFirst", number(out::kEntriesFirst)},
                                                {"entriesCount", number(out::kEntriesCount)},
                                                {"barrierTerm", number(out::kBarrierTerm)},
                                                {"hasSnapshot", number(out::kHasSnapshot)},
                                                {"messages", number(out::kMessages)},
                                                {"members", number(out::kMembers)},
                                                {"configuration", number(out::kConfiguration)},
                                                {"lists", number(out::kLists)}}));
  EXPECT_NE(source.find("MESSAGE_WORDS = " + std::to_string(polyraft::craft::kMessageWords) + ";"),
            std::string::npos);
  EXPECT_EQ(numbers_of(source, "Event"), (Numbers{{"start", RAFT_START},
                                                  {"receive", RAFT_RECEIVE},
                                                  {"persistedEntries", RAFT_PERSISTED_ENTRIES},
                                                  {"persistedSnapshot", RAFT_PERSISTED_SNAPSHOT},
                                                  {"configuration", RAFT_CONFIGURATION},
                                                  {"snapshot", RAFT_SNAPSHOT},
                                                  {"timeout", RAFT_TIMEOUT},
                                                  {"submit", RAFT_SUBMIT},
                                                  {"catchUp", RAFT_CATCH_UP},
                                                  {"transfer", RAFT_TRANSFER},
                                                  {"settings", polyraft::craft::kSettingsEvent}}));
  EXPECT_EQ(numbers_of(source, "Flag"), (Numbers{{"currentTerm", RAFT_UPDATE_CURRENT_TERM},
                                                 {"votedFor", RAFT_UPDATE_VOTED_FOR},
                                                 {"entries", RAFT_UPDATE_ENTRIES},
                                                 {"snapshot", RAFT_UPDATE_SNAPSHOT},
                                                 {"messages", RAFT_UPDATE_MESSAGES},
                                                 {"state", RAFT_UPDATE_STATE},
                                                 {"commitIndex", RAFT_UPDATE_COMMIT_INDEX},
                                                 {"timeout", RAFT_UPDATE_TIMEOUT}}));
  EXPECT_EQ(numbers_of(source, "MessageCode"), (Numbers{{"appendEntries", RAFT_APPEND_ENTRIES},
                                                        {"appendEntriesResult", RAFT_APPEND_ENTRIES_RESULT},
                                                        {"requestVote", RAFT_REQUEST_VOTE},
                                                        {"requestVoteResult", RAFT_REQUEST_VOTE_RESULT},
                                                        {"installSnapshot", RAFT_INSTALL_SNAPSHOT},
                                                        {"timeoutNow", RAFT_TIMEOUT_NOW}}));
  EXPECT_EQ(numbers_of(source, "Role"),
            (Numbers{{"standby", RAFT_STANDBY}, {"voter", RAFT_VOTER}, {"spare", RAFT_SPARE}}));
  EXPECT_EQ(numbers_of(source, "CatchUp"), (Numbers{{"none", RAFT_CATCH_UP_NONE},
                                                    {"running", RAFT_CATCH_UP_RUNNING},
                                                    {"aborted", RAFT_CATCH_UP_ABORTED},
                                                    {"finished", RAFT_CATCH_UP_FINISHED}}));
  const Numbers codes = {
      {"badId", RAFT_BADID},         {"badRole", RAFT_BADROLE},   {"malformed", RAFT_MALFORMED},
      {"notLeader", RAFT_NOTLEADER}, {"shutdown", RAFT_SHUTDOWN}, {"cantChange", RAFT_CANTCHANGE},
      {"busy", RAFT_BUSY},           {"notFound", RAFT_NOTFOUND}, {"invalid", RAFT_INVALID}};
  for (const auto& [name, code] : numbers_of(source, "Code")) {
    ASSERT_EQ(codes.count(name), 1u) << name;
    EXPECT_EQ(codes.at(name), code) << name;
  }
}

}  // namespace
}  // namespace craft_test
