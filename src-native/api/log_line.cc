#include "api/log_line.h"

#include <cstdio>
#include <ctime>

#include "polyraft_codes.h"

namespace polyraft::log {

namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";
constexpr uint64_t kNanoseconds = 1000000000;

const char* level_name(int level) {
  static const char* const names[] = {"CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG", "TRACE"};
  if (level < RAFT_LOG_CRITICAL) level = RAFT_LOG_CRITICAL;
  if (level > RAFT_LOG_TRACE) level = RAFT_LOG_TRACE;
  return names[level - RAFT_LOG_CRITICAL];
}

// Bytes of the character that `text` begins with; 0 when it is no UTF-8.
size_t character_bytes(std::string_view text) {
  const auto at = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = at(0);
  if (first < 0x80) return 1;
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; i++) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and what lies above U+10FFFF.
  if ((first == 0xE0 && at(1) < 0xA0) || (first == 0xED && at(1) > 0x9F) || (first == 0xF0 && at(1) < 0x90) ||
      (first == 0xF4 && at(1) > 0x8F)) {
    return 0;
  }
  return size;
}

// The control character (C0, DEL, C1) that `text` begins with; -1 when it is another.
int control_character(std::string_view text, size_t size) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (size == 1) return first < 0x20 || first == 0x7F ? first : -1;
  const auto second = static_cast<uint8_t>(text[1]);
  return first == 0xC2 && second < 0xA0 ? second : -1;
}

template <typename Escape>
std::string rewrite(std::string_view text, Escape escape) {
  std::string out;
  out.reserve(text.size() + 16);
  while (!text.empty()) {
    const size_t size = character_bytes(text);
    if (size == 0) {
      out += kReplacement;
      text.remove_prefix(1);
      continue;
    }
    if (!escape(text, size, &out)) out += text.substr(0, size);
    text.remove_prefix(size);
  }
  return out;
}

void print(std::string* out, const char* format, int value) {
  char text[16];
  std::snprintf(text, sizeof text, format, value);
  *out += text;
}

std::string time_text(uint64_t time_ns, uint64_t unit_ns, int digits) {
  const auto seconds = static_cast<time_t>(time_ns / kNanoseconds);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[80];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%0*lluZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, digits,
                static_cast<unsigned long long>(time_ns % kNanoseconds / unit_ns));
  return text;
}

}  // namespace

std::string clean(std::string_view text) {
  return rewrite(text, [](std::string_view rest, size_t size, std::string* out) {
    const int control = control_character(rest, size);
    if (control < 0) return false;
    print(out, "\\x%02x", control);
    return true;
  });
}

std::string quoted(std::string_view text) {
  return '"' +
         rewrite(text,
                 [](std::string_view rest, size_t size, std::string* out) {
                   const int control = control_character(rest, size);
                   if (control >= 0) {
                     print(out, "\\u%04x", control);
                   } else if (rest[0] == '"' || rest[0] == '\\') {
                     (*out += '\\') += rest[0];
                   } else {
                     return false;
                   }
                   return true;
                 }) +
         '"';
}

std::string text_of(const Line& line, int pid) {
  std::string out = time_text(line.time_ns, kNanoseconds / 1000, 3);
  ((out += ' ') += level_name(line.level)) += " polyraft[" + std::to_string(pid) + "] ";
  if (!line.position.empty()) (out += line.position) += ": ";
  if (line.node_id != 0) {
    char server[48];
    std::snprintf(server, sizeof server, "%llx/%llx: ", static_cast<unsigned long long>(line.cluster_id),
                  static_cast<unsigned long long>(line.node_id));
    out += server;
  }
  return (out += clean(line.message)) += '\n';
}

std::string json_of(const Line& line, int pid) {
  const bool of_server = line.node_id != 0;
  const auto id = [of_server](uint64_t value) {
    return of_server ? '"' + std::to_string(value) + '"' : std::string("null");
  };
  std::string out = R"({"time":")" + time_text(line.time_ns, 1, 9) + R"(","level":")" +
                    level_name(line.level) + R"(","pid":)" + std::to_string(pid) + R"(,"source":)" +
                    quoted(line.source);
  if (!line.position.empty()) out += R"(,"position":)" + quoted(line.position);
  return out += R"(,"cluster":)" + id(line.cluster_id) + R"(,"node":)" + id(line.node_id) + R"(,"message":)" +
                quoted(line.message) + "}\n";
}

}  // namespace polyraft::log
