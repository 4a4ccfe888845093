#include "craft/identities.h"

namespace polyraft::craft {

unsigned Identities::handle_of(raft_id id) {
  if (id == 0) return 0;
  const auto found = handles_.find(id);
  if (found != handles_.end()) return found->second;
  if (known_.size() > kMax) return kFull;
  const auto handle = static_cast<unsigned>(known_.size());
  known_.emplace_back();
  known_.back().id = id;
  handles_.emplace(id, handle);
  return handle;
}

const Identity* Identities::find(raft_id id) const {
  const auto found = handles_.find(id);
  return found == handles_.end() ? nullptr : &known_[found->second];
}

}  // namespace polyraft::craft
