// The functions of polyraft.h. No exception leaves them.
#include "polyraft.h"

#include <algorithm>
#include <cstring>

#include "api/engine_host.h"
#include "api/errors.h"
#include "api/log.h"
#include "api/servers.h"
#include "runtime/host_thread.h"

using namespace polyraft;
using bridge::Deadline;
using bridge::Payload;

namespace {

// Copies what the caller's version of a struct has; the rest is zero. False: no size that any version had.
template <typename Struct>
bool copy_versioned(const Struct* from, Struct* to, size_t smallest) {
  size_t size = 0;
  std::memcpy(&size, from, sizeof size);
  if (size < smallest) return false;
  std::memset(static_cast<void*>(to), 0, sizeof *to);
  std::memcpy(static_cast<void*>(to), from, std::min(size, sizeof *to));
  return true;
}

constexpr const char* kReadKinds = "kind: must be RAFT_READ_SAFE or RAFT_READ_LEASE";

bool is_read_kind(int kind) {
  return kind == RAFT_READ_SAFE || kind == RAFT_READ_LEASE;
}

}  // namespace

int RAFT_NewRaftServerWith(const RAFT_Options* options, RAFT_Handle* handle) {
  return guarded([&] {
    if (handle == nullptr) return fail(RAFT_ERR_INVALID_ARGUMENT, "handle is NULL");
    *handle = 0;
    if (options == nullptr) return fail(RAFT_ERR_INVALID_ARGUMENT, "options is NULL");
    // RAFT_Callbacks lies inside RAFT_Options, so both have had one size so far.
    if (options->struct_size != sizeof(RAFT_Options)) {
      return fail(RAFT_ERR_INVALID_ARGUMENT, "options.struct_size: must be sizeof(struct RAFT_Options)");
    }
    RAFT_Callbacks callbacks;
    if (!copy_versioned(&options->callbacks, &callbacks, sizeof(RAFT_Callbacks))) {
      return fail(RAFT_ERR_INVALID_ARGUMENT, "callbacks.struct_size: must be sizeof(struct RAFT_Callbacks)");
    }
    return new_server(options->config, callbacks, options->context, options->applied_index, handle);
  });
}

int RAFT_StopServer(RAFT_Handle handle) {
  return guarded([&] { return stop_server(handle, false); });
}

int RAFT_HandOverAndStopServer(RAFT_Handle handle) {
  return guarded([&] { return stop_server(handle, true); });
}

int RAFT_ProposeAsync(RAFT_Handle handle, const void* data, size_t size, int timeout_ms,
                      RAFT_Completion completion, void* user) {
  return guarded([&] {
    int code = RAFT_OK;
    const std::shared_ptr<Server> server = find_server(handle, &code);
    if (server == nullptr) return code;
    return server->propose(data, size, bridge::deadline_after_ms(timeout_ms), completion, user);
  });
}

int RAFT_ProposeBatch(RAFT_Handle handle, const RAFT_Buffer* proposals, size_t count, int timeout_ms,
                      RAFT_Completion completion, void* const* users, size_t* accepted) {
  if (accepted != nullptr) *accepted = 0;
  return guarded([&] {
    int code = RAFT_OK;
    const std::shared_ptr<Server> server = find_server(handle, &code);
    if (server == nullptr) return code;
    if (proposals == nullptr && count != 0) return fail(RAFT_ERR_INVALID_ARGUMENT, "proposals is NULL");
    const Deadline deadline = bridge::deadline_after_ms(timeout_ms);
    for (size_t each = 0; each < count; each++) {
      each += server->propose_some(proposals + each, count - each, completion,
                                   users != nullptr ? users + each : nullptr);
      if (accepted != nullptr) *accepted = each;
      if (each == count) break;
      // What found no room, or is wrong: this waits, or says so.
      code = server->propose(proposals[each].data, proposals[each].size, deadline, completion,
                             users != nullptr ? users[each] : nullptr);
      if (code != RAFT_OK) return code;
      if (accepted != nullptr) *accepted = each + 1;
    }
    return static_cast<int>(RAFT_OK);
  });
}

int RAFT_ProposeWait(RAFT_Handle handle, const void* data, size_t size, int timeout_ms, uint64_t* index,
                     uint64_t* term) {
  return guarded([&] {
    int code = RAFT_OK;
    const std::shared_ptr<Server> server = find_server(handle, &code);
    if (server == nullptr) return code;
    if (on_callback_thread()) return fail(RAFT_ERR_WOULD_DEADLOCK);
    return server->propose_and_wait(data, size, bridge::deadline_after_ms(timeout_ms), index, term);
  });
}

int RAFT_ReadIndex(RAFT_Handle handle, int kind, int timeout_ms, uint64_t* index) {
  return guarded([&] {
    int code = RAFT_OK;
    const std::shared_ptr<Server> server = find_server(handle, &code);
    if (server == nullptr) return code;
    if (!is_read_kind(kind)) return fail(RAFT_ERR_INVALID_ARGUMENT, kReadKinds);
    if (on_callback_thread()) return fail(RAFT_ERR_WOULD_DEADLOCK);
    return server->read_index(static_cast<uint32_t>(kind), bridge::deadline_after_ms(timeout_ms), index);
  });
}

int RAFT_ReadIndexAsync(RAFT_Handle handle, int kind, int timeout_ms, RAFT_Completion completion,
                        void* user) {
  return guarded([&] {
    int code = RAFT_OK;
    const std::shared_ptr<Server> server = find_server(handle, &code);
    if (server == nullptr) return code;
    if (!is_read_kind(kind)) return fail(RAFT_ERR_INVALID_ARGUMENT, kReadKinds);
    if (completion == nullptr) return fail(RAFT_ERR_INVALID_ARGUMENT, "completion is NULL");
    return server->read_index_async(static_cast<uint32_t>(kind), bridge::deadline_after_ms(timeout_ms),
                                    completion, user);
  });
}

int RAFT_ChangeMember(RAFT_Handle handle, int change, uint64_t id, const char* url, int timeout_ms,
                      uint64_t* index) {
  return guarded([&] { return change_member(handle, change, id, url, timeout_ms, index); });
}

int RAFT_ChangeMembers(RAFT_Handle handle, const RAFT_MemberChange* changes, size_t count, int timeout_ms,
                       uint64_t* index) {
  return guarded([&] { return change_members(handle, changes, count, timeout_ms, index); });
}

int RAFT_TransferLeadership(RAFT_Handle handle, uint64_t id, int timeout_ms) {
  return guarded([&] {
    int code = RAFT_OK;
    const std::shared_ptr<Server> server = find_server(handle, &code);
    if (server == nullptr) return code;
    if (id == 0) return fail(RAFT_ERR_INVALID_ARGUMENT, "id: must not be 0");
    if (on_callback_thread()) return fail(RAFT_ERR_WOULD_DEADLOCK);
    std::string reply;
    return server->request(protocol::kTRANSFER_LEADER, Payload{&id, sizeof id, nullptr, 0},
                           bridge::deadline_after_ms(timeout_ms), &reply);
  });
}

int RAFT_SaveSnapshot(RAFT_Handle handle, int timeout_ms, uint64_t* index) {
  return guarded([&] { return save_snapshot(handle, timeout_ms, index); });
}

int RAFT_GetAppliedIndex(RAFT_Handle handle, uint64_t* index) {
  return guarded([&] {
    int code = RAFT_OK;
    const std::shared_ptr<Server> server = find_server(handle, &code);
    if (server == nullptr) return code;
    if (index == nullptr) return fail(RAFT_ERR_INVALID_ARGUMENT, "index is NULL");
    *index = server->applied_index();
    return static_cast<int>(RAFT_OK);
  });
}

int RAFT_GetStatus(RAFT_Handle handle, char* buffer, size_t size) {
  return guarded([&] { return status_text(handle, 0, buffer, size); });
}

int RAFT_GetPeersStatus(RAFT_Handle handle, char* buffer, size_t size) {
  return guarded([&] { return status_text(handle, 1, buffer, size); });
}

int RAFT_GetMetrics(RAFT_Handle handle, char* buffer, size_t size) {
  return guarded([&] { return status_text(handle, 2, buffer, size); });
}

int RAFT_SetLogger(const char* log_path, int debug) {
  const int code = guarded([&] {
    if (is_forked_child()) return fail(RAFT_ERR_FORKED);
    std::string error;
    if (!log::set_sink(log_path, debug != 0, &error)) return fail(RAFT_ERR_IO, error);
    set_log_of_all_engines(log::level(), log::debug());
    return static_cast<int>(RAFT_OK);
  });
  return code == RAFT_OK ? 0 : 1;
}

int RAFT_SetLogLevel(int log_level) {
  return guarded([&] {
    if (is_forked_child()) return fail(RAFT_ERR_FORKED);
    if (log_level < RAFT_LOG_CRITICAL || log_level > RAFT_LOG_TRACE) {
      return fail(RAFT_ERR_INVALID_ARGUMENT,
                  "log level: must be RAFT_LOG_CRITICAL (-1) to RAFT_LOG_TRACE (5)");
    }
    log::set_level(log_level);
    set_log_of_all_engines(log::level(), log::debug());
    return static_cast<int>(RAFT_OK);
  });
}

int RAFT_SetLogFormat(int format) {
  return guarded([&] {
    if (is_forked_child()) return fail(RAFT_ERR_FORKED);
    if (format != RAFT_LOG_TEXT && format != RAFT_LOG_JSON) {
      return fail(RAFT_ERR_INVALID_ARGUMENT, "log format: must be RAFT_LOG_TEXT (0) or RAFT_LOG_JSON (1)");
    }
    log::set_format(format);
    return static_cast<int>(RAFT_OK);
  });
}

int RAFT_SetLogCallback(RAFT_LogCallback callback, void* context) {
  return guarded([&] {
    if (is_forked_child()) return fail(RAFT_ERR_FORKED);
    if (!log::set_callback(callback, context)) {
      return fail(RAFT_ERR_NO_MEMORY, "no thread can be started for the log's callback");
    }
    return static_cast<int>(RAFT_OK);
  });
}

void RAFT_GetVersion(char* version, size_t size) {
  if (version == nullptr || size == 0) return;
  const size_t length = std::min(size - 1, sizeof(POLYRAFT_VERSION) - 1);
  std::memcpy(version, POLYRAFT_VERSION, length);
  version[length] = '\0';
}

const char* RAFT_LastError(void) {
  return last_error();
}

const char* RAFT_StrError(int code) {
  return error_text(code);
}
