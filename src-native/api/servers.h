// The servers of this process by handle, and what both generations of the interface do with them. These
// functions set the thread's last error; they may throw std::bad_alloc (see guarded()).
#ifndef POLYRAFT_API_SERVERS_H_
#define POLYRAFT_API_SERVERS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "api/server.h"
#include "polyraft.h"

namespace polyraft {

// The server, or null with *code UNKNOWN_HANDLE or FORKED.
std::shared_ptr<Server> find_server(RAFT_Handle handle, int* code);

// `keeps` (may be null) lives as long as callbacks of the server can come.
int new_server(const char* config, const RAFT_Callbacks& callbacks, void* context, uint64_t applied_index,
               RAFT_Handle* handle, std::shared_ptr<void> keeps = nullptr);
int stop_server(RAFT_Handle handle, bool hand_over);
int change_member(RAFT_Handle handle, int change, uint64_t id, const char* url, int timeout_ms,
                  uint64_t* index);
int change_members(RAFT_Handle handle, const RAFT_MemberChange* changes, size_t count, int timeout_ms,
                   uint64_t* index);
int save_snapshot(RAFT_Handle handle, int timeout_ms, uint64_t* index);
// Writes a request's text answer with its NUL to buffer.
int status_text(RAFT_Handle handle, uint32_t what, char* buffer, size_t size);

}  // namespace polyraft

#endif  // POLYRAFT_API_SERVERS_H_
