// Ports for tests.
#ifndef POLYRAFT_TEST_PORTS_H_
#define POLYRAFT_TEST_PORTS_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <random>

namespace native_test {

// A port of 127.0.0.1 that nobody uses now, below those that the kernel gives to outgoing connections (which
// could take it between two starts of a node), where there are such. 0: none was found.
inline uint16_t free_port() {
  constexpr int kLowest = 10000;
  constexpr int kFewest = 1000;
  int ephemeral = 0;
  if (std::FILE* const range = std::fopen("/proc/sys/net/ipv4/ip_local_port_range", "re")) {
    if (std::fscanf(range, "%d", &ephemeral) != 1) ephemeral = 0;
    std::fclose(range);
  }
  std::random_device random;
  for (int attempt = 0; attempt < 1000; attempt++) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return 0;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (ephemeral >= kLowest + kFewest) {
      std::uniform_int_distribution<int> any(kLowest, ephemeral - 1);
      address.sin_port = htons(static_cast<uint16_t>(any(random)));
    }
    socklen_t length = sizeof address;
    const bool is_free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                         getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
    close(fd);
    if (is_free) return ntohs(address.sin_port);
  }
  return 0;
}

}  // namespace native_test

#endif  // POLYRAFT_TEST_PORTS_H_
