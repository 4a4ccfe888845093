#include "api/errors.h"

#include <algorithm>
#include <cstring>

#include "bridge/protocol_generated.h"

namespace polyraft {

namespace {

// Plain memory: no destructor that could run before a late call of a dying thread.
thread_local char last_error_text[1024] = "";

void set_last_error(const char* text, size_t size) {
  size = std::min(size, sizeof last_error_text - 1);
  std::memcpy(last_error_text, text, size);
  last_error_text[size] = '\0';
}

}  // namespace

const char* error_text(int code) {
  for (const protocol::ErrorText& row : protocol::kErrorTexts) {
    if (row.code == code) return row.text;
  }
  return "unknown error code";
}

const char* last_error() {
  return last_error_text;
}

int fail(int code) {
  const char* text = error_text(code);
  set_last_error(text, std::strlen(text));
  return code;
}

int fail(int code, const std::string& text) noexcept {
  set_last_error(text.data(), text.size());
  return code;
}

}  // namespace polyraft
