// A configuration with memory of its own, and those that stand in the log.
#ifndef POLYRAFT_CRAFT_MEMBERS_H_
#define POLYRAFT_CRAFT_MEMBERS_H_

#include <craft/raft.h>

#include <deque>
#include <string>
#include <vector>

namespace polyraft::craft {

struct Member {
  raft_id id;
  std::string address;
  int role;
};

struct Members {
  // The entry that it comes from.
  raft_index index = 0;
  std::vector<Member> list;

  const Member* find(raft_id id) const;
  size_t voters() const;
};

// 0, or why this is no configuration: as raft_configuration_add says it, RAFT_INVALID for one without
// servers.
int copy_members(const struct raft_configuration& source, Members* target);
// From the bytes of an entry: RAFT_MALFORMED.
int decode_members(const void* bytes, size_t size, Members* target);

// The configurations in the log, by index. The first is the newest that is known to be committed.
class MembersLog {
 public:
  // The one that counts: that of the last entry.
  const Members& effective() const;
  // The newest at or below `index`.
  const Members& at(raft_index index) const;
  // Entries from `index` on are replaced.
  void truncate(raft_index index);
  void append(Members members) { list_.push_back(std::move(members)); }
  // A snapshot replaces all.
  void restart(Members members);
  // Forgets what is older than the newest at or below `commit`.
  void settle(raft_index commit);

 private:
  std::deque<Members> list_;
};

}  // namespace polyraft::craft

#endif  // POLYRAFT_CRAFT_MEMBERS_H_
