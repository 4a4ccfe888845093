// A counter that every node of a cluster holds alike; here the cluster is this program alone.
#include <atomic>
#include <iostream>
#include <polyraft.hpp>
#include <string>

class Counter : public polyraft::StateMachine {
 public:
  // Changed on the apply thread, read on the main one.
  std::atomic<long> value{0};

  void apply(polyraft::Index, polyraft::Term, polyraft::Bytes data) override {
    value += std::stol(std::string(data.text()));  // what it throws stops this server
  }
  std::string snapshot(polyraft::Index) override { return std::to_string(value); }
  void restore(polyraft::Index, polyraft::Term, polyraft::Bytes data) override {
    value = std::stol(std::string(data.text()));
  }
};

int main(int argc, char** argv) try {
  const std::string url = argc > 1 ? argv[1] : "http://127.0.0.1:9001";
  const std::string config =
      R"({"id": 1, "waldir": "wal", "snapdir": "snap", "peers": [{"id": 1, "url": ")" + url + R"("}]})";
  Counter counter;
  polyraft::Server server(config, counter);
  server.propose_wait("5", 10000);
  server.read_barrier(10000);
  server.save_snapshot(10000);
  std::cout << counter.value << std::endl;
} catch (const polyraft::Error& error) {
  std::cerr << "cpp_counter: " << error.what() << std::endl;
  return 1;
}
