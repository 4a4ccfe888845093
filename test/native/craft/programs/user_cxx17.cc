// The header in C++17, in a namespace of the program's own and without any of the library's macros.
#include <raft.h>

#include <cstdio>

namespace program {

struct Server {
  raft r{};
  Server() { raft_init(&r, 3, "three"); }
  ~Server() { raft_close(&r); }
};

}  // namespace program

int main() {
  program::Server server;
  std::printf("%llu %s\n", server.r.id, raft_state_name(raft_state(&server.r)));
  return server.r.id == 3 && raft_state(&server.r) == RAFT_UNAVAILABLE ? 0 : 1;
}
