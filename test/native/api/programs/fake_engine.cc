// A stand-in for `node` with an engine: one voter without Raft, whose log is a file, so that it survives
// being killed. The host names it by node_path. Proposals that begin with '!' make it misbehave instead of
// being committed.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include "../../fake/engine_end.h"
#include "api/json_object.h"
#include "polyraft_codes.h"

namespace polyraft::fake {
namespace {

using bridge::Region;

constexpr uint64_t kBacklogBytesMax = 4u << 20;
constexpr uint64_t kSnapshotIndex = 5;

std::string reply(int code, const std::string& rest = "") {
  std::string payload;
  append<int32_t>(&payload, code);
  append<uint32_t>(&payload, 0);
  return payload + rest;
}

std::string log_line(int level, uint64_t cluster, uint64_t node, const std::string& source,
                     const std::string& text) {
  std::string payload;
  append<int32_t>(&payload, level);
  append<uint32_t>(&payload, static_cast<uint32_t>(source.size()));
  append<uint64_t>(&payload, cluster);
  append<uint64_t>(&payload, node);
  return payload + source + text;
}

std::string index_reply(uint64_t index) {
  std::string rest;
  append<uint64_t>(&rest, index);
  return reply(RAFT_OK, rest);
}

class FakeServer {
 public:
  FakeServer(const Region& region, uint32_t slot, uint64_t applied, const JsonObject& config)
      : commands_(region.command_ring(slot)),
        submits_(region.submit_ring(slot)),
        events_(region.event_ring(slot)),
        applies_(region.apply_ring(slot)),
        applied_word_(region.applied_index(slot)),
        apply_ring_(region.apply_ring(slot)),
        event_ring_(region.event_ring(slot)) {
    const std::string path = config.text("waldir").value_or("");
    if (!path.empty()) {
      log_fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      load();
    }
    const uint64_t restored = config.whole("fake_restore_bytes").value_or(0);
    if (restored != 0) {
      entries_.assign(kSnapshotIndex, "");
      if (applied < kSnapshotIndex) {
        std::string payload;
        append<uint64_t>(&payload, kSnapshotIndex);
        append<uint64_t>(&payload, 1);
        for (uint64_t each = 0; each < restored; each++)
          payload.push_back(static_cast<char>('a' + each % 26));
        applies_.send(protocol::kRESTORE_SNAPSHOT, 0, payload);
        applied = kSnapshotIndex;
      }
    }
    // Again what the host says that it has: it must not apply it twice.
    const uint64_t repeat = config.whole("fake_repeat").value_or(0);
    for (uint64_t index = applied - std::min(applied, repeat) + 1; index <= entries_.size(); index++)
      commit(index);
    if (const auto role = config.whole("fake_state")) state(static_cast<uint32_t>(*role));
  }
  ~FakeServer() {
    if (log_fd_ >= 0) close(log_fd_);
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  bool has_work() const { return commands_.has_records() || (may_read_submits() && submits_.has_records()); }
  bool is_deleted() const { return deleted_; }

  void turn() {
    events_.flush();
    applies_.flush();
    commands_.read_all([this](uint16_t type, uint16_t, uint64_t id, const std::string& payload) {
      handle_command(type, id, payload);
      return !deleted_;
    });
    if (deleted_) return;
    if (may_read_submits()) {
      submits_.read_all([this](uint16_t, uint16_t flags, uint64_t id, const std::string& payload) {
        handle_proposal((flags & protocol::kWANT_COMPLETION) != 0, id, payload);
        return may_read_submits();
      });
    }
    flush_batch();
    flush_completions();
  }

 private:
  bool may_read_submits() const { return !hung_ && applies_.waiting_bytes() < kBacklogBytesMax; }

  void load() {
    uint32_t length = 0;
    while (::read(log_fd_, &length, sizeof length) == sizeof length) {
      std::string entry(length, '\0');
      if (::read(log_fd_, entry.data(), length) != static_cast<ssize_t>(length)) break;
      entries_.push_back(std::move(entry));
      log_end_ += sizeof length + length;
    }
  }

  void store(const std::string& entry) {
    if (log_fd_ < 0) return;
    std::string bytes;
    append<uint32_t>(&bytes, static_cast<uint32_t>(entry.size()));
    bytes += entry;
    if (pwrite(log_fd_, bytes.data(), bytes.size(), static_cast<off_t>(log_end_)) !=
        static_cast<ssize_t>(bytes.size())) {
      _exit(9);
    }
    log_end_ += bytes.size();
  }

  void commit(uint64_t index) {
    const std::string& entry = entries_[index - 1];
    if (entry.size() + 64 > bridge::max_chunk_bytes(protocol::kSLOT_APPLY_RING_BYTES)) {
      flush_batch();
      std::string payload;
      append<uint64_t>(&payload, index);
      append<uint64_t>(&payload, 1);
      applies_.send(protocol::kCOMMIT_LARGE, 0, payload + entry);
      return;
    }
    if (batch_.size() + entry.size() + 64 > bridge::max_chunk_bytes(protocol::kSLOT_APPLY_RING_BYTES))
      flush_batch();
    if (batch_count_ == 0) batch_first_ = index;
    batch_count_++;
    append<uint32_t>(&batch_, static_cast<uint32_t>(entry.size()));
    append<uint32_t>(&batch_, entry.empty() ? 1 : 0);
    batch_ += entry;
    batch_.resize((batch_.size() + 7) / 8 * 8);
  }

  void flush_batch() {
    if (batch_count_ == 0) return;
    std::string payload;
    append<uint64_t>(&payload, batch_first_);
    append<uint64_t>(&payload, 1);
    append<uint32_t>(&payload, batch_count_);
    append<uint32_t>(&payload, 0);
    applies_.send(protocol::kCOMMIT_BATCH, 0, payload + batch_);
    batch_.clear();
    batch_count_ = 0;
  }

  void complete(uint64_t sequence, int code, uint64_t index) {
    completion_count_++;
    append<uint64_t>(&completions_, sequence);
    append<uint64_t>(&completions_, index);
    append<uint64_t>(&completions_, code == RAFT_OK ? 1 : 0);
    append<int32_t>(&completions_, code);
    append<uint32_t>(&completions_, 0);
    if (completions_.size() > 65536) flush_completions();
  }

  void flush_completions() {
    if (completion_count_ == 0) return;
    std::string payload;
    append<uint32_t>(&payload, completion_count_);
    append<uint32_t>(&payload, 0);
    events_.send(protocol::kCOMPLETIONS, 0, payload + completions_);
    completions_.clear();
    completion_count_ = 0;
  }

  void state(uint32_t state) {
    std::string payload;
    append<uint32_t>(&payload, state);
    events_.send(protocol::kSTATE_CHANGE, 0, payload);
  }

  void event(uint32_t event, uint64_t value, const std::string& text) {
    std::string payload;
    append<uint32_t>(&payload, event);
    append<uint32_t>(&payload, 0);
    append<uint64_t>(&payload, value);
    events_.send(protocol::kEVENT, 0, payload + text);
  }

  void handle_proposal(bool wants_completion, uint64_t sequence, const std::string& data) {
    if (!data.empty() && data[0] == '!') {
      misbehave(data, wants_completion, sequence);
      return;
    }
    entries_.push_back(data);
    store(data);
    commit(entries_.size());
    if (wants_completion) complete(sequence, RAFT_OK, entries_.size());
  }

  static void break_ring(const bridge::RingMemory& ring) {
    ring.tail().fetch_sub(13);
    ring.consumer_parked().store(0);
    bridge::futex_wake_all(&ring.consumer_parked());
  }

  void misbehave(const std::string& what, bool wants_completion, uint64_t sequence) {
    if (what == "!exit") _exit(3);
    if (what == "!hang") hung_ = true;
    if (what == "!silent") return;
    if (what == "!state-twice") state(STATE_LEADER), state(STATE_LEADER), state(STATE_FOLLOWER);
    if (what == "!removed") event(RAFT_EVENT_REMOVED, entries_.size(), "");
    if (what == "!failed") event(RAFT_EVENT_SERVER_FAILED, RAFT_ERR_IO, "the disk is full");
    if (what == "!message") events_.send(protocol::kMESSAGE, next_message_++, "hello");
    if (what == "!broken-apply") break_ring(apply_ring_);
    if (what == "!broken-event") break_ring(event_ring_);
    if (what == "!unknown-record") events_.send(999, 0, "?");
    if (what == "!gap") {
      entries_.push_back("skipped");
      store("skipped");
      entries_.push_back("after the gap");
      store("after the gap");
      commit(entries_.size());
    }
    if (wants_completion)
      complete(sequence, what == "!reject" ? RAFT_ERR_REJECTED : RAFT_OK, entries_.size());
  }

  void handle_command(uint16_t type, uint64_t id, const std::string& payload) {
    switch (type) {
      case protocol::kMEMBER_CHANGE: {
        const auto node = read_at<uint64_t>(payload, 8);
        if (node == 99) return;
        if (node == 98) return events_.send(protocol::kREPLY, id, reply(RAFT_ERR_NO_LEADER));
        entries_.emplace_back();
        store("");
        commit(entries_.size());
        flush_batch();
        return events_.send(protocol::kREPLY, id, index_reply(entries_.size()));
      }
      case protocol::kSNAPSHOT_REQUEST: {
        std::string taken;
        flush_batch();
        append<uint64_t>(&taken, entries_.size());
        applies_.send(protocol::kTAKE_SNAPSHOT, id, taken);
        return;
      }
      case protocol::kSNAPSHOT_DATA:
        snapshot_ = payload.substr(8);
        if (read_at<int32_t>(payload, 0) != 0) {
          return events_.send(protocol::kREPLY, id, reply(RAFT_ERR_CALLBACK_FAILED, "getSnapshot failed"));
        }
        return events_.send(protocol::kREPLY, id, index_reply(entries_.size()));
      case protocol::kSTATUS_REQUEST: {
        if (read_at<uint32_t>(payload, 0) == 1) return events_.send(protocol::kREPLY, id, reply(0, "[]"));
        JsonObject status;
        status.set_whole("last", entries_.size());
        status.set_whole("applied", applied_word_.load());
        status.set_whole("snapshot_bytes", snapshot_.size());
        status.set_text("answer", answer_);
        status.set_whole("apply_failed", apply_failed_);
        return events_.send(protocol::kREPLY, id, reply(0, status.dump()));
      }
      case protocol::kSEND_MESSAGE: {
        const auto node = read_at<uint64_t>(payload, 0);
        static const std::map<uint64_t, int> codes = {{1, RAFT_ERR_INVALID_ARGUMENT},
                                                      {3, RAFT_ERR_UNKNOWN_MEMBER},
                                                      {4, RAFT_ERR_URL},
                                                      {5, RAFT_ERR_CONNECT},
                                                      {6, RAFT_ERR_READ}};
        const auto found = codes.find(node);
        if (found != codes.end()) return events_.send(protocol::kREPLY, id, reply(found->second));
        return events_.send(protocol::kREPLY, id, reply(0, "answer to " + payload.substr(8)));
      }
      case protocol::kMESSAGE_REPLY:
        answer_ = std::to_string(read_at<int32_t>(payload, 0)) + ":" + payload.substr(8);
        return;
      case protocol::kAPPLY_FAILED:
        apply_failed_ = read_at<uint64_t>(payload, 0);
        return event(RAFT_EVENT_SERVER_FAILED, RAFT_ERR_CALLBACK_FAILED, "apply failed");
      case protocol::kREAD_INDEX:
        return events_.send(protocol::kREPLY, id, index_reply(entries_.size()));
      case protocol::kTRANSFER_LEADER:
        return events_.send(protocol::kREPLY, id, reply(RAFT_OK));
      case protocol::kDELETE_SERVER:
        flush_completions();
        events_.send(protocol::kREPLY, id, reply(RAFT_OK));
        deleted_ = true;
        return;
      default:
        _exit(8);
    }
  }

  Input commands_;
  Input submits_;
  Output events_;
  Output applies_;
  std::atomic<uint64_t>& applied_word_;
  bridge::RingMemory apply_ring_;
  bridge::RingMemory event_ring_;
  std::vector<std::string> entries_;
  int log_fd_ = -1;
  uint64_t log_end_ = 0;
  std::string batch_;
  uint64_t batch_first_ = 0;
  uint32_t batch_count_ = 0;
  std::string completions_;
  uint32_t completion_count_ = 0;
  std::string snapshot_;
  std::string answer_;
  uint64_t apply_failed_ = 0;
  uint64_t next_message_ = 1;
  bool hung_ = false;
  bool deleted_ = false;
};

int descriptor(const char* name) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : -1;
}

int run() {
  if (std::getenv("FAKE_ENGINE_FAILS") != nullptr) return 7;
  Region region;
  if (region.open_shared(descriptor("POLYRAFT_REGION_FD")) != 0) return 6;
  const int doorbell = descriptor("POLYRAFT_DOORBELL_FD");
  const int lifeline = descriptor("POLYRAFT_LIFELINE_FD");
  Input commands(region.control_command_ring());
  Output events(region.control_event_ring());
  std::map<uint32_t, std::unique_ptr<FakeServer>> servers;
  events.send(protocol::kENGINE_READY, 0, "fake engine");
  const auto has_work = [&] {
    for (const auto& [slot, server] : servers) {
      if (server->has_work()) return true;
    }
    return commands.has_records();
  };
  for (;;) {
    events.flush();
    commands.read_all([&](uint16_t type, uint16_t, uint64_t id, const std::string& payload) {
      if (type == protocol::kSTOP_ENGINE) _exit(0);
      if (type == protocol::kSET_LOG) {
        const auto level = read_at<int32_t>(payload, 0);
        // Its position has two parts, as that of an engine in debug mode.
        events.send(protocol::kLOG, 0,
                    log_line(RAFT_LOG_DEBUG, 7, 255, "transport fake.ts:12",
                             "the log level is " + std::to_string(level)));
      }
      if (type != protocol::kCREATE_SERVER) return true;
      const JsonObject config = JsonObject::parse(payload.substr(16)).value();
      if (config.is_true("fake_exit")) _exit(4);
      if (config.is_true("fake_hang")) return true;
      if (const auto number = config.number("fake_refuse")) {
        events.send(protocol::kREPLY, id, reply(static_cast<int>(*number), "waldir: refused"));
        return true;
      }
      const auto slot = read_at<uint32_t>(payload, 0);
      servers[slot] = std::make_unique<FakeServer>(region, slot, read_at<uint64_t>(payload, 8), config);
      events.send(protocol::kREPLY, id, reply(RAFT_OK));
      return true;
    });
    for (auto at = servers.begin(); at != servers.end();) {
      at->second->turn();
      at = at->second->is_deleted() ? servers.erase(at) : std::next(at);
    }
    if (!sleep_until_rung(region.engine_parked(), doorbell, lifeline, has_work)) return 0;
  }
}

}  // namespace
}  // namespace polyraft::fake

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "--version") {
    const char* const version = std::getenv("FAKE_NODE_VERSION");
    std::puts(version != nullptr ? version : "v20.0.0");
    return 0;
  }
  return polyraft::fake::run();
}
