// What the engine has answered, as an update.
#ifndef POLYRAFT_CRAFT_STEP_OUTPUT_H_
#define POLYRAFT_CRAFT_STEP_OUTPUT_H_

#include <craft/raft.h>

#include "craft/server.h"
#include "craft/step_input.h"

namespace polyraft::craft {

class StepOutput {
 public:
  StepOutput(Server& server, StepInput& input, struct raft_update* update)
      : server_(server), input_(input), update_(*update) {}

  // 0, or an error code when the answer contradicts the event: nothing has been handed out then.
  int write();

 private:
  int write_entries();
  void write_barrier();
  void write_own_entries(raft_index first);
  int write_received_entries(raft_index first, unsigned n);
  void write_snapshot();
  void write_messages();
  void write_message(struct raft_message& target, size_t at);
  void follow_members();
  void follow_sender();
  void free_received();

  Server& server_;
  StepInput& input_;
  struct raft_update& update_;
};

}  // namespace polyraft::craft

#endif  // POLYRAFT_CRAFT_STEP_OUTPUT_H_
