#include "api/completions.h"

#include <sys/random.h>

#include <ctime>

namespace polyraft {

CompletionTable::CompletionTable() {
  uint32_t random = 0;
  if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    random = static_cast<uint32_t>(now.tv_nsec ^ (now.tv_sec << 10));
  }
  // Room above for two thousand million reuses of an entry before 32 bits are full.
  first_generation_ = (random & 0x7fffffffu) | 1u;
}

uint64_t CompletionTable::add(const PendingProposal& pending) {
  const std::lock_guard<std::mutex> lock(mutex_);
  uint32_t index = 0;
  if (first_free_ != 0) {
    index = first_free_ - 1;
    first_free_ = entry(index).next_free;
  } else {
    if (size_ == kPendingMax) return 0;
    if (size_ >> kBlockBits == blocks_.size()) {
      blocks_.push_back(std::make_unique<Entry[]>(1u << kBlockBits));
    }
    index = size_++;
    entry(index).generation = first_generation_;
  }
  Entry& free = entry(index);
  free.pending = pending;
  free.used = true;
  return (uint64_t{free.generation} << kIndexBits) | index;
}

bool CompletionTable::take(uint64_t sequence, PendingProposal* pending) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto index = static_cast<uint32_t>(sequence & ((1u << kIndexBits) - 1));
  if (index >= size_) return false;
  Entry& found = entry(index);
  if (!found.used || found.generation != sequence >> kIndexBits) return false;
  *pending = found.pending;
  free_entry(index);
  return true;
}

std::vector<PendingProposal> CompletionTable::take_all(bool only_waiters) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<PendingProposal> all;
  for (uint32_t index = 0; index < size_; index++) {
    if (!entry(index).used || (only_waiters && entry(index).pending.waiter == nullptr)) continue;
    all.push_back(entry(index).pending);
    free_entry(index);
  }
  return all;
}

void CompletionTable::free_entry(uint32_t index) {
  Entry& taken = entry(index);
  taken.used = false;
  taken.pending = {};
  if (++taken.generation == 0) taken.generation = 1;
  taken.next_free = first_free_;
  first_free_ = index + 1;
}

}  // namespace polyraft
