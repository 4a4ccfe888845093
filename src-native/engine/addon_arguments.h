// Arguments of the addon's functions, checked. Readers return false, with a JavaScript exception pending,
// when the argument is not what it should be.
#ifndef POLYRAFT_ENGINE_ADDON_ARGUMENTS_H_
#define POLYRAFT_ENGINE_ADDON_ARGUMENTS_H_

#include <napi.h>

#include <cstddef>
#include <cstdint>

#include "engine/direct_file.h"

namespace polyraft::engine {

// Bytes of a typed array or buffer. Only valid until JavaScript runs again, unless the array is referenced.
struct Span {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// Both return false.
bool throw_type_error(Napi::Env env, const char* text);
bool throw_range_error(Napi::Env env, const char* text);

bool read_bytes(const Napi::CallbackInfo& info, size_t position, const char* name, Span* span);
bool read_words(const Napi::CallbackInfo& info, size_t position, const char* name, size_t at_least,
                uint32_t** words);
// `count` words from `offset` on.
bool read_words_from(const Napi::CallbackInfo& info, size_t position, int64_t offset, int64_t count,
                     uint32_t** words);
// From 0 to 2^53 - 1.
bool read_number(const Napi::CallbackInfo& info, size_t position, const char* name, int64_t* number);
bool read_descriptor(const Napi::CallbackInfo& info, size_t position, int* fd);
// The part [start, end) of the bytes at `position`, which the next two arguments give.
bool read_part(const Napi::CallbackInfo& info, size_t position, WritePart* part);

}  // namespace polyraft::engine

#endif  // POLYRAFT_ENGINE_ADDON_ARGUMENTS_H_
