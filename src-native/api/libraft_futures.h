// Futures: a slab of them, named by numbers that are never used again, so that a wrong one is noticed.
#ifndef POLYRAFT_API_LIBRAFT_FUTURES_H_
#define POLYRAFT_API_LIBRAFT_FUTURES_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/libraft_arena.h"
#include "bridge/futex.h"
#include "libraft/raft_c_if.h"

namespace polyraft::libraft {

// A future's number: generation << 20 | index, below 2^52, never 0. It is the proposal's sequence, too.
using FutureId = uint64_t;

enum class FutureKind : uint8_t { kApply, kBarrier, kStats, kOther };

// One future. What is no atomic belongs to whoever makes its next step: its maker, then whoever ends it.
struct Future {
  // Generation << 8 | flags.
  std::atomic<uint64_t> word{0};
  // Counts ends, for those who sleep.
  std::atomic<uint32_t> wake{0};
  std::atomic<int> error{0};
  std::atomic<void*> reply{nullptr};
  // The text of statistics; the future's own.
  std::atomic<const std::string*> text{nullptr};
  std::atomic<FutureKind> kind{FutureKind::kOther};
  // When the engine must have taken it; the clock's last moment: no limit, and no ticket.
  std::atomic<bridge::Clock::time_point> enqueue_until{bridge::Clock::time_point::max()};
  bool has_block = false;
  Arena::Block block = 0;
  uint32_t next_free = 0;
};

class FutureTable {
 public:
  static constexpr uint32_t kIndexBits = 20;
  static constexpr uint32_t kFuturesMax = 1u << kIndexBits;

  // Releases what apply returned and nobody takes.
  using Release = void (*)(void* reply);

  FutureTable(Arena* arena, Release release) : arena_(arena), release_(release) {}
  FutureTable(const FutureTable&) = delete;
  FutureTable& operator=(const FutureTable&) = delete;
  ~FutureTable();

  // A new future; 0: there are kFuturesMax, or no memory. It unpins `block` at its end, when there is one.
  // With a deadline it has a ticket, which is set, and is taken back when the engine has not taken that in
  // time.
  FutureId add(FutureKind kind, const Arena::Block* block = nullptr,
               const bridge::Deadline& enqueue_deadline = std::nullopt);
  // The engine may have it from here on: only then `end_sent` ends it.
  void mark_sent(FutureId id);
  // Ends it; false when it has ended, or was never. Takes `reply` only when true. Wakes who waits.
  bool end(FutureId id, RaftError error, void* reply = nullptr, std::string* text = nullptr);
  // Ends all that were sent, or all.
  void end_all(RaftError error, bool only_sent);

  // See raft_future_*. INVALID_OP for what is no future. `may_wait`: false gives INVALID_OP instead of
  // waiting.
  RaftError wait(FutureId id, bool may_wait);
  bool has_ended(FutureId id, const bridge::Deadline& deadline);
  RaftError reply(FutureId id, bool may_wait, void** reply);
  RaftError text(FutureId id, bool may_wait, const char** text);
  void dispose(FutureId id);

  // Futures that are not forgotten.
  uint32_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kBlockBits = 10;
  static constexpr uint64_t kSent = 1;
  static constexpr uint64_t kEnded = 2;
  static constexpr uint64_t kDisposed = 4;
  static constexpr uint64_t kWaiters = 8;
  // The reply has been handed out.
  static constexpr uint64_t kClaimed = 16;
  // Somebody is ending it.
  static constexpr uint64_t kEnding = 32;
  static constexpr uint64_t kInUse = 64;
  static constexpr uint32_t kFlagBits = 8;

  struct Block {
    Future futures[1u << kBlockBits];
  };

  Future* at(uint32_t index) const {
    const Block* const block = blocks_[index >> kBlockBits].load(std::memory_order_acquire);
    return block == nullptr ? nullptr
                            : const_cast<Future*>(&block->futures[index & ((1u << kBlockBits) - 1)]);
  }
  // The future and its word, when the number is its present one and it is in use.
  Future* find(FutureId id, uint64_t* word) const;
  // As `find`, for the user of a future: not after its disposal.
  Future* find_undisposed(FutureId id, uint64_t* word) const;
  // Sets flags while the future is that one and has none of `unless`.
  bool set_flags(Future* future, FutureId id, uint64_t flags, uint64_t unless, uint64_t* before = nullptr);
  // Takes a proposal back that the engine has not taken in time.
  void expire(FutureId id);
  // Until it has ended, is disposed of, or the deadline. The word then; 0: it is no future any more.
  uint64_t wait_until(FutureId id, const bridge::Deadline& deadline);
  void forget(Future* future, FutureId id, uint64_t word);

  Arena* const arena_;
  const Release release_;
  std::atomic<uint32_t> size_{0};
  std::atomic<Block*> blocks_[kFuturesMax >> kBlockBits] = {};

  std::mutex mutex_;
  uint32_t made_ = 0;
  // Index plus one; 0: none.
  uint32_t first_free_ = 0;
};

}  // namespace polyraft::libraft

#endif  // POLYRAFT_API_LIBRAFT_FUTURES_H_
