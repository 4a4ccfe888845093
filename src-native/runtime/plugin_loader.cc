// The embedded runtime: loads libpolyraft-node.so, which runs the engine on a thread of this process.
#include <mutex>
#include <string>
#include <utility>

#include "polyraft_codes.h"
#include "runtime/embedded_plugin.h"
#include "runtime/library_files.h"
#include "runtime/plugin_library.h"
#include "runtime/runtime.h"

namespace polyraft::runtime {

namespace {

class EmbeddedRuntime : public Runtime {
 public:
  ~EmbeddedRuntime() override {
    // The plugin may call back for as long as the process lives.
    const std::lock_guard<std::mutex> lock(context_->mutex);
    context_->died = nullptr;
  }

  bool needs_shared_region() const override { return false; }
  bool can_restart() const override { return false; }

  int start(const StartRequest& request, Died died, std::string* error) override {
    const std::string bundle = engine_bundle();
    if (!is_readable_file(bundle)) {
      *error = "the engine is not where it was installed: " + bundle;
      return RAFT_ERR_RUNTIME;
    }
    plugin_ = load_plugin(error);
    if (plugin_ == nullptr) return RAFT_ERR_RUNTIME;
    context_->died = std::move(died);
    context_->bundle = bundle;
    const polyraft_plugin_start start = {
        request.region->base(),
        bridge::kRegionBytes,
        request.doorbell_fd,
        context_->bundle.c_str(),
        on_died,
        context_,
    };
    char text[512] = "";
    const int code = plugin_->start(&start, text, sizeof text);
    if (code != RAFT_OK) *error = text[0] != '\0' ? text : "the embedded runtime does not start";
    return code;
  }

  void kill() override {
    if (plugin_ != nullptr) plugin_->stop();
  }

 private:
  // What the plugin holds on to: never freed.
  struct Context {
    std::mutex mutex;
    Died died;
    std::string bundle;
  };

  static void on_died(void* context, int exit_code, const char* reason) {
    auto* const own = static_cast<Context*>(context);
    const std::lock_guard<std::mutex> lock(own->mutex);
    if (!own->died) return;
    std::string text = reason != nullptr ? reason : "";
    if (text.empty()) text = "it ended with code " + std::to_string(exit_code);
    own->died(text);
    own->died = nullptr;
  }

  const polyraft_plugin* plugin_ = nullptr;
  Context* const context_ = new Context;
};

}  // namespace

std::unique_ptr<Runtime> make_embedded_runtime() {
  return std::make_unique<EmbeddedRuntime>();
}

bool embedded_runtime_is_installed() {
  return is_readable_file(library_file(kEmbeddedPlugin));
}

}  // namespace polyraft::runtime
