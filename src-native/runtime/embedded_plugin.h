/**
 * The C interface between libpolyraft.so or libpolyraft-craft.so and libpolyraft-node.so, the one file with
 * V8 in it. The shims dlopen the plugin with RTLD_LOCAL and look up polyraft_plugin_get; nothing else crosses
 * the border. No exception may leave the plugin.
 */
#ifndef POLYRAFT_RUNTIME_EMBEDDED_PLUGIN_H_
#define POLYRAFT_RUNTIME_EMBEDDED_PLUGIN_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Grows with every incompatible change; the shim refuses a plugin of another version. */
#define POLYRAFT_PLUGIN_ABI_VERSION 3u

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

/** A bare V8 isolate with a bundle loaded, and one object that the bundle has made. */
typedef struct polyraft_isolate polyraft_isolate;
typedef struct polyraft_machine polyraft_machine;

/** Where a call says what went wrong: a text, cut to the size. */
struct polyraft_problem {
  char* text;
  size_t size;
};

/**
 * Bare isolates: no event loop, no thread, no input or output. An isolate's machines are entered by one
 * thread at a time, whichever it is; others wait. Every call needs 128 KiB of stack. Functions that return
 * int return 0, or what they say.
 */
struct polyraft_isolates {
  /** Starts V8 if need be and loads the bundle: 1 when it cannot be read or run. */
  int (*open)(const char* bundle_path, polyraft_isolate** isolate, struct polyraft_problem problem);
  /** The thread that called open() is about to end; called by it. */
  void (*leave)(polyraft_isolate* isolate);
  /** All its machines have been destroyed, and its thread has left. */
  void (*close)(polyraft_isolate* isolate);
  /**
   * Calls the bundle's create(buffer, id, seed). `words` stays valid until the machine is destroyed or gets
   * others. 1 when that throws.
   */
  int (*create)(polyraft_isolate* isolate, double* words, size_t count, double id, double seed,
                polyraft_machine** machine, struct polyraft_problem problem);
  void (*destroy)(polyraft_machine* machine);
  /**
   * Calls step(). 0; or the positive code that it refuses with, and its text; or -1 when its answer needs
   * `words_needed` words: then attach() and answer() follow. -2 when it throws.
   */
  int (*step)(polyraft_machine* machine, size_t* words_needed, struct polyraft_problem problem);
  /** From now on `words` is the buffer; the old one may be freed. */
  int (*attach)(polyraft_machine* machine, double* words, size_t count, struct polyraft_problem problem);
  /** Writes the answer that did not fit. */
  int (*answer)(polyraft_machine* machine, struct polyraft_problem problem);
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
  const struct polyraft_isolates* isolates;
};

/** The one exported symbol. The result is static. */
typedef const struct polyraft_plugin* (*polyraft_plugin_get_function)(void);
#define POLYRAFT_PLUGIN_GET_SYMBOL "polyraft_plugin_get"

#ifdef __cplusplus
}
#endif

#endif  // POLYRAFT_RUNTIME_EMBEDDED_PLUGIN_H_
