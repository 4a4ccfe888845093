// What stands behind struct raft: the engine's machine for it, and what the engine does not keep.
#ifndef POLYRAFT_CRAFT_SERVER_H_
#define POLYRAFT_CRAFT_SERVER_H_

#include <craft/raft.h>

#include <memory>
#include <string>
#include <vector>

#include "craft/identities.h"
#include "craft/isolate.h"
#include "craft/members.h"
#include "craft/words.h"

namespace polyraft::craft {

struct Settings {
  unsigned election_timeout_ms = 1000;
  unsigned heartbeat_timeout_ms = 100;
  unsigned install_snapshot_timeout_ms = 30000;
  bool pre_vote = false;
  unsigned max_catch_up_rounds = 10;
  unsigned max_catch_up_round_ms = 5000;
  unsigned max_inflight_entries = 32;
  unsigned seed = 0;
};

// What accessors tell; as of the last step that succeeded.
struct Known {
  raft_term term = 0;
  raft_id vote = 0;
  enum raft_state state = RAFT_UNAVAILABLE;
  raft_index commit = 0;
  raft_time timeout = 0;
  raft_index last_index = 0;
  unsigned lead = 0;
  raft_id transferee = 0;
  int role = -1;
};

// At a leader, of each member.
struct MemberProgress {
  raft_id id;
  raft_index match;
  int catch_up;
};

struct Server {
  static constexpr size_t kBarrierBytes = 8;

  Server(raft_id own_id, const char* own_address);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Makes the machine; 0 or an error code, with its text in `error`.
  int open();
  int step(const struct raft_event& event, struct raft_update* update);
  // Sets the error's text.
  int refuse(int code, const char* format, ...) __attribute__((format(printf, 3, 4)));
  // Where the server is reached: by the configuration that counts, else where it last spoke from; NULL.
  const char* address_of(unsigned handle) const;
  raft_id id_of(unsigned handle) const { return identities_[handle].id; }

  const raft_id id;
  const std::string address;
  Settings settings;
  bool are_settings_new = true;
  unsigned short capacity_threshold = 0;
  Known known;
  std::vector<MemberProgress> progress;
  char error[512] = "";

 private:
  friend class StepInput;
  friend class StepOutput;

  int give_settings();
  // Room for so many words, or more.
  int reserve(size_t count);
  int call_engine();
  int keep_barrier();
  int fail(const char* what);
  bool has_capacity() const;
  void take_known();

  std::shared_ptr<Isolate> isolate_;
  polyraft_machine* machine_ = nullptr;
  Words words_;
  Identities identities_;
  MembersLog members_;
  bool has_started_ = false;
  bool has_failed_ = false;
  raft_time time_ = 0;
  unsigned short capacity_ = 0;
  // Of the program's own last snapshot.
  raft_index snapshot_members_index_ = 0;
  // Of the one that it is installing.
  raft_index installing_members_index_ = 0;
  // What the next barrier takes: of raft_malloc.
  struct raft_entry* spare_entry_ = nullptr;
  void* spare_data_ = nullptr;
  // What the last update refers to.
  std::vector<struct raft_message> messages_;
  Members told_members_;
  std::vector<struct raft_server> told_servers_;
};

}  // namespace polyraft::craft

#endif  // POLYRAFT_CRAFT_SERVER_H_
