#include "api/servers.h"

#include <cstring>

#include "api/config_peek.h"
#include "api/errors.h"
#include "api/handle_table.h"
#include "runtime/host_thread.h"

namespace polyraft {

using bridge::Payload;

namespace {

// Both runtimes full.
constexpr uint32_t kServersMax = 2 * protocol::kMAX_SERVERS;
constexpr int kStatusTimeoutMs = 5000;
constexpr size_t kMemberChangesMax = 64;

// Never destroyed: the library's threads go on while the process exits.
HandleTable<Server, kServersMax>& servers() {
  static auto* const only = new HandleTable<Server, kServersMax>;
  return *only;
}

uint64_t index_of(const std::string& reply) {
  uint64_t index = 0;
  if (reply.size() >= sizeof index) std::memcpy(&index, reply.data(), sizeof index);
  return index;
}

}  // namespace

std::shared_ptr<Server> find_server(RAFT_Handle handle, int* code) {
  if (is_forked_child()) {
    *code = fail(RAFT_ERR_FORKED);
    return nullptr;
  }
  std::shared_ptr<Server> server = servers().find(handle);
  if (server == nullptr) *code = fail(RAFT_ERR_UNKNOWN_HANDLE);
  return server;
}

int new_server(const char* config, const RAFT_Callbacks& callbacks, void* context, uint64_t applied_index,
               RAFT_Handle* handle, std::shared_ptr<void> keeps) {
  *handle = 0;
  if (is_forked_child()) return fail(RAFT_ERR_FORKED);
  if (on_callback_thread()) return fail(RAFT_ERR_WOULD_DEADLOCK);
  if (config == nullptr) return fail(RAFT_ERR_INVALID_ARGUMENT, "the configuration is NULL");
  ServerSettings settings;
  PeekedConfig peeked;
  std::string error;
  int code = peek_config(config, &peeked, &error);
  if (code != RAFT_OK) return fail(code, error);
  settings.host = engine_host_for(peeked.runtime, &error);
  if (settings.host == nullptr) return fail(RAFT_ERR_CONFIG, error);
  settings.callbacks = callbacks;
  settings.context = context;
  settings.keeps = std::move(keeps);
  settings.config = config;
  settings.node_path = peeked.node_path;
  settings.applied_index = applied_index;
  settings.max_proposal_bytes = peeked.max_proposal_bytes;
  const auto server = std::make_shared<Server>(std::move(settings));
  const RAFT_Handle added = servers().add(server);
  if (added == 0) return fail(RAFT_ERR_UNSUPPORTED, "too many servers in this process");
  *handle = added;
  code = server->start(&error);
  if (code == RAFT_OK) return RAFT_OK;
  servers().remove(added);
  *handle = 0;
  return fail(code, error);
}

int stop_server(RAFT_Handle handle, bool hand_over) {
  int code = RAFT_OK;
  if (find_server(handle, &code) == nullptr) return code;
  if (on_callback_thread()) return fail(RAFT_ERR_WOULD_DEADLOCK);
  const std::shared_ptr<Server> server = servers().remove(handle);
  if (server == nullptr) return fail(RAFT_ERR_UNKNOWN_HANDLE);
  server->stop(hand_over);
  return RAFT_OK;
}

int change_member(RAFT_Handle handle, int change, uint64_t id, const char* url, int timeout_ms,
                  uint64_t* index) {
  int code = RAFT_OK;
  const std::shared_ptr<Server> server = find_server(handle, &code);
  if (server == nullptr) return code;
  if (change < RAFT_MEMBER_ADD || change > RAFT_MEMBER_PROMOTE) {
    return fail(RAFT_ERR_INVALID_ARGUMENT, "change: none of RAFT_MEMBER_*");
  }
  if (id == 0) return fail(RAFT_ERR_INVALID_ARGUMENT, "id: must not be 0");
  const bool needs_url = change != RAFT_MEMBER_REMOVE && change != RAFT_MEMBER_PROMOTE;
  if (needs_url && (url == nullptr || *url == '\0')) {
    return fail(RAFT_ERR_INVALID_ARGUMENT, "url: needed, but NULL or empty");
  }
  uint8_t fixed[16] = {};
  const auto operation = static_cast<uint32_t>(change);
  std::memcpy(fixed, &operation, 4);
  std::memcpy(fixed + 8, &id, 8);
  const Payload payload{fixed, sizeof fixed, url, needs_url ? std::strlen(url) : 0};
  if (on_callback_thread()) return server->submit(protocol::kMEMBER_CHANGE, payload);
  std::string reply;
  code = server->request(protocol::kMEMBER_CHANGE, payload, bridge::deadline_after_ms(timeout_ms), &reply);
  if (code == RAFT_OK && index != nullptr) *index = index_of(reply);
  return code;
}

int change_members(RAFT_Handle handle, const RAFT_MemberChange* changes, size_t count, int timeout_ms,
                   uint64_t* index) {
  int code = RAFT_OK;
  const std::shared_ptr<Server> server = find_server(handle, &code);
  if (server == nullptr) return code;
  if (changes == nullptr || count == 0) return fail(RAFT_ERR_INVALID_ARGUMENT, "changes: none given");
  if (count > kMemberChangesMax) {
    return fail(RAFT_ERR_INVALID_ARGUMENT,
                "count: at most " + std::to_string(kMemberChangesMax) + " changes at once");
  }
  std::string fixed(8, '\0');
  std::string urls;
  const auto count_word = static_cast<uint32_t>(count);
  std::memcpy(fixed.data(), &count_word, 4);
  for (size_t each = 0; each < count; each++) {
    const RAFT_MemberChange& change = changes[each];
    const std::string name = "changes[" + std::to_string(each) + "]";
    if (change.change < RAFT_MEMBER_ADD || change.change > RAFT_MEMBER_PROMOTE) {
      return fail(RAFT_ERR_INVALID_ARGUMENT, name + ".change: none of RAFT_MEMBER_*");
    }
    if (change.id == 0) return fail(RAFT_ERR_INVALID_ARGUMENT, name + ".id: must not be 0");
    const bool needs_url = change.change != RAFT_MEMBER_REMOVE && change.change != RAFT_MEMBER_PROMOTE;
    if (needs_url && (change.url == nullptr || *change.url == '\0')) {
      return fail(RAFT_ERR_INVALID_ARGUMENT, name + ".url: needed, but NULL or empty");
    }
    const std::string url = needs_url ? change.url : "";
    char head[16];
    const auto operation = static_cast<uint32_t>(change.change);
    const auto url_bytes = static_cast<uint32_t>(url.size());
    std::memcpy(head, &operation, 4);
    std::memcpy(head + 4, &url_bytes, 4);
    std::memcpy(head + 8, &change.id, 8);
    fixed.append(head, sizeof head);
    urls += url;
  }
  const Payload payload{fixed.data(), static_cast<uint32_t>(fixed.size()), urls.data(), urls.size()};
  if (on_callback_thread()) return server->submit(protocol::kMEMBER_CHANGES, payload);
  std::string reply;
  code = server->request(protocol::kMEMBER_CHANGES, payload, bridge::deadline_after_ms(timeout_ms), &reply);
  if (code == RAFT_OK && index != nullptr) *index = index_of(reply);
  return code;
}

int save_snapshot(RAFT_Handle handle, int timeout_ms, uint64_t* index) {
  int code = RAFT_OK;
  const std::shared_ptr<Server> server = find_server(handle, &code);
  if (server == nullptr) return code;
  if (on_callback_thread()) return fail(RAFT_ERR_WOULD_DEADLOCK);
  std::string reply;
  code =
      server->request(protocol::kSNAPSHOT_REQUEST, Payload{}, bridge::deadline_after_ms(timeout_ms), &reply);
  if (code == RAFT_OK && index != nullptr) *index = index_of(reply);
  return code;
}

int status_text(RAFT_Handle handle, uint32_t what, char* buffer, size_t size) {
  int code = RAFT_OK;
  const std::shared_ptr<Server> server = find_server(handle, &code);
  if (server == nullptr) return code;
  if (buffer == nullptr) return fail(RAFT_ERR_INVALID_ARGUMENT, "buffer is NULL");
  std::string reply;
  code = server->request(protocol::kSTATUS_REQUEST, Payload{&what, sizeof what, nullptr, 0},
                         bridge::deadline_after_ms(kStatusTimeoutMs), &reply);
  if (code != RAFT_OK) return code;
  if (reply.size() >= size) {
    return fail(RAFT_ERR_BUFFER_TOO_SMALL, "the answer needs " + std::to_string(reply.size() + 1) + " bytes");
  }
  std::memcpy(buffer, reply.c_str(), reply.size() + 1);
  return RAFT_OK;
}

}  // namespace polyraft
