// Bare isolates for libpolyraft-craft.so: the table `isolates` of embedded_plugin.h.
#ifndef POLYRAFT_RUNTIME_EMBEDDED_ISOLATE_H_
#define POLYRAFT_RUNTIME_EMBEDDED_ISOLATE_H_

#include "runtime/embedded_plugin.h"

namespace polyraft::runtime {

extern const polyraft_isolates kIsolates;

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_EMBEDDED_ISOLATE_H_
