// Where a node keeps what it keeps.
#ifndef POLYRAFT_API_LIBRAFT_DIRECTORY_H_
#define POLYRAFT_API_LIBRAFT_DIRECTORY_H_

#include <string>

namespace polyraft::libraft {

// Makes `path` and its `host` directory, with parents, and empties the latter. The absolute path, or empty
// with a text.
std::string make_directory(const std::string& path, std::string* error);

// A new directory for a node without one, in memory where the machine has room there, else among temporary
// files. What programs that were killed have left is removed first. The path, or empty with a text.
std::string make_temporary_directory(std::string* error);

void remove_directory(const std::string& path);

}  // namespace polyraft::libraft

#endif  // POLYRAFT_API_LIBRAFT_DIRECTORY_H_
