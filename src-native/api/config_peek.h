// The few keys of a configuration that the shim needs before an engine runs. The engine checks everything.
#ifndef POLYRAFT_API_CONFIG_PEEK_H_
#define POLYRAFT_API_CONFIG_PEEK_H_

#include <cstdint>
#include <string>

namespace polyraft {

struct PeekedConfig {
  // "embedded", "process" or empty.
  std::string runtime;
  std::string node_path;
  uint64_t max_proposal_bytes = 64u << 20;
};

// RAFT_OK, or CONFIG with a text that names the key.
int peek_config(const char* json, PeekedConfig* config, std::string* error);

}  // namespace polyraft

#endif  // POLYRAFT_API_CONFIG_PEEK_H_
