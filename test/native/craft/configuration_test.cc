// What needs no server: configurations and their bytes, memory, texts, digests.
#include <gtest/gtest.h>
#include <raft.h>

#include <random>
#include <set>
#include <string>

#include "harness.h"

namespace craft_test {
namespace {

int decode(std::string bytes, struct raft_configuration* c) {
  const struct raft_buffer buffer = {bytes.data(), bytes.size()};
  return raft_configuration_decode(&buffer, c);
}

TEST(Configuration, AddsServersAndRefusesWhatIsWrong) {
  Configuration owner;
  struct raft_configuration* const c = owner.get();
  std::string address = "one";
  EXPECT_EQ(raft_configuration_add(c, 1, address.c_str(), RAFT_VOTER), 0);
  address[0] = 'X';
  EXPECT_STREQ(c->servers[0].address, "one");
  EXPECT_EQ(raft_configuration_add(c, ~0ull, "two", RAFT_STANDBY), 0);
  EXPECT_EQ(raft_configuration_add(c, 3, "three", RAFT_SPARE), 0);
  EXPECT_EQ(raft_configuration_add(c, 0, "four", RAFT_VOTER), RAFT_BADID);
  EXPECT_EQ(raft_configuration_add(c, 4, "four", 3), RAFT_BADROLE);
  EXPECT_EQ(raft_configuration_add(c, 4, "four", -1), RAFT_BADROLE);
  EXPECT_EQ(raft_configuration_add(c, ~0ull, "four", RAFT_VOTER), RAFT_DUPLICATEID);
  EXPECT_EQ(raft_configuration_add(c, 4, "three", RAFT_VOTER), RAFT_DUPLICATEADDRESS);
  ASSERT_EQ(c->n, 3u);
  EXPECT_EQ(c->servers[1].id, ~0ull);
  EXPECT_EQ(c->servers[1].role, RAFT_STANDBY);
  raft_configuration_close(c);
  EXPECT_EQ(c->n, 0u);
  EXPECT_EQ(c->servers, nullptr);
}

TEST(Configuration, EncodesAsTheFormatSays) {
  Configuration configuration;
  raft_configuration_add(configuration.get(), 0x0102, "ab", RAFT_VOTER);
  raft_configuration_add(configuration.get(), 7, "", RAFT_SPARE);
  const std::string expected(
      "\x01\x02\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0"
      "ab\0\x01\x07\0\0\0\0\0\0\0\0\x02\0",
      32);
  EXPECT_EQ(configuration.encoded(), expected);
  EXPECT_EQ(configuration.encoded().size() % 8, 0u);
  struct raft_buffer buffer {};
  EXPECT_EQ(raft_configuration_encode(Configuration().get(), &buffer), RAFT_INVALID);
}

TEST(Configuration, DecodesWhatItEncodes) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; round++) {
    Configuration configuration;
    const int count = 1 + static_cast<int>(random() % 9);
    for (int i = 0; i < count; i++)
      raft_configuration_add(configuration.get(), random() | 1,
                             (std::string(random() % 40, 'a') + std::to_string(i)).c_str(),
                             static_cast<int>(random() % 3));
    Configuration decoded;
    ASSERT_EQ(decode(configuration.encoded(), decoded.get()), 0);
    EXPECT_EQ(decoded.encoded(), configuration.encoded());
  }
}

// Whatever is done to the bytes: an error and an empty configuration, or a configuration that holds its
// rules.
TEST(Configuration, SurvivesDamagedBytes) {
  std::mt19937_64 random(11);
  const std::string whole = Configuration({{1, RAFT_VOTER}, {2, RAFT_STANDBY}, {3, RAFT_SPARE}}).encoded();
  for (size_t length = 0; length < whole.size(); length++) {
    Configuration decoded;
    const int error = decode(whole.substr(0, length), decoded.get());
    EXPECT_TRUE(error == RAFT_MALFORMED ||
                (error == 0 && whole.substr(length).find_first_not_of('\0') == std::string::npos));
    EXPECT_EQ(decoded.get()->n, error == 0 ? 3u : 0u);
  }
  int refused = 0;
  for (int round = 0; round < 5000; round++) {
    std::string bytes = whole;
    for (uint64_t changes = 1 + random() % 3; changes > 0; changes--)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    Configuration decoded;
    const int error = decode(bytes, decoded.get());
    ASSERT_TRUE(error == 0 || error == RAFT_MALFORMED);
    refused += error == 0 ? 0 : 1;
    std::set<raft_id> ids;
    for (unsigned i = 0; i < decoded.get()->n; i++) {
      ASSERT_NE(decoded.get()->servers[i].id, 0u);
      ASSERT_TRUE(ids.insert(decoded.get()->servers[i].id).second);
    }
  }
  EXPECT_GT(refused, 500);
  Configuration decoded;
  EXPECT_EQ(
      decode(std::string("\x01\xff\xff\xff\xff\xff\xff\xff\xff", 9) + std::string(64, 'a'), decoded.get()),
      RAFT_MALFORMED);
  EXPECT_EQ(decode(std::string("\x02\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0a\0\x01", 20), decoded.get()),
            RAFT_MALFORMED);
}

// A heap that counts, and fails when told so.
struct Heap {
  static struct raft_heap functions(Heap* heap) {
    return {heap, allocate, release, zeroed, resized, aligned, release_aligned};
  }
  static void* allocate(void* data, size_t size) {
    auto* const heap = static_cast<Heap*>(data);
    if (heap->calls_left == 0) return nullptr;
    heap->calls_left--;
    heap->blocks++;
    return malloc(size);
  }
  static void release(void* data, void* ptr) {
    static_cast<Heap*>(data)->blocks--;
    free(ptr);
  }
  static void* zeroed(void* data, size_t nmemb, size_t size) {
    void* const block = allocate(data, nmemb * size);
    if (block != nullptr) memset(block, 0, nmemb * size);
    return block;
  }
  static void* resized(void* data, void* ptr, size_t size) {
    auto* const heap = static_cast<Heap*>(data);
    if (ptr == nullptr) return allocate(data, size);
    if (heap->calls_left == 0) return nullptr;
    heap->calls_left--;
    return realloc(ptr, size);
  }
  static void* aligned(void* data, size_t alignment, size_t size) {
    auto* const heap = static_cast<Heap*>(data);
    heap->blocks++;
    return aligned_alloc(alignment, size);
  }
  static void release_aligned(void* data, size_t, void* ptr) { release(data, ptr); }

  int calls_left = 1 << 30;
  int blocks = 0;
};

class HeapInUse {
 public:
  explicit HeapInUse(Heap* heap) : functions_(Heap::functions(heap)) { raft_heap_set(&functions_); }
  ~HeapInUse() { raft_heap_set_default(); }
  const struct raft_heap* functions() const { return &functions_; }

 private:
  struct raft_heap functions_;
};

TEST(Memory, ComesFromTheHeapThatIsSet) {
  Heap heap;
  {
    const HeapInUse in_use(&heap);
    EXPECT_EQ(raft_heap_get(), in_use.functions());
    void* const a = raft_malloc(3);
    void* const b = raft_calloc(2, 8);
    void* const c = raft_realloc(raft_malloc(1), 100);
    void* const d = raft_aligned_alloc(64, 128);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(d) % 64, 0u);
    EXPECT_EQ(static_cast<char*>(b)[15], 0);
    EXPECT_EQ(heap.blocks, 4);
    raft_free(a);
    raft_free(b);
    raft_free(c);
    raft_aligned_free(64, d);
    raft_free(nullptr);
    EXPECT_EQ(heap.blocks, 0);
  }
  EXPECT_NE(raft_heap_get()->data, &heap);
  void* const e = raft_aligned_alloc(64, 1);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(e) % 64, 0u);
  raft_aligned_free(64, e);
  EXPECT_EQ(heap.blocks, 0);
}

TEST(Memory, AFailedAllocationChangesNoConfiguration) {
  Heap heap;
  const HeapInUse in_use(&heap);
  Configuration configuration({{1, RAFT_VOTER}});
  for (heap.calls_left = 0; heap.calls_left < 2;) {
    const int allowed = heap.calls_left;
    EXPECT_EQ(raft_configuration_add(configuration.get(), 2, "two", RAFT_VOTER), RAFT_NOMEM);
    EXPECT_EQ(configuration.get()->n, 1u);
    heap.calls_left = allowed + 1;
  }
  struct raft_buffer buffer {};
  heap.calls_left = 0;
  EXPECT_EQ(raft_configuration_encode(configuration.get(), &buffer), RAFT_NOMEM);
  heap.calls_left = 100;
  const std::string bytes = configuration.encoded();
  for (int allowed = 0; allowed < 2; allowed++) {
    heap.calls_left = allowed;
    Configuration decoded;
    EXPECT_EQ(decode(bytes, decoded.get()), RAFT_NOMEM);
    EXPECT_EQ(decoded.get()->n, 0u);
  }
}

// All that a server hands out and takes over is given back, also where an allocation of a step fails.
TEST(Memory, AStepThatFailsForMemoryChangesNothing) {
  Heap heap;
  {
    const HeapInUse in_use(&heap);
    {
      Node node(1);
      node.bootstrap({{1, RAFT_VOTER}});
      node.persisted(2);
      const EntryArray kept(commands(3));
      struct raft_event submit = node.event(RAFT_SUBMIT);
      submit.submit.entries = const_cast<EntryArray&>(kept).get();
      submit.submit.n = 3;
      Update update;
      heap.calls_left = 0;
      EXPECT_EQ(node.try_step(submit, &update), RAFT_NOMEM);
      EXPECT_EQ(raft_last_index(node.get()), 2u);
      heap.calls_left = 1000;
      EXPECT_EQ(node.submit(commands(3)).entries.size(), 3u);
    }
    {
      Node node(2);
      Update update;
      node.log = {{1, RAFT_CHANGE, Configuration({{2, RAFT_VOTER}}).encoded()}};
      EntryArray entries(node.log);
      struct raft_event start = node.event(RAFT_START);
      start.start.term = 1;
      start.start.start_index = 1;
      start.start.entries = entries.get();
      start.start.n_entries = 1;
      heap.calls_left = 0;
      EXPECT_EQ(node.try_step(start, &update), RAFT_NOMEM);
      EXPECT_EQ(raft_state(node.get()), RAFT_UNAVAILABLE);
      heap.calls_left = 1000;
      EXPECT_EQ(node.step(start).entries.size(), 1u);
      EXPECT_EQ(raft_state(node.get()), RAFT_LEADER);
    }
  }
  EXPECT_EQ(heap.blocks, 0);
}

TEST(Texts, EveryNumberHasOne) {
  std::set<std::string> texts;
  for (int error = 0; error <= RAFT_TOOMANY; error++) texts.insert(raft_strerror(error));
  EXPECT_EQ(texts.size(), static_cast<size_t>(RAFT_TOOMANY) + 1);
  for (const int unknown : {-1, RAFT_TOOMANY + 1, 1 << 30})
    EXPECT_STREQ(raft_strerror(unknown), "an unknown error");
  EXPECT_STREQ(raft_state_name(RAFT_UNAVAILABLE), "unavailable");
  EXPECT_STREQ(raft_state_name(RAFT_FOLLOWER), "follower");
  EXPECT_STREQ(raft_state_name(RAFT_CANDIDATE), "candidate");
  EXPECT_STREQ(raft_state_name(RAFT_LEADER), "leader");
  EXPECT_STREQ(raft_state_name(4), "unknown");
  EXPECT_STREQ(raft_role_name(RAFT_STANDBY), "stand-by");
  EXPECT_STREQ(raft_role_name(RAFT_VOTER), "voter");
  EXPECT_STREQ(raft_role_name(RAFT_SPARE), "spare");
  EXPECT_STREQ(raft_role_name(-1), "unknown");
}

// Taken with sha1sum from the text and the number's eight bytes, the highest first.
TEST(Digest, IsTheEndOfSha1) {
  EXPECT_EQ(raft_digest("", 0), 0xac558654f107c7e9ull);
  EXPECT_EQ(raft_digest("127.0.0.1:9001", 1700000000000ull), 0xfb318f9655b294a4ull);
  EXPECT_EQ(raft_digest(std::string(47, 'x').c_str(), 1), 0xb7b7254b7fce826dull);
  EXPECT_EQ(raft_digest(std::string(48, 'x').c_str(), 1), 0x19c9c62387b71e33ull);
  EXPECT_EQ(raft_digest(std::string(1000, 'y').c_str(), ~0ull), 0x2ee059449720352bull);
}

}  // namespace
}  // namespace craft_test
