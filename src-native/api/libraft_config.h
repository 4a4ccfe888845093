// RaftConfig: its rules that are the host's to check, its text for the engine, and its options of the command
// line.
#ifndef POLYRAFT_API_LIBRAFT_CONFIG_H_
#define POLYRAFT_API_LIBRAFT_CONFIG_H_

#include <string>

#include "libraft/raft_c_if.h"

namespace polyraft::libraft {

inline constexpr uint64_t kCommandBytesMax = uint64_t{64} << 20;

// Whether nothing is kept beyond the program.
bool is_in_memory(const RaftConfig& config);
// What the engine does not see: sizes, and texts that do not end. False: *error names the member.
bool check_config(const RaftConfig& config, std::string* error);
// For the engine, which checks the rest; `directory` holds everything that is kept.
std::string config_text(const RaftConfig& config, const std::string& directory);

}  // namespace polyraft::libraft

#endif  // POLYRAFT_API_LIBRAFT_CONFIG_H_
