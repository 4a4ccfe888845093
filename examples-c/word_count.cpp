// Counts words, on every node alike: one process is one node. Lines from standard input are proposed; an
// empty line prints the counts behind a read barrier, so that they hold everything that any node has
// acknowledged.
//
//     word_count ID URL [URL ...]          e.g. word_count 1 http://127.0.0.1:9001
//
// The URLs are those of nodes 1, 2, ...; the node's files go to word_count-ID in the working directory.
#include <algorithm>
#include <iostream>
#include <map>
#include <mutex>
#include <polyraft.hpp>
#include <sstream>
#include <string>

namespace {

class WordCount : public polyraft::StateMachine {
 public:
  void apply(polyraft::Index, polyraft::Term, polyraft::Bytes data) override {
    std::istringstream words{std::string(data.text())};
    const std::lock_guard<std::mutex> lock(mutex_);
    for (std::string word; words >> word;) counts_[word]++;
  }

  std::string snapshot(polyraft::Index) override {
    std::ostringstream out;
    print(out);
    return out.str();
  }

  void restore(polyraft::Index, polyraft::Term, polyraft::Bytes data) override {
    std::istringstream lines{std::string(data.text())};
    const std::lock_guard<std::mutex> lock(mutex_);
    counts_.clear();
    std::string word;
    for (long count = 0; lines >> word >> count;) counts_[word] = count;
  }

  void print(std::ostream& out) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [word, count] : counts_) out << word << ' ' << count << '\n';
  }

 private:
  // Reads come on the main thread, entries on the apply thread.
  mutable std::mutex mutex_;
  std::map<std::string, long> counts_;
};

// URLs hold no character that JSON would want escaped, or the configuration is refused.
std::string configuration(const std::string& id, int count, char** urls) {
  std::string peers;
  for (int each = 0; each < count; each++) {
    peers += (each == 0 ? "" : ", ") + std::string(R"({"id": )") + std::to_string(each + 1) +
             R"(, "url": ")" + urls[each] + R"("})";
  }
  const std::string directory = "word_count-" + id;
  return R"({"id": )" + id + R"(, "waldir": ")" + directory + R"(/wal", "snapdir": ")" + directory +
         R"(/snap", "peers": [)" + peers + "]}";
}

constexpr int kTimeoutMs = 10000;

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: word_count ID URL [URL ...]\n";
    return 2;
  }
  try {
    WordCount words;
    polyraft::Server server(configuration(argv[1], argc - 2, argv + 2), words);
    for (std::string line; std::getline(std::cin, line);) {
      if (line.empty()) {
        server.read_barrier(kTimeoutMs);
        words.print(std::cout);
        std::cout << std::endl;
      } else if (const auto done = server.try_propose_wait(line, kTimeoutMs); !done) {
        std::cerr << "word_count: not counted: " << done.error().what() << '\n';
      }
    }
    // A leader passes leadership on, so that the others need no election.
    server.stop(true);
  } catch (const polyraft::Error& error) {
    std::cerr << "word_count: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
