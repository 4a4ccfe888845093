// An event on its way into the engine: checked, written into the words, and all memory that the update may
// need allocated, so that nothing can fail behind the engine's back.
#ifndef POLYRAFT_CRAFT_STEP_INPUT_H_
#define POLYRAFT_CRAFT_STEP_INPUT_H_

#include <craft/raft.h>

#include <vector>

#include "craft/server.h"

namespace polyraft::craft {

class StepInput {
 public:
  StepInput(Server& server, const struct raft_event& event) : server_(server), event_(event) {}
  ~StepInput() { raft_free(array_); }
  StepInput(const StepInput&) = delete;
  StepInput& operator=(const StepInput&) = delete;

  // 0, or an error code with its text.
  int write();

  const struct raft_event& event() const { return event_; }
  // Of a RAFT_RECEIVE; NULL else.
  struct raft_message* message() const;
  // Entries that come with the event, and where they come from: NULL and 0 when there are none.
  struct raft_entry* entries() const {
    return entries_;
  }
  unsigned count() const { return count_; }
  // Room for `count()` entries, to be handed out.
  struct raft_entry* take_array();
  // Configurations of the event, in the order of their places; `index` is 0-based for RAFT_SUBMIT, else that
  // of the log. The snapshot's is the first when there is one.
  std::vector<Members>& changes() { return changes_; }

 private:
  int write_start();
  int write_receive();
  int write_append(const struct raft_append_entries& message);
  int write_vote_request(const struct raft_request_vote& message);
  int write_install(const struct raft_install_snapshot& message);
  int write_snapshot();
  int write_submit();
  int check_metadata(const struct raft_snapshot_metadata& metadata, const char* what);
  int check_entries(const char* what, raft_term term_max);
  // Decodes the configurations among the entries; the first entry is at `first`.
  int take_changes(raft_index first);
  int take_snapshot_members(const struct raft_configuration& configuration, raft_index index,
                            const char* what);
  int allocate();
  int write_lists(bool has_terms);
  int set_server(size_t argument, raft_id id);
  int set_number(size_t argument, unsigned long long value, const char* what);
  size_t runs() const;

  Server& server_;
  const struct raft_event& event_;
  struct raft_entry* entries_ = nullptr;
  unsigned count_ = 0;
  struct raft_entry* array_ = nullptr;
  std::vector<Members> changes_;
};

}  // namespace polyraft::craft

#endif  // POLYRAFT_CRAFT_STEP_INPUT_H_
