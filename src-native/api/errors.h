// The thread's last error, and the guard that keeps C++ exceptions inside the library.
#ifndef POLYRAFT_API_ERRORS_H_
#define POLYRAFT_API_ERRORS_H_

#include <new>
#include <string>

#include "polyraft_codes.h"

namespace polyraft {

// The static text of a code; never null.
const char* error_text(int code);
// What RAFT_LastError gives on this thread; never null.
const char* last_error();
// Sets the last error to the code's text and returns the code.
int fail(int code);
// Sets the last error to a text (cut at 1 KiB) and returns the code.
int fail(int code, const std::string& text) noexcept;

// The result of body(), or `otherwise(code)` when it threw.
template <typename Body, typename Otherwise>
auto guarded(Body body, Otherwise otherwise) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return otherwise(fail(RAFT_ERR_NO_MEMORY));
  } catch (...) {
    return otherwise(fail(RAFT_ERR_INTERNAL));
  }
}

// For functions that return a code.
template <typename Body>
int guarded(Body body) noexcept {
  return guarded(body, [](int code) { return code; });
}

}  // namespace polyraft

#endif  // POLYRAFT_API_ERRORS_H_
