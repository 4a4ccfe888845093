// Memory that changes owner between the program and the library.
#include <craft/raft.h>

#include <cstdlib>

namespace {

void* default_malloc(void*, size_t size) {
  return std::malloc(size);
}
void default_free(void*, void* ptr) {
  std::free(ptr);
}
void* default_calloc(void*, size_t nmemb, size_t size) {
  return std::calloc(nmemb, size);
}
void* default_realloc(void*, void* ptr, size_t size) {
  return std::realloc(ptr, size);
}
// The C library wants a size that is a multiple of the alignment.
void* default_aligned_alloc(void*, size_t alignment, size_t size) {
  const size_t rest = alignment == 0 ? 0 : size % alignment;
  return ::aligned_alloc(alignment, rest == 0 ? size : size + alignment - rest);
}
void default_aligned_free(void*, size_t, void* ptr) {
  std::free(ptr);
}

struct raft_heap default_heap = {
    nullptr,         default_malloc,        default_free,         default_calloc,
    default_realloc, default_aligned_alloc, default_aligned_free,
};
const struct raft_heap* heap = &default_heap;

}  // namespace

extern "C" {

void* raft_malloc(size_t size) {
  return heap->malloc(heap->data, size);
}
void raft_free(void* ptr) {
  if (ptr != nullptr) heap->free(heap->data, ptr);
}
void* raft_calloc(size_t nmemb, size_t size) {
  return heap->calloc(heap->data, nmemb, size);
}
void* raft_realloc(void* ptr, size_t size) {
  return heap->realloc(heap->data, ptr, size);
}
void* raft_aligned_alloc(size_t alignment, size_t size) {
  return heap->aligned_alloc(heap->data, alignment, size);
}
void raft_aligned_free(size_t alignment, void* ptr) {
  if (ptr != nullptr) heap->aligned_free(heap->data, alignment, ptr);
}
void raft_heap_set(struct raft_heap* chosen) {
  heap = chosen;
}
void raft_heap_set_default(void) {
  heap = &default_heap;
}
const struct raft_heap* raft_heap_get(void) {
  return heap;
}
}
