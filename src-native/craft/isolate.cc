#include "craft/isolate.h"

#include <craft/raft.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mutex>
#include <utility>

#include "runtime/library_files.h"
#include "runtime/plugin_library.h"

namespace polyraft::craft {

namespace {

bool is_main_thread() {
  return getpid() == static_cast<pid_t>(syscall(SYS_gettid));
}

struct OfThread {
  std::shared_ptr<Isolate> isolate;

  ~OfThread() {
    if (isolate == nullptr) return;
    if (!is_main_thread()) {
      isolate->leave();
      return;
    }
    // The process ends with this thread: there is nothing to tidy up, and V8 may be on its way out.
    static auto* const kept = new std::shared_ptr<Isolate>;
    *kept = std::move(isolate);
  }
};

thread_local OfThread own;

// Once a process, with whatever result.
const polyraft_isolates* load(int* code, std::string* why) {
  static std::mutex mutex;
  static const polyraft_plugin* plugin = nullptr;
  const std::lock_guard<std::mutex> hold(mutex);
  if (plugin == nullptr) {
    const std::string file = runtime::library_file(runtime::kEmbeddedPlugin);
    if (!runtime::is_readable_file(file)) {
      *code = RAFT_NOTFOUND;
      *why = "a part of the library is not where it was installed: " + file;
      return nullptr;
    }
    plugin = runtime::load_plugin(why);
    if (plugin == nullptr) {
      *code = RAFT_SHUTDOWN;
      return nullptr;
    }
  }
  return plugin->isolates;
}

}  // namespace

std::shared_ptr<Isolate> Isolate::of_this_thread(int* code, std::string* why) {
  if (own.isolate != nullptr) return own.isolate;
  const std::string bundle = runtime::library_file(runtime::kCraftBundle);
  if (!runtime::is_readable_file(bundle)) {
    *code = RAFT_NOTFOUND;
    *why = "a part of the library is not where it was installed: " + bundle;
    return nullptr;
  }
  const polyraft_isolates* const calls = load(code, why);
  if (calls == nullptr) return nullptr;
  char text[512] = "";
  polyraft_isolate* isolate = nullptr;
  if (calls->open(bundle.c_str(), &isolate, {text, sizeof text}) != 0) {
    *code = RAFT_SHUTDOWN;
    *why = text;
    return nullptr;
  }
  own.isolate = std::make_shared<Isolate>(calls, isolate);
  return own.isolate;
}

}  // namespace polyraft::craft
