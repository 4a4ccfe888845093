#include "api/libraft_futures.h"

#include <algorithm>
#include <utility>

namespace polyraft::libraft {

using bridge::Deadline;

namespace {

uint32_t index_of(FutureId id) {
  return static_cast<uint32_t>(id) & (FutureTable::kFuturesMax - 1);
}

uint64_t generation_of(FutureId id) {
  return id >> FutureTable::kIndexBits;
}

}  // namespace

FutureTable::~FutureTable() {
  for (std::atomic<Block*>& block : blocks_) {
    Block* const held = block.load();
    if (held == nullptr) continue;
    for (Future& future : held->futures) delete future.text.load();
    delete held;
  }
}

FutureId FutureTable::add(FutureKind kind, const Arena::Block* block, const Deadline& enqueue_deadline) {
  uint32_t index = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (first_free_ != 0) {
      index = first_free_ - 1;
      first_free_ = at(index)->next_free;
    } else {
      if (made_ == kFuturesMax) return 0;
      if ((made_ & ((1u << kBlockBits) - 1)) == 0)
        blocks_[made_ >> kBlockBits].store(new Block, std::memory_order_release);
      index = made_++;
    }
  }
  size_.fetch_add(1, std::memory_order_relaxed);
  Future* const future = at(index);
  // Generations have 32 bits and leave out 0, since they are a ticket's value, too.
  uint64_t generation = (future->word.load(std::memory_order_relaxed) >> kFlagBits) + 1;
  if (generation > UINT32_MAX) generation = 1;
  future->kind.store(kind, std::memory_order_relaxed);
  future->has_block = block != nullptr;
  future->block = block != nullptr ? *block : 0;
  future->enqueue_until.store(*enqueue_deadline, std::memory_order_relaxed);
  if (enqueue_deadline)
    arena_->ticket(index).store(static_cast<uint32_t>(generation), std::memory_order_seq_cst);
  future->error.store(RAFT_SUCCESS, std::memory_order_relaxed);
  future->reply.store(nullptr, std::memory_order_relaxed);
  future->word.store(generation << kFlagBits | kInUse, std::memory_order_seq_cst);
  return generation << kIndexBits | index;
}

Future* FutureTable::find(FutureId id, uint64_t* word) const {
  Future* const future = at(index_of(id));
  if (future == nullptr) return nullptr;
  *word = future->word.load(std::memory_order_seq_cst);
  return *word >> kFlagBits == generation_of(id) && (*word & kInUse) != 0 ? future : nullptr;
}

Future* FutureTable::find_undisposed(FutureId id, uint64_t* word) const {
  Future* const future = find(id, word);
  return future == nullptr || (*word & kDisposed) != 0 ? nullptr : future;
}

bool FutureTable::set_flags(Future* future, FutureId id, uint64_t flags, uint64_t unless, uint64_t* before) {
  uint64_t word = future->word.load(std::memory_order_seq_cst);
  do {
    if (word >> kFlagBits != generation_of(id) || (word & kInUse) == 0 || (word & unless) != 0) return false;
  } while (!future->word.compare_exchange_weak(word, word | flags, std::memory_order_seq_cst));
  if (before != nullptr) *before = word;
  return true;
}

void FutureTable::mark_sent(FutureId id) {
  Future* const future = at(index_of(id));
  if (future != nullptr) set_flags(future, id, kSent, 0);
}

bool FutureTable::end(FutureId id, RaftError error, void* reply, std::string* text) {
  Future* const future = at(index_of(id));
  // Between these two flags nobody else touches it.
  if (future == nullptr || !set_flags(future, id, kEnding, kEnding | kEnded)) return false;
  future->error.store(error, std::memory_order_relaxed);
  future->reply.store(reply, std::memory_order_relaxed);
  if (text != nullptr) future->text.store(new std::string(std::move(*text)), std::memory_order_relaxed);
  if (future->has_block) arena_->unpin(future->block);
  uint64_t before = 0;
  set_flags(future, id, kEnded, 0, &before);
  if ((before & kWaiters) != 0) {
    future->wake.fetch_add(1, std::memory_order_seq_cst);
    bridge::futex_wake_all(&future->wake);
  }
  if ((before & kDisposed) != 0) forget(future, id, before);
  return true;
}

void FutureTable::end_all(RaftError error, bool only_sent) {
  uint32_t made = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    made = made_;
  }
  for (uint32_t index = 0; index < made; index++) {
    const uint64_t word = at(index)->word.load(std::memory_order_seq_cst);
    if ((word & kInUse) == 0 || (word & kEnded) != 0 || (only_sent && (word & kSent) == 0)) continue;
    end((word >> kFlagBits) << kIndexBits | index, error);
  }
}

void FutureTable::expire(FutureId id) {
  auto generation = static_cast<uint32_t>(generation_of(id));
  // Else the engine has it.
  if (arena_->ticket(index_of(id)).compare_exchange_strong(generation, 0, std::memory_order_seq_cst))
    end(id, RAFT_E_ENQUEUE_TIMEOUT);
}

uint64_t FutureTable::wait_until(FutureId id, const Deadline& deadline) {
  uint64_t word = 0;
  bool expired = false;
  for (;;) {
    Future* const future = find_undisposed(id, &word);
    if (future == nullptr) return 0;
    if ((word & kEnded) != 0) return word;
    const Deadline enqueue =
        expired ? Deadline(std::nullopt) : Deadline(future->enqueue_until.load(std::memory_order_relaxed));
    if (bridge::has_passed(enqueue)) {
      expired = true;
      expire(id);
      continue;
    }
    if (bridge::has_passed(deadline)) return word;
    const uint32_t seen = future->wake.load(std::memory_order_seq_cst);
    if (!set_flags(future, id, kWaiters, kEnded | kDisposed)) continue;
    const bool enqueue_first = enqueue && (!deadline || *enqueue < *deadline);
    bridge::futex_wait(&future->wake, seen, enqueue_first ? enqueue : deadline);
  }
}

RaftError FutureTable::wait(FutureId id, bool may_wait) {
  const Deadline deadline = may_wait ? Deadline(std::nullopt) : Deadline(bridge::Clock::now());
  const uint64_t word = wait_until(id, deadline);
  if ((word & kEnded) == 0) return RAFT_E_INVALID_OP;
  const int error = at(index_of(id))->error.load(std::memory_order_relaxed);
  uint64_t now = 0;
  return find_undisposed(id, &now) == nullptr ? RAFT_E_INVALID_OP : static_cast<RaftError>(error);
}

bool FutureTable::has_ended(FutureId id, const Deadline& deadline) {
  const uint64_t word = wait_until(id, deadline);
  return word == 0 || (word & kEnded) != 0;
}

RaftError FutureTable::reply(FutureId id, bool may_wait, void** reply) {
  uint64_t word = 0;
  Future* const future = find_undisposed(id, &word);
  if (future == nullptr || future->kind.load(std::memory_order_relaxed) != FutureKind::kApply)
    return RAFT_E_INVALID_OP;
  if (reply == nullptr) return RAFT_E_INVALID_ADDRESS;
  const RaftError error = wait(id, may_wait);
  if (error != RAFT_SUCCESS) return error;
  // From here on it is the caller's; a disposal in the same moment may have come first.
  if (!set_flags(future, id, kClaimed, kDisposed)) return RAFT_E_INVALID_OP;
  *reply = future->reply.load(std::memory_order_relaxed);
  return RAFT_SUCCESS;
}

RaftError FutureTable::text(FutureId id, bool may_wait, const char** text) {
  uint64_t word = 0;
  Future* const future = find_undisposed(id, &word);
  if (future == nullptr || future->kind.load(std::memory_order_relaxed) != FutureKind::kStats)
    return RAFT_E_INVALID_OP;
  if (text == nullptr) return RAFT_E_INVALID_ADDRESS;
  const RaftError error = wait(id, may_wait);
  if (error != RAFT_SUCCESS) return error;
  *text = future->text.load(std::memory_order_relaxed)->c_str();
  return RAFT_SUCCESS;
}

void FutureTable::dispose(FutureId id) {
  Future* const future = at(index_of(id));
  uint64_t before = 0;
  if (future == nullptr || !set_flags(future, id, kDisposed, kDisposed, &before)) return;
  if ((before & kWaiters) != 0) {
    future->wake.fetch_add(1, std::memory_order_seq_cst);
    bridge::futex_wake_all(&future->wake);
  }
  // Else whoever ends it does.
  if ((before & kEnded) != 0) forget(future, id, before);
}

void FutureTable::forget(Future* future, FutureId id, uint64_t word) {
  void* const reply = future->reply.load(std::memory_order_relaxed);
  if (reply != nullptr && (word & kClaimed) == 0 && release_ != nullptr) release_(reply);
  delete future->text.exchange(nullptr, std::memory_order_relaxed);
  future->word.store(generation_of(id) << kFlagBits, std::memory_order_seq_cst);
  size_.fetch_sub(1, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(mutex_);
  future->next_free = first_free_;
  first_free_ = index_of(id) + 1;
}

}  // namespace polyraft::libraft
