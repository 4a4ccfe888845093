#include "runtime/embedded_scripts.h"

#include <dlfcn.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <cstdio>
#include <cstring>

namespace polyraft::runtime {
namespace {

constexpr char kSystemDirectory[] = "/usr/share/nodejs/";
constexpr char kBesideDirectory[] = "/nodejs/";
constexpr std::array<const char*, 5> kScripts = {
    "acorn/dist/acorn.js",       "acorn-walk/dist/walk.js",
    "cjs-module-lexer/lexer.js", "cjs-module-lexer/dist/lexer.js",
    "undici/undici-fetch.js",
};

// Where the script lies beside this library. False when that path is too long.
bool path_beside_library(const char* script, char* path, size_t size) {
  Dl_info info{};
  if (dladdr(kSystemDirectory, &info) == 0 || info.dli_fname == nullptr) return false;
  const char* const slash = strrchr(info.dli_fname, '/');
  const int directory_length = slash == nullptr ? 0 : static_cast<int>(slash - info.dli_fname);
  const int length =
      snprintf(path, size, "%.*s%s%s", directory_length, info.dli_fname, kBesideDirectory, script);
  return length > 0 && static_cast<size_t>(length) < size;
}

using OpenFunction = int (*)(uv_loop_t*, uv_fs_t*, const char*, int, int, uv_fs_cb);

OpenFunction libuv_open() {
  void* const libuv = dlopen("libuv.so.1", RTLD_NOW | RTLD_NOLOAD);
  return libuv == nullptr ? nullptr : reinterpret_cast<OpenFunction>(dlsym(libuv, "uv_fs_open"));
}

}  // namespace

// libnode finds this one before libuv's, unless the host itself is linked with libuv.
extern "C" __attribute__((visibility("default"))) int uv_fs_open(uv_loop_t* loop, uv_fs_t* request,
                                                                 const char* path, int flags, int mode,
                                                                 uv_fs_cb callback) {
  static const OpenFunction next = libuv_open();
  if (next == nullptr) return UV_ENOSYS;
  constexpr size_t kPrefixLength = sizeof kSystemDirectory - 1;
  char beside[4096];
  if (strncmp(path, kSystemDirectory, kPrefixLength) == 0 && access(path, R_OK) != 0 &&
      path_beside_library(path + kPrefixLength, beside, sizeof beside)) {
    path = beside;
  }
  return next(loop, request, path, flags, mode, callback);
}

bool embedded_scripts_are_readable(std::string* problem) {
  const bool ours_is_first = dlsym(RTLD_DEFAULT, "uv_fs_open") == reinterpret_cast<void*>(&uv_fs_open);
  for (const char* const script : kScripts) {
    const std::string system_path = std::string(kSystemDirectory) + script;
    if (access(system_path.c_str(), R_OK) == 0) continue;
    char beside[4096];
    if (ours_is_first && path_beside_library(script, beside, sizeof beside) && access(beside, R_OK) == 0)
      continue;
    *problem = "libnode needs the file " + system_path;
    *problem += ours_is_first
                    ? ", which is neither there nor beside the library"
                    : " (it can lie beside the library only in a program that is not linked with libuv)";
    return false;
  }
  return true;
}

}  // namespace polyraft::runtime
