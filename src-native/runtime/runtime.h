// What runs an engine: a child process, or a thread of this one. One object is one run of the engine.
#ifndef POLYRAFT_RUNTIME_RUNTIME_H_
#define POLYRAFT_RUNTIME_RUNTIME_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "bridge/region.h"

namespace polyraft::runtime {

enum class Kind { kEmbedded, kProcess };

struct StartRequest {
  // Outlives the runtime object.
  bridge::Region* region = nullptr;
  int doorbell_fd = -1;
  // The configuration's node_path; empty when it has none. Process runtime only.
  std::string node_path;
  // The directory that relative paths of configurations mean. Process runtime only.
  std::string working_directory;
  // A memfd that the engine maps behind the region, and its size; -1: none. Process runtime only.
  int arena_fd = -1;
  uint64_t arena_bytes = 0;
};

// Called once, from any thread, when the engine has ended and will not touch the region again. Not after a
// failed start.
using Died = std::function<void(const std::string& reason)>;

class Runtime {
 public:
  virtual ~Runtime() = default;
  // Whether the engine is another process, so that the region must be a memfd.
  virtual bool needs_shared_region() const = 0;
  // Whether a new runtime object may be started in this process after this one died.
  virtual bool can_restart() const = 0;
  // Starts the engine and returns; it reports ENGINE_READY by the control event ring. A code of enum
  // RAFT_Error.
  virtual int start(const StartRequest& request, Died died, std::string* error) = 0;
  // Ends an engine that misbehaves; `died` follows. Safe to call at any time after start.
  virtual void kill() = 0;
  // The engine's process; -1 when it is this one, or has not started.
  virtual pid_t process_id() const { return -1; }
};

std::unique_ptr<Runtime> make_process_runtime();
std::unique_ptr<Runtime> make_embedded_runtime();
// Whether the plugin of the embedded runtime lies beside this library.
bool embedded_runtime_is_installed();
// Whether the host's program is Node, or has it linked: there only the process runtime can be used.
bool process_has_node();

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_RUNTIME_H_
