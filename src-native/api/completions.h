// Proposals whose outcome is due: a slab addressed by the sequence that travels with the proposal.
#ifndef POLYRAFT_API_COMPLETIONS_H_
#define POLYRAFT_API_COMPLETIONS_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "api/waiter.h"
#include "polyraft.h"

namespace polyraft {

// Who wants to know: a completion of the host, or a call that waits.
struct PendingProposal {
  RAFT_Completion completion = nullptr;
  void* user = nullptr;
  Waiter* waiter = nullptr;
};

// Each added proposal is taken exactly once. Thread-safe.
class CompletionTable {
 public:
  // Bound of proposals in flight that want a completion.
  static constexpr uint32_t kPendingMax = 1u << 20;

  // Sequences of one run of the library differ from those of runs before, so that a late answer of the
  // cluster to an earlier run is not taken for an answer to this one.
  CompletionTable();

  // A sequence below 2^52, never 0; 0 when the table is full.
  uint64_t add(const PendingProposal& pending);
  // False when the sequence is not (or no longer) pending.
  bool take(uint64_t sequence, PendingProposal* pending);
  // Everything that is pending, in no order; or only what blocked calls wait for.
  std::vector<PendingProposal> take_all(bool only_waiters = false);

 private:
  static constexpr uint32_t kIndexBits = 20;
  static constexpr uint32_t kBlockBits = 10;
  struct Entry {
    PendingProposal pending;
    uint32_t generation = 0;
    uint32_t next_free = 0;
    bool used = false;
  };

  Entry& entry(uint32_t index) { return blocks_[index >> kBlockBits][index & ((1u << kBlockBits) - 1)]; }
  void free_entry(uint32_t index);

  std::mutex mutex_;
  std::vector<std::unique_ptr<Entry[]>> blocks_;
  uint32_t size_ = 0;
  // Index plus one; 0: none.
  uint32_t first_free_ = 0;
  uint32_t first_generation_;
};

}  // namespace polyraft

#endif  // POLYRAFT_API_COMPLETIONS_H_
