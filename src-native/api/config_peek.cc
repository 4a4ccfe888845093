#include "api/config_peek.h"

#include <nlohmann/json.hpp>

#include "polyraft_codes.h"

namespace polyraft {

namespace {

// False when the key is there with something else than a text.
bool read_text(const nlohmann::json& object, const char* key, std::string* value) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  if (!found->is_string()) return false;
  *value = found->get<std::string>();
  return true;
}

}  // namespace

int peek_config(const char* json, PeekedConfig* config, std::string* error) {
  try {
    const nlohmann::json object = nlohmann::json::parse(json);
    if (!object.is_object()) {
      *error = "the configuration is not a JSON object";
      return RAFT_ERR_CONFIG;
    }
    if (!read_text(object, "runtime", &config->runtime) ||
        (object.contains("runtime") && config->runtime != "embedded" && config->runtime != "process")) {
      *error = "runtime: must be \"embedded\" or \"process\"";
      return RAFT_ERR_CONFIG;
    }
    if (!read_text(object, "node_path", &config->node_path) ||
        (object.contains("node_path") && config->node_path.empty())) {
      *error = "node_path: must be the path of a node executable";
      return RAFT_ERR_CONFIG;
    }
    const auto bytes = object.find("max_proposal_bytes");
    // Anything but a number is the engine's to refuse, with all its rules.
    if (bytes != object.end() && bytes->is_number_unsigned())
      config->max_proposal_bytes = bytes->get<uint64_t>();
    return RAFT_OK;
  } catch (const nlohmann::json::exception& reason) {
    *error = std::string("the configuration is not JSON: ") + reason.what();
    return RAFT_ERR_CONFIG;
  }
}

}  // namespace polyraft
