// The functions of libraft/raft_c_if.h. No exception leaves them.
#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "api/errors.h"
#include "api/json_object.h"
#include "api/libraft_config.h"
#include "api/libraft_node.h"
#include "api/log.h"
#include "libraft/raft_c_if.h"
#include "runtime/host_thread.h"

using namespace polyraft;
using namespace polyraft::libraft;
using bridge::Payload;

namespace {

struct Interface {
  // Of start and end.
  std::mutex lifecycle;
  std::string init_error;
  FutureTable::Release release = nullptr;
  EngineHost host{"process", runtime::make_process_runtime};

  std::mutex mutex;
  // Guarded by mutex.
  std::shared_ptr<Node> node;
};

// Never destroyed: the library's threads go on while the process exits.
Interface& interface() {
  static auto* const only = new Interface;
  return *only;
}

std::shared_ptr<Node> current() {
  if (is_forked_child()) return nullptr;
  Interface& all = interface();
  const std::lock_guard<std::mutex> lock(all.mutex);
  return all.node;
}

void set_current(std::shared_ptr<Node> node) {
  Interface& all = interface();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.node.swap(node);
}

// What a call gives before raft_init and after raft_cleanup: there is no table for a future of its own.
constexpr FutureId kNoNode = 1;

raft_future future_of(FutureId id) {
  return reinterpret_cast<raft_future>(id);
}

FutureId id_of(raft_future future) {
  return reinterpret_cast<FutureId>(future);
}

template <typename Call>
raft_future with_future(Call call) {
  return guarded(
      [&]() -> raft_future {
        const std::shared_ptr<Node> node = current();
        return future_of(node == nullptr ? kNoNode : call(*node));
      },
      [](int) -> raft_future { return nullptr; });
}

template <typename Call>
RaftError with_node(raft_future future, Call call) {
  return guarded(
      [&] {
        if (id_of(future) == kNoNode) return RAFT_E_IN_SHUTDOWN;
        const std::shared_ptr<Node> node = current();
        return node == nullptr ? RAFT_E_INVALID_OP : call(*node);
      },
      [](int) { return RAFT_E_OTHER; });
}

bool may_wait() {
  return !on_callback_thread();
}

// What the engine knows; empty where it does not answer.
JsonObject contact_of(RaftError* error) {
  const std::shared_ptr<Node> node = current();
  std::string text;
  *error = node == nullptr ? RAFT_E_IN_SHUTDOWN : node->contact(&text);
  if (*error != RAFT_SUCCESS) return {};
  return JsonObject::parse(text).value_or(JsonObject());
}

void log_misuse(const char* text) {
  POLYRAFT_LOG(RAFT_LOG_WARNING, text);
}

bool start_node(const RaftFSM* fsm, const RaftConfig* given, std::string* error) {
  if (is_forked_child()) {
    *error = "the library was started before fork(); use it in the parent";
    return false;
  }
  if (fsm == nullptr || fsm->apply == nullptr) {
    *error = fsm == nullptr ? "fsm is NULL" : "fsm->apply is NULL";
    return false;
  }
  RaftConfig config;
  if (given != nullptr) {
    config = *given;
  } else {
    raft_default_config(&config);
  }
  if (!check_config(config, error)) return false;
  if (!log::set_sink(config.LogOutput[0] != '\0' ? config.LogOutput : "stderr", false, error)) return false;
  log::set_level(config.verbose ? RAFT_LOG_INFO : RAFT_LOG_NOTICE);
  Interface& all = interface();
  if (current() != nullptr) {
    *error = "this process has a node already; raft_cleanup ends it";
    return false;
  }
  const auto node = std::make_shared<Node>(*fsm, config, all.release, &all.host);
  // Callbacks may come, and call, before it has started.
  set_current(node);
  if (node->start(error)) return true;
  set_current(nullptr);
  node->stop();
  return false;
}

constexpr const char* kMessages[N_RAFT_ERRORS] = {
    "success",
    "this node is the leader",
    "this node is not the leader",
    "leadership was lost before the outcome was known",
    "the engine ended before the outcome was known",
    "it could not be handed to the engine in time",
    "the peer is known already",
    "the peer is not known",
    "the log entry does not exist",
    "pipelined replication is not supported",
    "the transport has been shut down",
    "the pipeline has been closed",
    "another error; the log says which",
    "an invalid operation",
    "an invalid address",
    "the host name has no IPv4 address",
    "the node has been shut down",
};

}  // namespace

pid_t raft_init(RaftFSM* fsm, const RaftConfig* config) {
  Interface& all = interface();
  const std::lock_guard<std::mutex> lock(all.lifecycle);
  all.init_error.clear();
  std::string error;
  const bool started = guarded([&] { return start_node(fsm, config, &error); },
                               [&](int) {
                                 error = "out of memory, or an internal error";
                                 return false;
                               });
  if (started) return all.host.process_id();
  all.init_error = error;
  std::fprintf(stderr, "raft_init: %s\n", error.c_str());
  return -1;
}

const char* raft_init_error(void) {
  return interface().init_error.c_str();
}

pid_t raft_child_pid(void) {
  return is_forked_child() ? -1 : interface().host.process_id();
}

void raft_fsm_on_unclaimed_reply(void (*release)(void* reply)) {
  Interface& all = interface();
  const std::lock_guard<std::mutex> lock(all.lifecycle);
  all.release = release;
}

void raft_set_engine_restart(bool restart) {
  interface().host.set_restarts(restart);
}

void raft_cleanup(void) {
  if (is_forked_child()) return;
  if (on_callback_thread()) {
    log_misuse("raft_cleanup was called by the state machine, which it would wait for; nothing is done");
    return;
  }
  Interface& all = interface();
  const std::lock_guard<std::mutex> lock(all.lifecycle);
  const std::shared_ptr<Node> node = current();
  if (node == nullptr) return;
  node->stop();
  set_current(nullptr);
}

bool raft_is_leader(void) {
  return raft_state() == RAFT_LEADER;
}

RaftState raft_state(void) {
  const std::shared_ptr<Node> node = current();
  return node == nullptr ? RAFT_INVALID_STATE : node->state();
}

time_t raft_last_contact(void) {
  return guarded(
      []() -> time_t {
        RaftError error = RAFT_SUCCESS;
        const double age_ms = contact_of(&error).number("last_contact_ms").value_or(-1);
        return age_ms < 0 ? 0 : time(nullptr) - static_cast<time_t>(age_ms / 1000);
      },
      [](int) -> time_t { return 0; });
}

RaftIndex raft_last_index(void) {
  return guarded(
      []() -> RaftIndex {
        RaftError error = RAFT_SUCCESS;
        return contact_of(&error).whole("last_index").value_or(0);
      },
      [](int) -> RaftIndex { return 0; });
}

RaftError raft_leader(char** leader) {
  if (leader == nullptr) return RAFT_E_INVALID_ADDRESS;
  *leader = nullptr;
  return guarded(
      [&] {
        RaftError error = RAFT_SUCCESS;
        const std::string address = contact_of(&error).text("leader").value_or("");
        if (error != RAFT_SUCCESS) return error;
        if (address.empty()) return RAFT_E_UNKNOWN_PEER;
        char* const buffer = alloc_raft_buffer(address.size() + 1);
        if (buffer == nullptr) return RAFT_E_OTHER;
        std::memcpy(buffer, address.c_str(), address.size() + 1);
        *leader = buffer;
        return RAFT_SUCCESS;
      },
      [](int) { return RAFT_E_OTHER; });
}

char* alloc_raft_buffer(size_t len) {
  return guarded(
      [&]() -> char* {
        const std::shared_ptr<Node> node = current();
        return node == nullptr ? nullptr : static_cast<char*>(node->arena().allocate(len));
      },
      [](int) -> char* { return nullptr; });
}

void free_raft_buffer(const char* buf) {
  if (buf == nullptr) return;
  const std::shared_ptr<Node> node = current();
  if (node == nullptr || !node->arena().free(buf))
    log_misuse("free_raft_buffer: not a buffer of alloc_raft_buffer, or freed before; ignored");
}

raft_future raft_apply(char* cmd, size_t len, uint64_t timeout_ns) {
  return with_future([&](Node& node) { return node.apply(cmd, len, timeout_ns); });
}

RaftError raft_apply_sync(char* cmd, size_t len, uint64_t timeout_ns, void** res) {
  if (res == nullptr) return RAFT_E_INVALID_ADDRESS;
  if (!may_wait()) return RAFT_E_INVALID_OP;
  const raft_future future = raft_apply(cmd, len, timeout_ns);
  if (future == nullptr) return RAFT_E_OTHER;
  const RaftError error = raft_future_get_fsm_reply(future, res);
  raft_future_dispose(future);
  return error;
}

raft_future raft_barrier(uint64_t timeout_ns) {
  return with_future([&](Node& node) { return node.barrier(timeout_ns); });
}

raft_future raft_verify_leader(void) {
  constexpr uint32_t kSafe = 0;
  return with_future([&](Node& node) {
    return node.request(protocol::kREAD_INDEX, Payload{&kSafe, sizeof kSafe, nullptr, 0});
  });
}

raft_future raft_snapshot(void) {
  return with_future([](Node& node) { return node.request(protocol::kSNAPSHOT_REQUEST, Payload{}); });
}

static raft_future change_peer(uint32_t operation, const char* host, uint16_t port) {
  return with_future([&](Node& node) {
    if (node.is_shut_down()) return node.ended(FutureKind::kOther, RAFT_E_IN_SHUTDOWN);
    if (host == nullptr) return node.ended(FutureKind::kOther, RAFT_E_INVALID_ADDRESS);
    if (port == 0 || *host == '\0') return node.ended(FutureKind::kOther, RAFT_E_INVALID_OP);
    const uint32_t fixed[2] = {operation, port};
    return node.request(protocol::kPEER_CHANGE, Payload{fixed, sizeof fixed, host, std::strlen(host)});
  });
}

raft_future raft_add_peer(const char* host, uint16_t port) {
  return change_peer(0, host, port);
}

raft_future raft_remove_peer(const char* host, uint16_t port) {
  return change_peer(1, host, port);
}

raft_future raft_stats(void) {
  constexpr uint32_t kStatistics = 3;
  return with_future([&](Node& node) {
    return node.request(protocol::kSTATUS_REQUEST, Payload{&kStatistics, sizeof kStatistics, nullptr, 0},
                        FutureKind::kStats);
  });
}

raft_future raft_shutdown(void) {
  return with_future([](Node& node) { return node.shutdown(); });
}

RaftError raft_future_wait(raft_future f) {
  return with_node(f, [&](Node& node) { return node.futures().wait(id_of(f), may_wait()); });
}

bool raft_future_poll(raft_future f) {
  return raft_future_wait_for(f, 0);
}

bool raft_future_wait_for(raft_future f, uint64_t wait_ms) {
  const std::shared_ptr<Node> node = current();
  if (node == nullptr) return true;
  // A year, so that no sum overflows.
  constexpr uint64_t kLongestMs = uint64_t{1000} * 60 * 60 * 24 * 365;
  const uint64_t limit_ms = may_wait() ? std::min(wait_ms, kLongestMs) : 0;
  return node->futures().has_ended(id_of(f), bridge::deadline_after_ms(static_cast<int64_t>(limit_ms)));
}

RaftError raft_future_get_fsm_reply(raft_future f, void** value_ptr) {
  return with_node(f, [&](Node& node) { return node.futures().reply(id_of(f), may_wait(), value_ptr); });
}

RaftError raft_future_get_ptr(raft_future f, void** value_ptr) {
  return raft_future_get_fsm_reply(f, value_ptr);
}

RaftError raft_future_get_stats(raft_future f, const char** res) {
  return with_node(f, [&](Node& node) { return node.futures().text(id_of(f), may_wait(), res); });
}

void raft_future_dispose(raft_future f) {
  if (const std::shared_ptr<Node> node = current()) node->futures().dispose(id_of(f));
}

void raft_fsm_snapshot_complete(raft_snapshot_req req, bool success) {
  const std::shared_ptr<Node> node = current();
  if (node == nullptr || node->snapshots() == nullptr || !node->snapshots()->complete(req, success))
    log_misuse("raft_fsm_snapshot_complete: no open request; ignored");
}

void raft_fsm_take_snapshot(raft_snapshot_req req, raft_fsm_snapshot_handle handle,
                            raft_fsm_snapshot_func write) {
  const std::shared_ptr<Node> node = current();
  if (node == nullptr || node->snapshots() == nullptr || write == nullptr ||
      !node->snapshots()->write_later(req, handle, write)) {
    log_misuse("raft_fsm_take_snapshot: no open request, or no function; ignored");
  }
}

void raft_print_stats(const char* stats) {
  guarded([&] {
    const std::optional<JsonObject> facts = JsonObject::parse(stats != nullptr ? stats : "");
    if (!facts) {
      log_misuse("raft_print_stats: not the text of raft_future_get_stats");
      return 0;
    }
    std::fprintf(stderr, "Raft stats:\n");
    for (const JsonObject::Member& member : facts->members()) {
      std::fprintf(stderr, "  %-22s %s\n", member.key.c_str(), member.value.c_str());
    }
    return 0;
  });
}

const char* raft_err_msg(RaftError err) {
  const auto index = static_cast<size_t>(err);
  return index < N_RAFT_ERRORS ? kMessages[index] : "unknown error code";
}
