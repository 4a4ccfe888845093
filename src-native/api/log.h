// The log of all servers of this process: one sink, one level.
#ifndef POLYRAFT_API_LOG_H_
#define POLYRAFT_API_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "polyraft_codes.h"

namespace polyraft::log {

// Where lines go: null silences, "stdout", "stderr", or a file to append to. False: *error says why, nothing
// changed.
bool set_sink(const char* path, bool debug, std::string* error);
void set_level(int level);
int level();
bool debug();
// Writes one line, when the level lets it. `source` ("file:line") is added in debug mode; it may be null.
void write(int level, std::string_view text, const char* source = nullptr) noexcept;

}  // namespace polyraft::log

#define POLYRAFT_STRING_OF_(x) #x
#define POLYRAFT_STRING_OF(x) POLYRAFT_STRING_OF_(x)
#define POLYRAFT_LOG(level, text) \
  ::polyraft::log::write(level, text, __FILE__ ":" POLYRAFT_STRING_OF(__LINE__))

#endif  // POLYRAFT_API_LOG_H_
