// Lines of the log: their forms, and the callback's thread with what waits for it. Linked with what the
// library hides.
#include "api/log.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "api/log_line.h"

namespace polyraft::log {
namespace {

bool eventually(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

Line line_of(std::string_view message) {
  Line line;
  line.time_ns = 1770000000123456789;
  line.level = RAFT_LOG_WARNING;
  line.source = "transport";
  line.message = message;
  return line;
}

TEST(LogLine, Text) {
  Line line = line_of("peer 2 is \"away\"\n\x1b[31m \xC2\x9B \xFF");
  EXPECT_EQ(
      text_of(line, 7),
      "2026-02-02T02:40:00.123Z WARNING polyraft[7] peer 2 is \"away\"\\x0a\\x1b[31m \\x9b \xEF\xBF\xBD\n");
  line.cluster_id = 0;
  line.node_id = UINT64_MAX;
  line.position = "peer.ts:12";
  line.message = "x";
  EXPECT_EQ(text_of(line, 7),
            "2026-02-02T02:40:00.123Z WARNING polyraft[7] peer.ts:12: 0/ffffffffffffffff: x\n");
}

TEST(LogLine, Json) {
  Line line = line_of("x");
  EXPECT_EQ(
      json_of(line, 7),
      "{\"time\":\"2026-02-02T02:40:00.123456789Z\",\"level\":\"WARNING\",\"pid\":7,\"source\":\"transport\","
      "\"cluster\":null,\"node\":null,\"message\":\"x\"}\n");
  line.cluster_id = 0;
  line.node_id = UINT64_MAX;
  line.position = "peer.ts:12";
  const auto json = nlohmann::json::parse(json_of(line, 7));
  EXPECT_EQ(json["cluster"], "0");
  EXPECT_EQ(json["node"], "18446744073709551615");
  EXPECT_EQ(json["position"], "peer.ts:12");
}

// Every byte, alone and behind every other: what is UTF-8 comes back, and the rest is JSON all the same.
TEST(LogLine, JsonOfWhateverBytes) {
  // What begins no longer character is like its neighbours.
  for (int first = -1; first < 256; first += first < 0xBF ? 8 : 1) {
    for (int second = 0; second < 256; second++) {
      std::string message = "a";
      if (first >= 0) message += static_cast<char>(first);
      message += static_cast<char>(second);
      message += "z";
      const std::string text = json_of(line_of(message), 1);
      ASSERT_EQ(text.find('\n'), text.size() - 1);
      const auto parsed = nlohmann::json::parse(text, nullptr, false);
      ASSERT_FALSE(parsed.is_discarded()) << first << " " << second;
      const auto read = parsed["message"].get<std::string>();
      bool is_text = true;
      try {
        static_cast<void>(nlohmann::json(message).dump());
      } catch (const nlohmann::json::type_error&) {
        is_text = false;
      }
      if (is_text) {
        ASSERT_EQ(read, message);
      } else {
        ASSERT_NE(read.find("\xEF\xBF\xBD"), std::string::npos);
      }
    }
  }
}

TEST(LogLine, LongerCharacters) {
  const std::string good = "\xE2\x82\xAC \xF0\x9F\x98\x80 \xED\x9F\xBF \xF4\x8F\xBF\xBF";
  EXPECT_EQ(clean(good), good);
  for (const char* bad : {"\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xE2\x82",
                          "\xF0\x9F\x98", "\xC0\xAF", "\xF8"}) {
    EXPECT_NE(clean(bad).find("\xEF\xBF\xBD"), std::string::npos) << clean(bad);
    EXPECT_FALSE(nlohmann::json::parse(quoted(bad), nullptr, false).is_discarded());
  }
}

// What a callback has got, and a gate that it waits at.
struct Reader {
  std::mutex mutex;
  std::vector<std::string> messages;
  std::atomic<bool> open{true};
  std::atomic<int> inside{0};
  std::function<void(const std::string&)> then;

  size_t count() {
    const std::lock_guard<std::mutex> lock(mutex);
    return messages.size();
  }
  std::vector<std::string> all() {
    const std::lock_guard<std::mutex> lock(mutex);
    return messages;
  }
  static void call(void* context, const RAFT_LogRecord* record) {
    auto* const self = static_cast<Reader*>(context);
    EXPECT_EQ(++self->inside, 1);
    while (!self->open) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    {
      const std::lock_guard<std::mutex> lock(self->mutex);
      self->messages.emplace_back(record->message);
    }
    self->inside--;
    if (self->then) self->then(record->message);
  }
};

TEST(LogCallback, LinesOfManyThreadsComeOneAtATimeAndAllBeforeItIsTakenAway) {
  Reader reader;
  ASSERT_TRUE(set_callback(Reader::call, &reader));
  constexpr int kThreads = 4;
  constexpr int kLines = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([t] {
      for (int i = 0; i < kLines; i++) write(RAFT_LOG_ERROR, std::to_string(t) + " " + std::to_string(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(set_callback(nullptr, nullptr));
  const std::vector<std::string> messages = reader.all();
  ASSERT_EQ(messages.size(), kThreads * kLines);
  std::vector<int> next(kThreads, 0);
  for (const std::string& message : messages) {
    const int thread = std::stoi(message);
    EXPECT_EQ(std::stoi(message.substr(message.find(' '))), next[thread]++);
  }
}

TEST(LogCallback, ASlowOneHoldsNobodyUpAndLosesCountedLines) {
  Reader reader;
  reader.open = false;
  ASSERT_TRUE(set_callback(Reader::call, &reader));
  constexpr size_t kLines = 10000;
  for (size_t i = 0; i < kLines; i++) write(RAFT_LOG_ERROR, "line");
  EXPECT_EQ(reader.count(), 0U);
  reader.open = true;
  ASSERT_TRUE(eventually([&] { return reader.count() >= 8192; }));
  write(RAFT_LOG_ERROR, "after");
  ASSERT_TRUE(set_callback(nullptr, nullptr));
  const std::vector<std::string> messages = reader.all();
  EXPECT_EQ(messages.back(), "after");
  // Told where they are missing: once, or twice when it took the first lines before the last were written.
  size_t kept = 0;
  size_t lost = 0;
  for (const std::string& message : messages) {
    if (message == "line") kept++;
    const size_t end = message.find(" log lines were lost: the callback did not take them in time");
    if (end != std::string::npos) lost += std::stoul(message.substr(0, end));
  }
  EXPECT_GT(lost, 0U);
  EXPECT_EQ(kept + lost, kLines);
}

TEST(LogCallback, MayReplaceItselfAndThrowAndLog) {
  Reader first;
  Reader second;
  std::atomic<int> logged{0};
  first.then = [&](const std::string& message) {
    if (message == "swap") {
      EXPECT_TRUE(set_callback(Reader::call, &second));
      return;
    }
    if (logged++ < 3) write(RAFT_LOG_ERROR, "of the callback itself");
    throw std::runtime_error("not for the library");
  };
  ASSERT_TRUE(set_callback(Reader::call, &first));
  write(RAFT_LOG_ERROR, "one");
  ASSERT_TRUE(eventually([&] { return first.count() == 4; }));
  write(RAFT_LOG_ERROR, "swap");
  ASSERT_TRUE(eventually([&] {
    write(RAFT_LOG_ERROR, "later");
    return second.count() > 0;
  }));
  ASSERT_TRUE(set_callback(nullptr, nullptr));
  EXPECT_EQ(first.all().back(), "swap");
}

TEST(LogCallback, MayEndItsThread) {
  Reader reader;
  reader.then = [](const std::string& message) {
    if (message == "end") pthread_exit(nullptr);
  };
  ASSERT_TRUE(set_callback(Reader::call, &reader));
  write(RAFT_LOG_ERROR, "end");
  ASSERT_TRUE(eventually([&] { return reader.count() == 1; }));
  ASSERT_TRUE(set_callback(nullptr, nullptr));
  ASSERT_TRUE(set_callback(Reader::call, &reader));
  // The one that ends takes its callback along, so it may have to be set again.
  ASSERT_TRUE(eventually([&] {
    set_callback(Reader::call, &reader);
    write(RAFT_LOG_ERROR, "again");
    return reader.count() > 1;
  }));
  ASSERT_TRUE(set_callback(nullptr, nullptr));
}

TEST(LogCallback, AChildOfForkHasNoneUntilItSetsOne) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer knows no threads in such a child";
#endif
  Reader reader;
  ASSERT_TRUE(set_callback(Reader::call, &reader));
  write(RAFT_LOG_ERROR, "parent");
  ASSERT_TRUE(eventually([&] { return reader.count() == 1; }));
  // Its callback is over: nothing is locked when the child is made.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    set_sink(nullptr, false, nullptr);
    write(RAFT_LOG_ERROR, "to nobody");
    const bool is_set = set_callback(Reader::call, &reader);
    write(RAFT_LOG_ERROR, "child");
    _exit(is_set && set_callback(nullptr, nullptr) && reader.count() == 2 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_TRUE(set_callback(nullptr, nullptr));
  EXPECT_EQ(reader.count(), 1U);
}

}  // namespace
}  // namespace polyraft::log
