// Texts for the interface's numbers.
#include <craft/raft.h>

#include <iterator>

namespace {

constexpr const char* kErrors[] = {
    "no error",
    "an allocation failed",
    "the id names no server that this can be done with",
    "a server with this id is in the configuration already",
    "a server with this address is in the configuration already",
    "there is no such role",
    "encoded bytes are damaged or of an unknown format",
    "this server is not the leader",
    "the leadership was lost before it was done",
    "the server has failed or was shut down",
    "there is state already",
    "a configuration change or a catch-up is under way",
    "stored data is damaged",
    "given up",
    "a name is too long",
    "data is too large",
    "the server cannot be reached",
    "cannot be done at this moment",
    "input or output failed",
    "there is no such thing",
    "an argument is wrong",
    "access was refused",
    "too little space on disk",
    "a limit is reached",
};
static_assert(std::size(kErrors) == RAFT_TOOMANY + 1);

template <size_t count>
const char* text(const char* const (&texts)[count], int number, const char* otherwise) {
  return number >= 0 && static_cast<size_t>(number) < count ? texts[number] : otherwise;
}

}  // namespace

extern "C" {

const char* raft_strerror(int errnum) {
  return text(kErrors, errnum, "an unknown error");
}

const char* raft_state_name(int state) {
  static constexpr const char* kNames[] = {"unavailable", "follower", "candidate", "leader"};
  return text(kNames, state, "unknown");
}

const char* raft_role_name(int role) {
  static constexpr const char* kNames[] = {"stand-by", "voter", "spare"};
  return text(kNames, role, "unknown");
}
}
