#include "runtime/library_files.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

namespace polyraft::runtime {

std::string private_directory() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&private_directory), &info) == 0 || info.dli_fname == nullptr)
    return {};
  // Links are followed: libeasyraft.so may be a link from elsewhere.
  char resolved[PATH_MAX];
  if (realpath(info.dli_fname, resolved) == nullptr) return {};
  const std::string file = resolved;
  return file.substr(0, file.rfind('/')) + "/polyraft";
}

std::string library_file(const char* name) {
  return private_directory() + "/" + name;
}

std::string engine_bundle() {
  const char* const from_environment = std::getenv("POLYRAFT_ENGINE");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  return library_file(kEngineBundle);
}

bool is_readable_file(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), R_OK) == 0;
}

}  // namespace polyraft::runtime
