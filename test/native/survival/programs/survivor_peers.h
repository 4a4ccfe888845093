// What a peer, or anybody who can reach the port, may do to a server: half requests, resets, nonsense.
#ifndef POLYRAFT_TEST_SURVIVAL_SURVIVOR_PEERS_H_
#define POLYRAFT_TEST_SURVIVAL_SURVIVOR_PEERS_H_

#include <netinet/in.h>
#include <sys/time.h>

#include "survivor_host.h"

namespace survivor {

class Connection {
 public:
  struct Accepted {
    int fd;
  };
  explicit Connection(Accepted accepted) : fd_(accepted.fd) {}
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

// The second member as the server finds it when it connects: takes a little of what is written, then breaks
// off, with no answer, half of one, or one that goes on with noise.
class FaultyPeer {
 public:
  FaultyPeer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(fd_, 16) == 0);
    REQUIRE(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { run(); });
  }
  ~FaultyPeer() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  FaultyPeer(const FaultyPeer&) = delete;
  FaultyPeer& operator=(const FaultyPeer&) = delete;

  const std::string& url() const { return url_; }
  int connections() const { return connections_; }
  int posts() const { return posts_; }

 private:
  void run() {
    for (int fd = 0; (fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0; connections_++) {
      Connection from_server{Connection::Accepted{fd}};
      if (from_server.receive_some().rfind("POST ", 0) == 0) posts_++;
      const auto round = static_cast<unsigned>(connections_);
      if (round % 3 == 1) from_server.send_text("HTTP/1.1 200 O");
      if (round % 3 == 2) {
        from_server.send_text("HTTP/1.1 200 OK\r\nX-Server-Version: 3.5.0\r\nX-Etcd-Cluster-ID: 7\r\n\r\n" +
                              noise(3000, round));
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      from_server.reset();
    }
  }

  int fd_;
  std::string url_;
  std::atomic<int> connections_{0};
  std::atomic<int> posts_{0};
  std::thread thread_;
};

// The second member's streams, broken off while the server writes to them.
inline void run_broken_streams(int port, const FaultyPeer& peer) {
  size_t received = 0;
  for (int round = 0; round < 60; round++) {
    const bool is_message = round % 2 == 0;
    Connection stream(port);
    stream.send_text(
        request(std::string("GET /raft/stream/") + (is_message ? "message" : "msgapp") + "/2", "", ""));
    REQUIRE(stream.receive_some().find(" 200 ") != std::string::npos);
    // Heartbeats come soon.
    if (is_message) received += stream.receive_some().size();
    stream.reset();
  }
  REQUIRE(received > 0);
  REQUIRE(eventually([&] { return peer.connections() >= 30 && peer.posts() > 0; }));
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
