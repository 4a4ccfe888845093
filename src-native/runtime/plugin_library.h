// libpolyraft-node.so, loaded when it is first needed and never unloaded.
#ifndef POLYRAFT_RUNTIME_PLUGIN_LIBRARY_H_
#define POLYRAFT_RUNTIME_PLUGIN_LIBRARY_H_

#include <string>

#include "runtime/embedded_plugin.h"

namespace polyraft::runtime {

// nullptr, and why.
const polyraft_plugin* load_plugin(std::string* error);

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_PLUGIN_LIBRARY_H_
