// The exported functions of one raft.
#include <craft/raft.h>

#include <cstdio>
#include <cstring>
#include <new>

#include "craft/server.h"

using polyraft::craft::MemberProgress;
using polyraft::craft::Server;

namespace {

constexpr size_t kAddressBytesMax = 1023;

// Of a raft_init that failed: there is no server to keep it in.
thread_local char init_error[512] = "";

Server* server_of(const struct raft* r) {
  return static_cast<Server*>(r->implementation);
}

int fail_init(int code, const char* text) {
  snprintf(init_error, sizeof init_error, "%s", text);
  return code;
}

template <typename Value>
void set(struct raft* r, Value polyraft::craft::Settings::*field, Value value) {
  Server* const server = server_of(r);
  if (server == nullptr) return;
  server->settings.*field = value;
  server->are_settings_new = true;
}

const MemberProgress* find_progress(const Server* server, raft_id id, int* error) {
  if (server == nullptr || server->known.state != RAFT_LEADER) {
    *error = RAFT_NOTLEADER;
    return nullptr;
  }
  for (const MemberProgress& member : server->progress)
    if (member.id == id) return &member;
  *error = RAFT_BADID;
  return nullptr;
}

}  // namespace

extern "C" {

int raft_init(struct raft* r, raft_id id, const char* address) {
  r->id = id;
  r->implementation = nullptr;
  if (id == 0) return fail_init(RAFT_INVALID, "id is 0");
  if (address == nullptr) return fail_init(RAFT_INVALID, "address is NULL");
  if (strlen(address) > kAddressBytesMax) return fail_init(RAFT_INVALID, "address is longer than 1023 bytes");
  Server* server = nullptr;
  try {
    server = new Server(id, address);
    const int code = server->open();
    if (code == 0) {
      r->implementation = server;
      return 0;
    }
    fail_init(code, server->error);
    delete server;
    return code;
  } catch (const std::bad_alloc&) {
    delete server;
    return fail_init(RAFT_NOMEM, "no memory for a server");
  }
}

int raft_close(struct raft* r) {
  delete server_of(r);
  r->implementation = nullptr;
  return 0;
}

int raft_step(struct raft* r, struct raft_event* event, struct raft_update* update) {
  memset(update, 0, sizeof *update);
  Server* const server = server_of(r);
  return server == nullptr ? RAFT_INVALID : server->step(*event, update);
}

void raft_seed(struct raft* r, unsigned random) {
  set(r, &polyraft::craft::Settings::seed, random);
}
void raft_set_election_timeout(struct raft* r, unsigned msecs) {
  set(r, &polyraft::craft::Settings::election_timeout_ms, msecs);
}
void raft_set_heartbeat_timeout(struct raft* r, unsigned msecs) {
  set(r, &polyraft::craft::Settings::heartbeat_timeout_ms, msecs);
}
void raft_set_install_snapshot_timeout(struct raft* r, unsigned msecs) {
  set(r, &polyraft::craft::Settings::install_snapshot_timeout_ms, msecs);
}
void raft_set_pre_vote(struct raft* r, bool enabled) {
  set(r, &polyraft::craft::Settings::pre_vote, enabled);
}
void raft_set_max_catch_up_rounds(struct raft* r, unsigned n) {
  set(r, &polyraft::craft::Settings::max_catch_up_rounds, n);
}
void raft_set_max_catch_up_round_duration(struct raft* r, unsigned msecs) {
  set(r, &polyraft::craft::Settings::max_catch_up_round_ms, msecs);
}
void raft_set_max_inflight_entries(struct raft* r, unsigned n) {
  set(r, &polyraft::craft::Settings::max_inflight_entries, n);
}
void raft_set_capacity_threshold(struct raft* r, unsigned short min) {
  if (server_of(r) != nullptr) server_of(r)->capacity_threshold = min;
}

raft_term raft_current_term(const struct raft* r) {
  return server_of(r) == nullptr ? 0 : server_of(r)->known.term;
}
raft_id raft_voted_for(const struct raft* r) {
  return server_of(r) == nullptr ? 0 : server_of(r)->known.vote;
}
enum raft_state raft_state(const struct raft* r) {
  return server_of(r) == nullptr ? RAFT_UNAVAILABLE : server_of(r)->known.state;
}
raft_index raft_commit_index(const struct raft* r) {
  return server_of(r) == nullptr ? 0 : server_of(r)->known.commit;
}
raft_time raft_timeout(const struct raft* r) {
  return server_of(r) == nullptr ? 0 : server_of(r)->known.timeout;
}
raft_index raft_last_index(const struct raft* r) {
  return server_of(r) == nullptr ? 0 : server_of(r)->known.last_index;
}
int raft_role(const struct raft* r) {
  return server_of(r) == nullptr ? -1 : server_of(r)->known.role;
}
raft_id raft_transferee(const struct raft* r) {
  return server_of(r) == nullptr ? 0 : server_of(r)->known.transferee;
}

void raft_leader(const struct raft* r, raft_id* id, const char** address) {
  const Server* const server = server_of(r);
  const unsigned lead = server == nullptr ? 0 : server->known.lead;
  if (id != nullptr) *id = lead == 0 ? 0 : server->id_of(lead);
  if (address != nullptr) *address = lead == 0 ? nullptr : server->address_of(lead);
}

int raft_match_index(const struct raft* r, raft_id id, raft_index* index) {
  int error = 0;
  const MemberProgress* const member = find_progress(server_of(r), id, &error);
  if (member != nullptr) *index = member->match;
  return error;
}

int raft_catch_up(const struct raft* r, raft_id id, int* status) {
  int error = 0;
  const MemberProgress* const member = find_progress(server_of(r), id, &error);
  if (member != nullptr) *status = member->catch_up;
  return error;
}

const char* raft_errmsg(const struct raft* r) {
  return server_of(r) == nullptr ? init_error : server_of(r)->error;
}
}
