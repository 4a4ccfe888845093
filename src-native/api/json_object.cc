#include "api/json_object.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace polyraft {

namespace {

using Json = nlohmann::json;

std::string json_of(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

using Members = std::vector<JsonObject::Member>;

// Of a key that comes again the last value counts.
void put(Members* members, std::string_view key, bool is_text, std::string value) {
  for (JsonObject::Member& member : *members) {
    if (member.key != key) continue;
    member.is_text = is_text;
    member.value = std::move(value);
    return;
  }
  members->push_back({std::string(key), is_text, std::move(value)});
}

// Takes the members of the outermost object as they are read, so that no depth of what they hold matters.
class MemberReader final : public nlohmann::json_sax<Json> {
 public:
  explicit MemberReader(Members* members) : members_(members) {}

  bool is_object() const { return is_object_; }
  const std::string& reason() const { return reason_; }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override { return scalar(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return scalar(value); }
  bool string(string_t& value) override { return add(true, value); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(size_t /*elements*/) override {
    if (depth_ == 0) is_object_ = true;
    return enter();
  }
  bool end_object() override { return leave(); }
  bool start_array(size_t /*elements*/) override { return enter(); }
  bool end_array() override { return leave(); }
  bool key(string_t& value) override {
    if (depth_ == 1) key_ = value;
    return true;
  }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& reason) override {
    reason_ = reason.what();
    return false;
  }

 private:
  bool enter() {
    if (depth_ == 1) add(false, "null");
    depth_++;
    return true;
  }
  bool leave() {
    depth_--;
    return true;
  }
  bool scalar(const Json& value) { return depth_ != 1 || add(false, json_of(value)); }
  bool add(bool is_text, const std::string& value) {
    if (depth_ == 1 && is_object_) put(members_, key_, is_text, value);
    return true;
  }

  Members* const members_;
  size_t depth_ = 0;
  bool is_object_ = false;
  std::string key_;
  std::string reason_;
};

template <typename Number>
std::optional<Number> number_of(const std::string& text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<JsonObject> JsonObject::parse(std::string_view text, std::string* why) {
  JsonObject object;
  MemberReader reader(&object.members_);
  if (!Json::sax_parse(text, &reader)) {
    if (why != nullptr) *why = "is not JSON: " + reader.reason();
    return std::nullopt;
  }
  if (!reader.is_object()) {
    if (why != nullptr) *why = "is not a JSON object";
    return std::nullopt;
  }
  return object;
}

const JsonObject::Member* JsonObject::find(std::string_view key) const {
  for (const Member& member : members_) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

std::optional<std::string> JsonObject::text(std::string_view key) const {
  const Member* const member = find(key);
  if (member == nullptr || !member->is_text) return std::nullopt;
  return member->value;
}

std::optional<uint64_t> JsonObject::whole(std::string_view key) const {
  const Member* const member = find(key);
  if (member == nullptr || member->is_text) return std::nullopt;
  return number_of<uint64_t>(member->value);
}

std::optional<double> JsonObject::number(std::string_view key) const {
  const Member* const member = find(key);
  if (member == nullptr || member->is_text) return std::nullopt;
  return number_of<double>(member->value);
}

bool JsonObject::is_true(std::string_view key) const {
  const Member* const member = find(key);
  return member != nullptr && !member->is_text && member->value == "true";
}

void JsonObject::set_text(std::string_view key, std::string_view value) {
  put(&members_, key, true, std::string(value));
}

void JsonObject::set_whole(std::string_view key, uint64_t value) {
  put(&members_, key, false, std::to_string(value));
}

void JsonObject::set_truth(std::string_view key, bool value) {
  put(&members_, key, false, value ? "true" : "false");
}

void JsonObject::set_object(std::string_view key, const JsonObject& value) {
  put(&members_, key, false, value.dump());
}

std::string JsonObject::dump() const {
  std::string text = "{";
  for (const Member& member : members_) {
    if (text.size() > 1) text += ',';
    text += json_of(member.key);
    text += ':';
    text += member.is_text ? json_of(member.value) : member.value;
  }
  return text + '}';
}

}  // namespace polyraft
