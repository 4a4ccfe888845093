// What a peer, or anybody who can reach the port, may do to a server: half requests, resets, nonsense.
#ifndef POLYRAFT_TEST_SURVIVAL_SURVIVOR_PEERS_H_
#define POLYRAFT_TEST_SURVIVAL_SURVIVOR_PEERS_H_

#include <netinet/in.h>
#include <sys/time.h>

#include "survivor_host.h"

namespace survivor {

class Connection {
 public:
  explicit Connection(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const timeval limit = {10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // As much as the server takes: it may end the connection meanwhile.
  void send_text(const std::string& text) {
    size_t sent = 0;
    while (sent < text.size()) {
      const ssize_t count = send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<size_t>(count);
    }
  }
  std::string receive_some() {
    char buffer[65536];
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    return std::string(buffer, count > 0 ? static_cast<size_t>(count) : 0);
  }
  void reset() {
    const linger at_once = {1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

inline std::string request(const std::string& first_line, const std::string& more, const std::string& body) {
  return first_line +
         " HTTP/1.1\r\nHost: localhost\r\nX-Server-From: 2\r\nX-Server-Version: 3.5.0\r\n"
         "X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: 7\r\nX-Raft-To: 1\r\n" +
         more + "\r\n" + body;
}

inline std::string noise(size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 1664525U + 1013904223U;
    byte = static_cast<char>(seed >> 24);
  }
  return bytes;
}

// The i-th of ten kinds; noise in it differs each time.
inline std::string malformed(unsigned i) {
  switch (i % 10) {
    case 0:
      return noise(500, i) + "\r\n\r\n";
    case 1:
      return "POST /ra";
    case 2:
      return "GET / HTTP/1.1\r\nX: " + std::string(100000, 'x') + "\r\n\r\n";
    case 3:
      return request("POST /raft", "Content-Length: -5\r\n", "");
    case 4:
      return request("POST /raft", "Content-Length: 300\r\n", noise(300, i));
    case 5:
      return request("POST /raft", "Content-Length: 1000000\r\n", noise(10, i));
    case 6:
      return request("POST /raft/snapshot", "Content-Length: 4000\r\n", noise(4000, i));
    case 7:
      return request("POST /raft", "Transfer-Encoding: chunked\r\n", "zzzz\r\n" + noise(50, i));
    case 8:
      return request("GET /raft/stream/msgapp/ffffffffffffffffffff", "", "");
    default:
      return std::string("GET /raft HTTP/9.9\r\n") + std::string(1, '\0') + "\r\n\r\n";
  }
}

// The second member's streams, broken off while the server writes entries to them.
inline void run_broken_streams(Host& host, int port) {
  const std::string url = "http://127.0.0.1:" + std::to_string(free_port());
  REQUIRE(RAFT_ChangeMember(host.handle, RAFT_MEMBER_ADD_LEARNER, 2, url.c_str(), kWaitMs, nullptr) ==
          RAFT_OK);
  std::atomic<bool> stopping{false};
  std::thread writes([&] {
    const std::string large(200000, 'x');
    while (!stopping)
      REQUIRE(RAFT_ProposeWait(host.handle, large.data(), large.size(), kWaitMs, nullptr, nullptr) ==
              RAFT_OK);
  });
  size_t received = 0;
  for (int round = 0; round < 30; round++) {
    const char* const kind = round % 3 == 2 ? "message" : "msgapp";
    Connection peer(port);
    peer.send_text(request(std::string("GET /raft/stream/") + kind + "/2", "", ""));
    const std::string answer = peer.receive_some();
    REQUIRE(answer.find(" 200 ") != std::string::npos);
    if (round % 3 == 0) received += peer.receive_some().size();
    peer.reset();
  }
  stopping = true;
  writes.join();
  REQUIRE(received > 0);
  REQUIRE(RAFT_ChangeMember(host.handle, RAFT_MEMBER_REMOVE, 2, nullptr, kWaitMs, nullptr) == RAFT_OK);
}

inline void run_malformed_requests(int port, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    Connection stranger(port);
    stranger.send_text(malformed(i));
    // An answer comes to those requests only that are whole.
    const bool is_half = i % 10 == 1 || i % 10 == 5;
    if (!is_half && i / 10 % 2 == 0)
      REQUIRE(stranger.receive_some().rfind("HTTP/1.1 ", 0) == 0 || i % 10 == 2);
    if (i % 3 != 0) stranger.reset();
  }
}

}  // namespace survivor

#endif  // POLYRAFT_TEST_SURVIVAL_SURVIVOR_PEERS_H_
