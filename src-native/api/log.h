// The log of all servers of this process: one sink, one level, one form.
#ifndef POLYRAFT_API_LOG_H_
#define POLYRAFT_API_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "polyraft.h"

namespace polyraft::log {

// Where lines go: null silences, "stdout", "stderr", or a file to append to. False: *error says why, nothing
// changed.
bool set_sink(const char* path, bool debug, std::string* error);
// Lines go there instead, until it is null again. False: no thread can be started for it.
bool set_callback(RAFT_LogCallback callback, void* context);
// RAFT_LOG_TEXT or RAFT_LOG_JSON.
void set_format(int format);
void set_level(int level);
int level();
bool debug();
// Writes one line of the library itself, when the level lets it. `source` ("file:line") is added in debug
// mode; it may be null.
void write(int level, std::string_view text, const char* source = nullptr) noexcept;
// The same of an engine, whose source has its position behind a blank in debug mode. Node 0: of no server.
void write_of_engine(int level, std::string_view source, uint64_t cluster_id, uint64_t node_id,
                     std::string_view text) noexcept;

}  // namespace polyraft::log

#define POLYRAFT_STRING_OF_(x) #x
#define POLYRAFT_STRING_OF(x) POLYRAFT_STRING_OF_(x)
#define POLYRAFT_LOG(level, text) \
  ::polyraft::log::write(level, text, __FILE__ ":" POLYRAFT_STRING_OF(__LINE__))

#endif  // POLYRAFT_API_LOG_H_
