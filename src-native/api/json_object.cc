#include "api/json_object.h"

#include <charconv>
#include <nlohmann/json.hpp>

namespace polyraft {

namespace {

using Json = nlohmann::ordered_json;

std::string json_of(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <typename Number>
std::optional<Number> number_of(const std::string& text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<JsonObject> JsonObject::parse(std::string_view text, std::string* why) {
  try {
    const Json whole = Json::parse(text);
    if (!whole.is_object()) {
      if (why != nullptr) *why = "is not a JSON object";
      return std::nullopt;
    }
    JsonObject object;
    for (const auto& [key, value] : whole.items()) {
      const bool is_text = value.is_string();
      object.set(key, is_text, is_text ? value.get<std::string>() : json_of(value));
    }
    return object;
  } catch (const nlohmann::json::exception& reason) {
    if (why != nullptr) *why = std::string("is not JSON: ") + reason.what();
    return std::nullopt;
  }
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

void JsonObject::set(std::string_view key, bool is_text, std::string value) {
  for (Member& member : members_) {
    if (member.key != key) continue;
    member.is_text = is_text;
    member.value = std::move(value);
    return;
  }
  members_.push_back({std::string(key), is_text, std::move(value)});
}

void JsonObject::set_text(std::string_view key, std::string_view value) {
  set(key, true, std::string(value));
}

void JsonObject::set_whole(std::string_view key, uint64_t value) {
  set(key, false, std::to_string(value));
}

void JsonObject::set_truth(std::string_view key, bool value) {
  set(key, false, value ? "true" : "false");
}

void JsonObject::set_object(std::string_view key, const JsonObject& value) {
  set(key, false, value.dump());
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
