#include "runtime/plugin_library.h"

#include <dlfcn.h>

#include "runtime/library_files.h"

namespace polyraft::runtime {

// The plugin's own libnode is loaded with RTLD_LOCAL: this finds that of the program or of its libraries
// only.
bool process_has_node() {
  return dlsym(RTLD_DEFAULT, "napi_module_register") != nullptr;
}

const polyraft_plugin* load_plugin(std::string* error) {
  if (process_has_node()) {
    *error =
        "the embedded runtime cannot run in a process that has Node already: their symbols clash; set "
        "runtime to \"process\" (or use the npm package, which needs no runtime)";
    return nullptr;
  }
  const std::string path = library_file(kEmbeddedPlugin);
  // RTLD_NODELETE: V8 is never finalised. RTLD_LOCAL: a host may have symbols of the same names.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    const char* const reason = dlerror();
    *error =
        std::string("the embedded runtime cannot be loaded: ") + (reason != nullptr ? reason : path.c_str());
    return nullptr;
  }
  const auto get = reinterpret_cast<polyraft_plugin_get_function>(dlsym(library, POLYRAFT_PLUGIN_GET_SYMBOL));
  const polyraft_plugin* const plugin = get != nullptr ? get() : nullptr;
  if (plugin == nullptr || plugin->abi_version != POLYRAFT_PLUGIN_ABI_VERSION) {
    *error = path + " belongs to another version of this library";
    return nullptr;
  }
  return plugin;
}

}  // namespace polyraft::runtime
