// Three nodes, each a process of its own, started as the system that this replaces is.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <memory>
#include <vector>

#include "fixture.h"

namespace libraft_test {

namespace {

// A child of this process that answers a line with a line.
class NodeProcess {
 public:
  NodeProcess(const char* program, const std::vector<std::string>& arguments) {
    int to[2];
    int from[2];
    EXPECT_EQ(pipe2(to, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(from, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], 0);
    posix_spawn_file_actions_adddup2(&actions, from[1], 1);
    const std::string path = std::string(POLYRAFT_PROGRAM_DIR "/") + program;
    std::vector<char*> pointers = {const_cast<char*>(path.c_str())};
    for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
    pointers.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, path.c_str(), &actions, nullptr, pointers.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    in_ = fdopen(to[1], "w");
    out_ = fdopen(from[0], "r");
    EXPECT_EQ(line(), "ready");
  }
  NodeProcess(const NodeProcess&) = delete;
  NodeProcess& operator=(const NodeProcess&) = delete;
  ~NodeProcess() {
    std::fclose(in_);
    std::fclose(out_);
    waitpid(pid_, nullptr, 0);
  }

  std::string ask(const std::string& text) {
    std::fprintf(in_, "%s\n", text.c_str());
    std::fflush(in_);
    return line();
  }
  bool leads() { return ask("state") == "state 3"; }
  pid_t pid() const { return pid_; }

 private:
  std::string line() {
    char text[512];
    if (std::fgets(text, sizeof text, out_) == nullptr) return "";
    text[std::strcspn(text, "\n")] = '\0';
    return text;
  }

  pid_t pid_ = -1;
  FILE* in_ = nullptr;
  FILE* out_ = nullptr;
};

class LibraftCluster : public Libraft {
 protected:
  static constexpr size_t kNodes = 3;

  void SetUp() override {
    Libraft::SetUp();
    signal(SIGPIPE, SIG_IGN);
    keep_on_disk();
    for (uint16_t& port : ports) port = free_port();
    for (size_t each = 0; each < kNodes; each++) start_node(each);
  }

  void start_node(size_t each) {
    std::string peers;
    for (size_t other = 0; other < kNodes; other++) {
      // Both names of an address mean the same node.
      if (other != each)
        peers += (peers.empty() ? "localhost:" : ",127.0.0.1:") + std::to_string(ports[other]);
    }
    nodes[each] = std::make_unique<NodeProcess>(
        each == 0 ? "node_cpp" : "node",
        std::vector<std::string>{"--dir", directory + "/" + std::to_string(each), "--port",
                                 std::to_string(ports[each]), "--peers", peers});
  }

  // Index of the leader, once there is one.
  size_t leader() {
    size_t found = kNodes;
    EXPECT_TRUE(eventually([&] {
      for (found = 0; found < kNodes; found++)
        if (nodes[found] != nullptr && nodes[found]->leads()) return true;
      return false;
    }));
    return found;
  }

  // Until it is taken: leadership may change meanwhile.
  void apply_somewhere(const std::string& text) {
    EXPECT_TRUE(eventually([&] { return nodes[leader()]->ask("apply " + text).compare(0, 3, "ok ") == 0; }));
  }

  void expect_equal_states() {
    EXPECT_TRUE(eventually([&] {
      std::string first;
      for (const auto& node : nodes) {
        if (node == nullptr) continue;
        const std::string state = node->ask("count");
        if (first.empty()) first = state;
        if (state != first) return false;
      }
      return true;
    }));
  }

  std::array<uint16_t, kNodes> ports{};
  std::array<std::unique_ptr<NodeProcess>, kNodes> nodes;
};

}  // namespace

TEST_F(LibraftCluster, ElectsSurvivesKillsAndCatchesUpFromASnapshot) {
  for (int each = 0; each < 10; each++) apply_somewhere("first " + std::to_string(each));
  expect_equal_states();
  const size_t led = leader();
  NodeProcess& follower = *nodes[(led + 1) % kNodes];
  EXPECT_EQ(follower.ask("apply x"), "error " + std::to_string(RAFT_E_NOT_LEADER));
  long heard = 0;
  unsigned long last_index = 0;
  char leader_address[64] = "";
  const std::string contact = follower.ask("contact");
  ASSERT_EQ(std::sscanf(contact.c_str(), "contact %ld %lu %63s", &heard, &last_index, leader_address), 3)
      << contact;
  EXPECT_LE(std::abs(static_cast<long>(time(nullptr)) - heard), 60) << contact;
  EXPECT_GE(last_index, 10u) << contact;
  EXPECT_EQ(leader_address, "127.0.0.1:" + std::to_string(ports[led]));
  // An engine dies: its host goes on with another one.
  const std::string child = nodes[led]->ask("child");
  ASSERT_EQ(kill(std::stoi(child.substr(6)), SIGKILL), 0);
  apply_somewhere("after the engine");
  // A leader dies with its host, and misses more than the log keeps.
  const size_t lost = leader();
  kill(nodes[lost]->pid(), SIGKILL);
  nodes[lost].reset();
  for (int each = 0; each < 120; each++) apply_somewhere("meanwhile " + std::to_string(each));
  EXPECT_EQ(nodes[leader()]->ask("snapshot"), "error 0");
  apply_somewhere("after the snapshot");
  start_node(lost);
  apply_somewhere("all three");
  expect_equal_states();
  EXPECT_EQ(nodes[leader()]->ask("barrier"), "error 0");
}

TEST_F(LibraftCluster, AMemberIsRemovedAndAddedAgain) {
  apply_somewhere("begin");
  const size_t led = leader();
  const size_t other = (led + 1) % kNodes;
  const std::string port = std::to_string(ports[other]);
  EXPECT_EQ(nodes[led]->ask("add localhost " + port), "error " + std::to_string(RAFT_E_KNOWN_PEER));
  ASSERT_EQ(nodes[led]->ask("remove localhost " + port), "error 0");
  EXPECT_EQ(nodes[led]->ask("remove localhost " + port), "error " + std::to_string(RAFT_E_UNKNOWN_PEER));
  EXPECT_TRUE(eventually([&] { return nodes[other]->ask("state") == "state 4"; }));
  nodes[other].reset();
  apply_somewhere("without it");
  EXPECT_TRUE(eventually([&] { return nodes[leader()]->ask("add 127.0.0.1 " + port) == "error 0"; }));
  start_node(other);
  apply_somewhere("with it again");
  expect_equal_states();
}

}  // namespace libraft_test
