#include "engine/addon_arguments.h"

#include <cmath>

namespace polyraft::engine {

bool throw_type_error(Napi::Env env, const char* text) {
  Napi::TypeError::New(env, text).ThrowAsJavaScriptException();
  return false;
}

bool throw_range_error(Napi::Env env, const char* text) {
  Napi::RangeError::New(env, text).ThrowAsJavaScriptException();
  return false;
}

bool read_bytes(const Napi::CallbackInfo& info, size_t position, const char* name, Span* span) {
  if (!info[position].IsTypedArray()) return throw_type_error(info.Env(), name);
  napi_typedarray_type type{};
  void* data = nullptr;
  size_t length = 0;
  napi_get_typedarray_info(info.Env(), info[position], &type, &length, &data, nullptr, nullptr);
  if (type != napi_uint8_array) return throw_type_error(info.Env(), name);
  *span = {static_cast<uint8_t*>(data), length};
  return true;
}

bool read_words(const Napi::CallbackInfo& info, size_t position, const char* name, size_t at_least,
                uint32_t** words) {
  if (!info[position].IsTypedArray()) return throw_type_error(info.Env(), name);
  napi_typedarray_type type{};
  void* data = nullptr;
  size_t length = 0;
  napi_get_typedarray_info(info.Env(), info[position], &type, &length, &data, nullptr, nullptr);
  if (type != napi_uint32_array) return throw_type_error(info.Env(), name);
  if (length < at_least) return throw_range_error(info.Env(), name);
  *words = static_cast<uint32_t*>(data);
  return true;
}

bool read_number(const Napi::CallbackInfo& info, size_t position, const char* name, int64_t* number) {
  double value = NAN;
  if (napi_get_value_double(info.Env(), info[position], &value) != napi_ok)
    return throw_type_error(info.Env(), name);
  constexpr double kSafe = 9007199254740991.0;
  if (!(value >= 0 && value <= kSafe)) return throw_range_error(info.Env(), name);
  *number = static_cast<int64_t>(value);
  return true;
}

bool read_descriptor(const Napi::CallbackInfo& info, size_t position, int* fd) {
  int64_t number = 0;
  if (!read_number(info, position, "fd must be a file descriptor", &number)) return false;
  if (number > INT32_MAX) return throw_range_error(info.Env(), "fd must be a file descriptor");
  *fd = static_cast<int>(number);
  return true;
}

bool read_part(const Napi::CallbackInfo& info, size_t position, WritePart* part) {
  Span bytes;
  int64_t start = 0;
  int64_t end = 0;
  if (!read_bytes(info, position, "bytes must be a Uint8Array", &bytes) ||
      !read_number(info, position + 1, "start must be an offset in bytes", &start) ||
      !read_number(info, position + 2, "end must be an offset in bytes", &end)) {
    return false;
  }
  if (start > end || static_cast<uint64_t>(end) > bytes.length) {
    return throw_range_error(info.Env(), "[start, end) must lie within the bytes");
  }
  const auto before = static_cast<size_t>(start);
  const auto length = static_cast<size_t>(end - start);
  *part = {bytes.data + start, length, before, bytes.length - before - length};
  return true;
}

bool read_words_from(const Napi::CallbackInfo& info, size_t position, int64_t offset, int64_t count,
                     uint32_t** words) {
  const auto at_least = static_cast<size_t>(offset) + static_cast<size_t>(count);
  if (!read_words(info, position, "offsets must be a Uint32Array of enough elements", at_least, words)) {
    return false;
  }
  *words += offset;
  return true;
}

}  // namespace polyraft::engine
