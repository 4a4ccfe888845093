#include "runtime/embedded_scripts.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <node.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace polyraft::runtime {
namespace {

const std::string kSystemDirectory = "/usr/share/nodejs/";
constexpr std::array<const char*, 5> kScripts = {
    "acorn/dist/acorn.js",       "acorn-walk/dist/walk.js",
    "cjs-module-lexer/lexer.js", "cjs-module-lexer/dist/lexer.js",
    "undici/undici-fetch.js",
};

bool is_readable(const std::string& path) {
  return access(path.c_str(), R_OK) == 0;
}

std::string path_beside_library(const std::string& script) {
  Dl_info info{};
  if (dladdr(&kScripts, &info) == 0 || info.dli_fname == nullptr) return {};
  const std::string library = info.dli_fname;
  return library.substr(0, library.rfind('/')) + "/nodejs/" + script;
}

// Stands where libnode would call libuv's function.
int open_script_or_file(uv_loop_t* loop, uv_fs_t* request, const char* path, int flags, int mode,
                        uv_fs_cb callback) {
  if (strncmp(path, kSystemDirectory.c_str(), kSystemDirectory.size()) == 0 && !is_readable(path)) {
    return uv_fs_open(loop, request, path_beside_library(path + kSystemDirectory.size()).c_str(), flags, mode,
                      callback);
  }
  return uv_fs_open(loop, request, path, flags, mode, callback);
}

#if defined(__x86_64__)
constexpr uint32_t kSlotRelocations[] = {R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT};
#elif defined(__aarch64__)
constexpr uint32_t kSlotRelocations[] = {R_AARCH64_JUMP_SLOT, R_AARCH64_GLOB_DAT};
#endif

// The dynamic section of a loaded library, as far as it is needed to find where calls to other libraries go.
struct Dynamic {
  const Elf64_Sym* symbols = nullptr;
  const char* names = nullptr;
  struct {
    const Elf64_Rela* first = nullptr;
    size_t bytes = 0;
  } tables[2];

  explicit Dynamic(const link_map& library) {
    for (const Elf64_Dyn* entry = library.l_ld; entry->d_tag != DT_NULL; ++entry) {
      const uintptr_t at = entry->d_un.d_ptr;
      if (entry->d_tag == DT_SYMTAB) symbols = reinterpret_cast<const Elf64_Sym*>(at);
      if (entry->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(at);
      if (entry->d_tag == DT_JMPREL) tables[0].first = reinterpret_cast<const Elf64_Rela*>(at);
      if (entry->d_tag == DT_PLTRELSZ) tables[0].bytes = entry->d_un.d_val;
      if (entry->d_tag == DT_RELA) tables[1].first = reinterpret_cast<const Elf64_Rela*>(at);
      if (entry->d_tag == DT_RELASZ) tables[1].bytes = entry->d_un.d_val;
    }
  }
};

bool is_slot_of(const Elf64_Rela& relocation, const Dynamic& dynamic, const char* function) {
  const auto type = static_cast<uint32_t>(ELF64_R_TYPE(relocation.r_info));
  for (const uint32_t slot_type : kSlotRelocations) {
    if (type != slot_type) continue;
    const Elf64_Sym& symbol = dynamic.symbols[ELF64_R_SYM(relocation.r_info)];
    return strcmp(dynamic.names + symbol.st_name, function) == 0;
  }
  return false;
}

// The loader has made the table of addresses read-only.
bool write_slot(void** slot, void* function) {
  const auto page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  void* const page = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(slot) & ~(page_bytes - 1));
  if (mprotect(page, page_bytes, PROT_READ | PROT_WRITE) != 0) return false;
  *slot = function;
  return mprotect(page, page_bytes, PROT_READ) == 0;
}

// Makes libnode's calls of uv_fs_open ours. A function of the same name in this library would do it only in
// programs that are not linked with libuv themselves.
bool redirect_libnode() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&node::FreeEnvironment), &info) == 0) return false;
  void* const handle = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  link_map* library = nullptr;
  if (handle == nullptr || dlinfo(handle, RTLD_DI_LINKMAP, &library) != 0) return false;
  const Dynamic dynamic(*library);
  if (dynamic.symbols == nullptr || dynamic.names == nullptr) return false;
  bool found = false;
  for (const auto& table : dynamic.tables) {
    for (size_t i = 0; i < table.bytes / sizeof(Elf64_Rela); ++i) {
      if (!is_slot_of(table.first[i], dynamic, "uv_fs_open")) continue;
      auto* const slot = reinterpret_cast<void**>(library->l_addr + table.first[i].r_offset);
      if (!write_slot(slot, reinterpret_cast<void*>(&open_script_or_file))) return false;
      found = true;
    }
  }
  return found;
}

}  // namespace

bool provide_embedded_scripts(std::string* problem) {
  bool must_redirect = false;
  for (const char* const script : kScripts) {
    if (is_readable(kSystemDirectory + script)) continue;
    if (!is_readable(path_beside_library(script))) {
      *problem = "libnode needs the file " + kSystemDirectory + script + ", which is neither there nor at " +
                 path_beside_library(script);
      return false;
    }
    must_redirect = true;
  }
  if (!must_redirect || redirect_libnode()) return true;
  *problem =
      "libnode needs its files in " + kSystemDirectory + ", and cannot be made to take them from beside it";
  return false;
}

}  // namespace polyraft::runtime
