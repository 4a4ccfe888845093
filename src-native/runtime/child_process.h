// Starts a child with default signals, an empty signal mask, and no descriptor of this process but the given
// ones.
#ifndef POLYRAFT_RUNTIME_CHILD_PROCESS_H_
#define POLYRAFT_RUNTIME_CHILD_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace polyraft::runtime {

struct ChildStart {
  std::string path;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  // Empty: this process's.
  std::string working_directory;
  // -1: /dev/null. Standard input is /dev/null, standard error is shared.
  int stdout_fd = -1;
  // Become descriptors 3, 4, ... of the child.
  std::vector<int> descriptors;
};

inline constexpr int kFirstChildDescriptor = 3;

// 0 or errno.
int spawn_child(const ChildStart& start, pid_t* pid);

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_CHILD_PROCESS_H_
