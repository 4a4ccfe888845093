#include "runtime/plugin_library.h"

#include <dlfcn.h>

#include "runtime/library_files.h"

namespace polyraft::runtime {

const polyraft_plugin* load_plugin(std::string* error) {
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
