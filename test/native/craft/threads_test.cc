// Threads: each that makes rafts has an isolate; any may step any, one at a time; small stacks are enough.
#include <gtest/gtest.h>
#include <pthread.h>
#include <raft.h>
#include <ucontext.h>

#include <functional>
#include <thread>
#include <vector>

#include "harness.h"

namespace craft_test {
namespace {

// Runs on a thread with so small a stack.
void run_on_stack(size_t bytes, std::function<void()> what) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, bytes), 0);
  pthread_t thread{};
  const auto entry = [](void* function) -> void* {
    (*static_cast<std::function<void()>*>(function))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, entry, &what), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

// Long enough that V8 compiles what runs often; what a sanitizer looks for needs no more than a few.
#if defined(__SANITIZE_ADDRESS__)
constexpr int kManyRounds = 1000;
#else
constexpr int kManyRounds = 20000;
#endif

void work(Node& node, int rounds) {
  for (int i = 0; i < rounds; i++) {
    node.submit(commands(2));
    node.persisted(raft_last_index(node.get()));
    node.log.resize(1);
    node.first_index = raft_last_index(node.get());
  }
}

void lead_and_work(int rounds) {
  Node node(1);
  node.bootstrap({{1, RAFT_VOTER}});
  node.persisted(2);
  work(node, rounds);
  EXPECT_EQ(raft_commit_index(node.get()), 2u + 2u * static_cast<unsigned>(rounds));
}

TEST(Threads, AStackOf256KibIsEnough) {
  run_on_stack(size_t{256} << 10, [] { lead_and_work(kManyRounds); });
}

TEST(Threads, AlsoForRaftsOfAnotherThread) {
  Node node(1);
  node.bootstrap({{1, RAFT_VOTER}});
  node.persisted(2);
  work(node, 100);
  run_on_stack(size_t{256} << 10, [&] { work(node, kManyRounds); });
  work(node, 100);
  EXPECT_EQ(raft_commit_index(node.get()), 2u + 2u * (200u + unsigned{kManyRounds}));
}

// As programs with fibers do: the same thread, elsewhere.
TEST(Threads, AlsoOnAStackThatTheProgramHasMade) {
  static Node* worked;
  static ucontext_t outside;
  ucontext_t inside;
  Node node(1);
  node.bootstrap({{1, RAFT_VOTER}});
  node.persisted(2);
  work(node, 100);
  worked = &node;
  std::vector<char> stack(size_t{256} << 10);
  ASSERT_EQ(getcontext(&inside), 0);
  inside.uc_stack.ss_sp = stack.data();
  inside.uc_stack.ss_size = stack.size();
  inside.uc_link = &outside;
  makecontext(
      &inside, [] { work(*worked, 100); }, 0);
  ASSERT_EQ(swapcontext(&outside, &inside), 0);
  work(node, 100);
  EXPECT_EQ(raft_commit_index(node.get()), 602u);
}

TEST(Threads, RaftsOfSeveralThreadsStepAtOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) threads.emplace_back([] { lead_and_work(2000); });
  for (std::thread& thread : threads) thread.join();
}

// All in the isolate of this thread: one after the other, whoever calls.
TEST(Threads, RaftsOfOneThreadAreSteppedByOthers) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (raft_id id = 1; id <= 4; id++) {
    nodes.push_back(std::make_unique<Node>(id));
    nodes.back()->bootstrap({{id, RAFT_VOTER}});
    nodes.back()->persisted(2);
  }
  std::vector<std::thread> threads;
  for (std::unique_ptr<Node>& node : nodes) threads.emplace_back([&node] { work(*node, 2000); });
  for (std::thread& thread : threads) thread.join();
  for (const std::unique_ptr<Node>& node : nodes) EXPECT_EQ(raft_commit_index(node->get()), 4002u);
}

TEST(Threads, ARaftOutlivesTheThreadThatMadeIt) {
  std::unique_ptr<Node> node;
  std::thread([&] {
    node = std::make_unique<Node>(1);
    node->bootstrap({{1, RAFT_VOTER}});
  }).join();
  node->persisted(2);
  work(*node, 100);
  std::thread([&] { node.reset(); }).join();
}

TEST(Threads, MayComeAndGo) {
  for (int i = 0; i < 20; i++) std::thread([] { lead_and_work(10); }).join();
}

}  // namespace
}  // namespace craft_test
