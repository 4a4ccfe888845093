/**
 * The C interface between libpolyraft.so and libpolyraft-node.so (the embedded runtime). The shim dlopens the
 * plugin with RTLD_LOCAL and looks up polyraft_plugin_get; nothing else crosses the border. No exception may
 * leave the plugin.
 */
#ifndef POLYRAFT_RUNTIME_EMBEDDED_PLUGIN_H_
#define POLYRAFT_RUNTIME_EMBEDDED_PLUGIN_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Grows with every incompatible change; the shim refuses a plugin of another version. */
#define POLYRAFT_PLUGIN_ABI_VERSION 1u

/** What the shim hands over. All of it stays valid until the host process ends. */
struct polyraft_plugin_start {
  /** The bridge region (bridge/protocol_generated.h), mapped for the life of the process. */
  void* region;
  size_t region_bytes;
  /** An eventfd the shim writes to when the engine is parked. The shim keeps ownership. */
  int doorbell_fd;
  /** The engine's bundle (one CommonJS file), absolute. */
  const char* bundle_path;
  /**
   * Called once, from any thread of the plugin, when the engine has ended for whatever reason: exit code and
   * a text (copied before it returns). Not called when start fails.
   */
  void (*died)(void* context, int exit_code, const char* reason);
  void* context;
};

struct polyraft_plugin {
  uint32_t abi_version;
  /**
   * Starts the engine on a thread of its own, with all signals blocked, and returns once that thread runs
   * (the engine itself reports ENGINE_READY on the control event ring). At most once per process: an engine
   * that ended cannot be started again. 0, or an enum RAFT_Error code with a text in `error`.
   */
  int (*start)(const struct polyraft_plugin_start* start, char* error, size_t error_size);
  /** Asks the engine's environment to stop, from any thread; does not wait. died is called when it has. */
  void (*stop)(void);
};

/** The one exported symbol. The result is static. */
typedef const struct polyraft_plugin* (*polyraft_plugin_get_function)(void);
#define POLYRAFT_PLUGIN_GET_SYMBOL "polyraft_plugin_get"

#ifdef __cplusplus
}
#endif

#endif  // POLYRAFT_RUNTIME_EMBEDDED_PLUGIN_H_
