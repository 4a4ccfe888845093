// The JavaScript files that Debian's libnode reads when it starts.
#ifndef POLYRAFT_RUNTIME_EMBEDDED_SCRIPTS_H_
#define POLYRAFT_RUNTIME_EMBEDDED_SCRIPTS_H_

#include <string>

namespace polyraft::runtime {

// Debian's libnode has some of Node's JavaScript in files, under absolute paths, and ends the process when
// one cannot be read. A libnode that travels beside this library has them beside it, too (directory
// `nodejs`): where a file is not at its absolute path, libnode is made to take it from there.
//
// True when libnode can start; else `*problem` says what is missing. Call it before a V8 context is made.
bool provide_embedded_scripts(std::string* problem);

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_EMBEDDED_SCRIPTS_H_
