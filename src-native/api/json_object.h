// JSON objects as far as the libraries read and write them. The one place that knows the JSON library: its
// templates cost more to compile than all else in a file.
#ifndef POLYRAFT_API_JSON_OBJECT_H_
#define POLYRAFT_API_JSON_OBJECT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace polyraft {

// Members in the order of the text. Not thread-safe.
class JsonObject {
 public:
  struct Member {
    std::string key;
    bool is_text;
    // The value of a text, the JSON of anything else; of a list or an object that was parsed no more is kept
    // than null.
    std::string value;
  };

  // Nothing, with a reason that goes on after "it ..." (when `why` is given), where `text` is no JSON object.
  static std::optional<JsonObject> parse(std::string_view text, std::string* why = nullptr);

  const std::vector<Member>& members() const { return members_; }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  // Nothing where the member is missing or of another kind.
  std::optional<std::string> text(std::string_view key) const;
  std::optional<uint64_t> whole(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  bool is_true(std::string_view key) const;

  // Replaces the member, or appends it.
  void set_text(std::string_view key, std::string_view value);
  void set_whole(std::string_view key, uint64_t value);
  void set_truth(std::string_view key, bool value);
  void set_object(std::string_view key, const JsonObject& value);

  // Bytes that are no UTF-8 are replaced.
  std::string dump() const;

 private:
  const Member* find(std::string_view key) const;

  std::vector<Member> members_;
};

}  // namespace polyraft

#endif  // POLYRAFT_API_JSON_OBJECT_H_
