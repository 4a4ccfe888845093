#include "runtime/embedded_fork.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include <cstddef>
#include <cstdint>

namespace polyraft::runtime {
namespace {

void do_nothing() {}

// The table of what is called at the end is read-only; the process is about to end, so it need not be again.
bool make_writable(uintptr_t place) {
  const auto page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  return mprotect(reinterpret_cast<void*>(place & ~(page_bytes - 1)), page_bytes, PROT_READ | PROT_WRITE) ==
         0;
}

}  // namespace

void leave_libuv_at_exit() {
  const auto shutdown_address = reinterpret_cast<uintptr_t>(&uv_library_shutdown);
  Dl_info info{};
  link_map* library = nullptr;
  if (dladdr1(reinterpret_cast<void*>(shutdown_address), &info, reinterpret_cast<void**>(&library),
              RTLD_DL_LINKMAP) == 0 ||
      library == nullptr) {
    return;
  }
  uintptr_t first = 0;
  size_t bytes = 0;
  for (const Elf64_Dyn* entry = library->l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_FINI_ARRAY) first = library->l_addr + entry->d_un.d_ptr;
    if (entry->d_tag == DT_FINI_ARRAYSZ) bytes = entry->d_un.d_val;
  }
  for (uintptr_t place = first; place < first + bytes; place += sizeof(uintptr_t)) {
    auto* const function = reinterpret_cast<uintptr_t*>(place);
    if (*function == shutdown_address && make_writable(place))
      *function = reinterpret_cast<uintptr_t>(&do_nothing);
  }
}

}  // namespace polyraft::runtime
