// Ids are 64 bits wide, numbers of the engine are not: the engine knows servers by handles.
#ifndef POLYRAFT_CRAFT_IDENTITIES_H_
#define POLYRAFT_CRAFT_IDENTITIES_H_

#include <craft/raft.h>

#include <string>
#include <unordered_map>
#include <vector>

namespace polyraft::craft {

struct Identity {
  raft_id id = 0;
  // Where its last message came from.
  std::string address;
  bool reports_capacity = false;
  unsigned short capacity = 0;
};

class Identities {
 public:
  // Of one raft; strangers may knock, with ids of their invention.
  static constexpr size_t kMax = 65536;

  // From 1 on, in the order of first sight; 0 for id 0. kFull when there are too many.
  static constexpr unsigned kFull = ~0U;
  unsigned handle_of(raft_id id);
  // Id 0 for a handle that is none.
  const Identity& operator[](unsigned handle) const { return known_[handle < known_.size() ? handle : 0]; }
  // NULL when it has not been seen.
  const Identity* find(raft_id id) const;
  Identity& at(unsigned handle) { return known_[handle]; }

 private:
  std::vector<Identity> known_ = std::vector<Identity>(1);
  std::unordered_map<raft_id, unsigned> handles_;
};

}  // namespace polyraft::craft

#endif  // POLYRAFT_CRAFT_IDENTITIES_H_
