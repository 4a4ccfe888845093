// Which node executable runs the engine's process, and whether it is recent enough.
#ifndef POLYRAFT_RUNTIME_NODE_LOCATOR_H_
#define POLYRAFT_RUNTIME_NODE_LOCATOR_H_

#include <string>
#include <vector>

namespace polyraft::runtime {

inline constexpr int kNodeMajorMin = 18;
inline constexpr int kNodeMinorMin = 20;

// The configuration's node_path (may be empty), else the environment's POLYRAFT_NODE, else `node` in PATH.
// Runs it with
// --version once a path. RAFT_OK, or RUNTIME with a text.
int locate_node(const std::string& node_path, std::string* path, std::string* error);

// The environment of a child: this process's without what would change Node's behaviour, with `added`
// ("NAME=value").
std::vector<std::string> child_environment(const std::vector<std::string>& added);
// Pointers for exec, ended by null; valid as long as `strings`.
std::vector<char*> pointers_to(std::vector<std::string>& strings);

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_NODE_LOCATOR_H_
