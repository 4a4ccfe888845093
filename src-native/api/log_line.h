// One line of the log, and how it is written.
#ifndef POLYRAFT_API_LOG_LINE_H_
#define POLYRAFT_API_LOG_LINE_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace polyraft::log {

struct Line {
  // Since 1970, UTC.
  uint64_t time_ns = 0;
  int level = 0;
  // raft, server, ...: the part that tells it.
  std::string_view source;
  // file:line in debug mode, else empty.
  std::string_view position;
  uint64_t cluster_id = 0;
  // 0: no server's.
  uint64_t node_id = 0;
  std::string_view message;
};

// Valid UTF-8 without control characters: these are written as \x1b, what is no UTF-8 as U+FFFD.
std::string clean(std::string_view text);
// As a JSON string, in quotes; also of bytes that are no UTF-8, for which U+FFFD stands.
std::string quoted(std::string_view text);
// Each with its newline.
std::string text_of(const Line& line, int pid);
std::string json_of(const Line& line, int pid);

}  // namespace polyraft::log

#endif  // POLYRAFT_API_LOG_LINE_H_
