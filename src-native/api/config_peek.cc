#include "api/config_peek.h"

#include "api/json_object.h"
#include "polyraft_codes.h"

namespace polyraft {

namespace {

// False when the key is there with something else than a text.
bool read_text(const JsonObject& object, const char* key, std::string* value) {
  if (!object.has(key)) return true;
  const std::optional<std::string> text = object.text(key);
  if (text) *value = *text;
  return text.has_value();
}

}  // namespace

int peek_config(const char* json, PeekedConfig* config, std::string* error) {
  std::string why;
  const std::optional<JsonObject> object = JsonObject::parse(json, &why);
  if (!object) {
    *error = "the configuration " + why;
    return RAFT_ERR_CONFIG;
  }
  if (!read_text(*object, "runtime", &config->runtime) ||
      (object->has("runtime") && config->runtime != "embedded" && config->runtime != "process")) {
    *error = "runtime: must be \"embedded\" or \"process\"";
    return RAFT_ERR_CONFIG;
  }
  if (!read_text(*object, "node_path", &config->node_path) ||
      (object->has("node_path") && config->node_path.empty())) {
    *error = "node_path: must be the path of a node executable";
    return RAFT_ERR_CONFIG;
  }
  // Anything but a whole number is the engine's to refuse, with all its rules.
  if (const std::optional<uint64_t> bytes = object->whole("max_proposal_bytes")) {
    config->max_proposal_bytes = *bytes;
  }
  return RAFT_OK;
}

}  // namespace polyraft
