// The apply thread: entries go to the host straight out of the ring, in log order, each once.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "api/callback_guard.h"
#include "api/log.h"
#include "api/server.h"

namespace polyraft {

using bridge::Chunks;
using bridge::Payload;
using bridge::ReadResult;
using bridge::Record;

namespace {

constexpr uint32_t kWhichApply = 0;
constexpr uint32_t kWhichRestore = 1;
constexpr uint32_t kBatchHeaderBytes = 24;
constexpr uint32_t kEntryHeaderBytes = 8;
// Bits of an entry's kind.
constexpr uint32_t kNotForHost = 1;
constexpr uint32_t kHasSequence = 2;
constexpr uint32_t kLargeHeaderBytes = 16;

template <typename Integer>
Integer read(const uint8_t* from) {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// For the metrics: how long the host takes for what it is handed at once.
template <typename Work>
bool timed(const Channel& channel, Work work) {
  const auto begun = std::chrono::steady_clock::now();
  const bool result = work();
  channel.count_apply(static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begun)
          .count()));
  return result;
}

}  // namespace

// A payload that comes in chunks, in one piece of memory.
struct Server::LargePayload {
  LargePayload() = default;
  LargePayload(const LargePayload&) = delete;
  LargePayload& operator=(const LargePayload&) = delete;
  ~LargePayload() { std::free(data); }

  void reset() {
    std::free(data);
    data = nullptr;
    active = skip = false;
    size = used = 0;
  }

  bool active = false;
  // Its index is applied already: the chunks are counted, not kept.
  bool skip = false;
  uint16_t type = 0;
  uint64_t index = 0;
  uint64_t term = 0;
  uint8_t* data = nullptr;
  uint64_t size = 0;
  uint64_t used = 0;
};

void Server::reset(LargePayload* large) {
  large->reset();
}

void Server::run_apply() {
  std::shared_ptr<Channel> channel;
  while ((channel = next_apply_channel(channel)) != nullptr) {
    if (!apply_from(*channel)) return;
  }
}

std::shared_ptr<Channel> Server::next_apply_channel(const std::shared_ptr<Channel>& previous) {
  std::shared_ptr<Channel> next;
  {
    std::unique_lock<std::mutex> lock(channel_mutex_);
    channel_changed_.wait(lock, [this, &previous] {
      return stopping_.load(std::memory_order_seq_cst) || (channel_ != nullptr && channel_ != previous);
    });
    if (stopping_) return nullptr;
    next = channel_;
  }
  // Entries of the channel before may have been applied since this one was made.
  next->applied_word().store(applied_.load(std::memory_order_relaxed), std::memory_order_release);
  return next;
}

bool Server::apply_from(Channel& channel) {
  LargePayload large;
  Record record;
  for (;;) {
    if (stopping_.load(std::memory_order_seq_cst)) return false;
    // Read before the ring: whatever a dead engine wrote is in the ring by then.
    const bool dead = channel.is_dead();
    switch (channel.applies.peek(&record)) {
      case ReadResult::kEmpty:
        if (dead) return true;
        channel.applies.wait(std::nullopt);
        continue;
      case ReadResult::kRecord: {
        bool valid = true;
        if (!apply_record(channel, record, &large, &valid)) return false;
        if (valid) {
          channel.applies.release();
          continue;
        }
        break;
      }
      case ReadResult::kBroken:
        break;
    }
    channel.engine().report_broken("apply");
    while (!channel.is_dead() && !stopping_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return !stopping_;
  }
}

bool Server::apply_record(Channel& channel, const Record& record, LargePayload* large, bool* valid) {
  switch (record.type) {
    case protocol::kCOMMIT_BATCH:
      large->reset();
      return timed(channel, [&] { return apply_batch(channel, record, valid); });
    case protocol::kRESTORE_SNAPSHOT:
      if (settings_.extension != nullptr) return restore_chunk(channel, record, large, valid);
      return apply_chunk(channel, record, large, valid);
    case protocol::kCOMMIT_LARGE:
      return timed(channel, [&] { return apply_chunk(channel, record, large, valid); });
    case protocol::kTAKE_SNAPSHOT:
      large->reset();
      *valid = record.length == 8;
      return !*valid || take_snapshot(channel, record);
    default:
      *valid = false;
      return true;
  }
}

bool Server::apply_batch(Channel& channel, const Record& record, bool* valid) {
  *valid = false;
  if (record.length < kBatchHeaderBytes) return true;
  const auto first_index = read<uint64_t>(record.data);
  const auto term = read<uint64_t>(record.data + 8);
  const auto count = read<uint32_t>(record.data + 16);
  uint64_t at = kBatchHeaderBytes;
  for (uint32_t entry = 0; entry < count; entry++) {
    if (at + kEntryHeaderBytes > record.length) return true;
    const auto size = read<uint32_t>(record.data + at);
    const auto kind = read<uint32_t>(record.data + at + 4);
    at += kEntryHeaderBytes;
    if (kind > (kNotForHost | kHasSequence)) return true;
    uint64_t sequence = 0;
    if ((kind & kHasSequence) != 0) {
      if (at + sizeof sequence > record.length) return true;
      sequence = read<uint64_t>(record.data + at);
      at += sizeof sequence;
    }
    // The padding of the last entry may be missing.
    if (size > record.length - at) return true;
    const uint64_t index = first_index + entry;
    const uint64_t applied = applied_.load(std::memory_order_relaxed);
    if (index > applied) {
      if (index != applied + 1) {
        fail_apply(channel, index, RAFT_ERR_INTERNAL, kWhichApply,
                   "entry " + std::to_string(index) + " came after entry " + std::to_string(applied));
        return false;
      }
      if ((kind & kNotForHost) == 0) {
        if (!apply_entry(channel, sequence, index, term, record.data + at, size)) return false;
      } else if (sequence != 0) {
        if (!apply_entry(channel, sequence, index, term, nullptr, 0)) return false;
      } else {
        publish_applied(channel, index);
      }
      if (stopping_.load(std::memory_order_seq_cst)) return false;
    }
    at += bridge::align_record(size);
  }
  wake_applied_waiters();
  *valid = true;
  return true;
}

bool Server::apply_entry(Channel& channel, uint64_t sequence, uint64_t index, uint64_t term,
                         const uint8_t* data, uint64_t size) {
  const RAFT_Callbacks& callbacks = settings_.callbacks;
  if (settings_.extension != nullptr) {
    const int code = settings_.extension->apply(sequence, index, term, data, size);
    if (code != 0) {
      fail_apply(channel, index, code, kWhichApply, "applying entry " + std::to_string(index) + " failed");
      return false;
    }
  } else if (callbacks.apply != nullptr) {
    const int code =
        call_host("apply", [&] { return callbacks.apply(settings_.context, index, term, data, size); });
    if (code != 0) {
      fail_apply(channel, index, code, kWhichApply,
                 "onCommit returned " + std::to_string(code) + " for entry " + std::to_string(index));
      return false;
    }
  }
  publish_applied(channel, index);
  return true;
}

bool Server::apply_chunk(Channel& channel, const Record& record, LargePayload* large, bool* valid) {
  *valid = false;
  const uint8_t* data = record.data;
  uint64_t length = record.length;
  if (!record.continues()) {
    large->reset();
    if (length < kLargeHeaderBytes) return true;
    large->type = record.type;
    large->index = read<uint64_t>(data);
    large->term = read<uint64_t>(data + 8);
    large->size = record.total - kLargeHeaderBytes;
    data += kLargeHeaderBytes;
    length -= kLargeHeaderBytes;
    large->skip = large->index <= applied_.load(std::memory_order_relaxed);
    if (!record.has_more()) {
      *valid = true;
      if (large->skip) return true;
      const bool goes_on = record.type == protocol::kCOMMIT_LARGE
                               ? apply_entry(channel, record.id, large->index, large->term, data, length)
                               : restore(channel, large->index, large->term, data, length);
      if (goes_on) wake_applied_waiters();
      return goes_on;
    }
    large->active = true;
    if (!large->skip && (large->data = static_cast<uint8_t*>(std::malloc(large->size))) == nullptr) {
      fail_apply(
          channel, large->index, RAFT_ERR_NO_MEMORY,
          record.type == protocol::kCOMMIT_LARGE ? kWhichApply : kWhichRestore,
          "no memory for " + std::to_string(large->size) + " bytes of index " + std::to_string(large->index));
      return false;
    }
  } else if (!large->active || large->type != record.type ||
             record.total != large->size + kLargeHeaderBytes) {
    return true;
  }
  if (length > large->size - large->used) return true;
  if (!large->skip) std::memcpy(large->data + large->used, data, length);
  large->used += length;
  *valid = true;
  if (record.has_more()) return true;
  if (large->used != large->size) {
    *valid = false;
    return true;
  }
  const bool goes_on =
      large->skip ||
      (large->type == protocol::kCOMMIT_LARGE
           ? apply_entry(channel, record.id, large->index, large->term, large->data, large->size)
           : restore(channel, large->index, large->term, large->data, large->size));
  large->reset();
  if (goes_on) wake_applied_waiters();
  return goes_on;
}

bool Server::restore(Channel& channel, uint64_t index, uint64_t term, const uint8_t* data, uint64_t size) {
  const RAFT_Callbacks& callbacks = settings_.callbacks;
  if (callbacks.restore != nullptr) {
    const int code =
        call_host("restore", [&] { return callbacks.restore(settings_.context, index, term, data, size); });
    if (code != 0) {
      fail_apply(channel, index, code, kWhichRestore,
                 "recoverFromSnapshot returned " + std::to_string(code) + " for the snapshot at index " +
                     std::to_string(index));
      return false;
    }
  }
  publish_applied(channel, index);
  return true;
}

bool Server::take_snapshot(Channel& channel, const Record& record) {
  const RAFT_Callbacks& callbacks = settings_.callbacks;
  const auto index = read<uint64_t>(record.data);
  if (settings_.extension != nullptr) {
    const std::shared_ptr<SnapshotAnswer> answer = answer_to(channel, record.id);
    // As below.
    if (index != applied_.load(std::memory_order_relaxed)) {
      answer->refuse(RAFT_ERR_BUSY);
    } else {
      settings_.extension->take_snapshot(index, answer);
    }
    return true;
  }
  void* data = nullptr;
  uint64_t size = 0;
  int code = RAFT_OK;
  if (index != applied_.load(std::memory_order_relaxed)) {
    // Only after an engine's death, when the host is ahead of what the new engine has handed out so far: a
    // snapshot under this index would hold too much.
    code = RAFT_ERR_BUSY;
  } else if (callbacks.take_snapshot == nullptr) {
    code = RAFT_ERR_UNSUPPORTED;
  } else {
    code = call_host("take_snapshot",
                     [&] { return callbacks.take_snapshot(settings_.context, index, &data, &size); });
    if (code == 0 && data == nullptr && size != 0) {
      POLYRAFT_LOG(RAFT_LOG_ERROR, "getSnapshot gave a size, but no data");
      code = RAFT_ERR_CALLBACK_FAILED;
      size = 0;
    }
  }
  const bool owns_data = code == 0 && data != nullptr;
  uint8_t fixed[8] = {};
  const int32_t code_word = code;
  std::memcpy(fixed, &code_word, sizeof code_word);
  // The snapshot goes out as fast as the engine stores it; a death of the engine or a stop ends that.
  channel.commands.push(protocol::kSNAPSHOT_DATA, record.id,
                        Payload{fixed, sizeof fixed, code == 0 ? data : nullptr, code == 0 ? size : 0},
                        Chunks::kInterleaved, std::nullopt, &stopping_);
  if (owns_data && callbacks.free_memory != nullptr) {
    call_host("free_memory", [&] {
      callbacks.free_memory(settings_.context, data);
      return 0;
    });
  }
  return true;
}

void Server::fail_apply(Channel& channel, uint64_t index, int code, uint32_t which,
                        const std::string& reason) {
  POLYRAFT_LOG(RAFT_LOG_ERROR, reason + "; the server stops");
  // Before the engine is told: its own report of the failure knows less.
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    handle_event(RAFT_EVENT_SERVER_FAILED,
                 static_cast<uint64_t>(code == RAFT_ERR_INTERNAL || code == RAFT_ERR_NO_MEMORY
                                           ? code
                                           : static_cast<int>(RAFT_ERR_CALLBACK_FAILED)),
                 reason);
  }
  interrupt_reader();
  uint8_t fixed[16];
  const int32_t code_word = code;
  std::memcpy(fixed, &index, 8);
  std::memcpy(fixed + 8, &code_word, 4);
  std::memcpy(fixed + 12, &which, 4);
  channel.commands.push(protocol::kAPPLY_FAILED, 0, Payload{fixed, sizeof fixed, nullptr, 0},
                        Chunks::kInterleaved, std::nullopt, &stopping_);
}

void Server::publish_applied(Channel& channel, uint64_t index) {
  applied_.store(index, std::memory_order_release);
  channel.applied_word().store(index, std::memory_order_release);
  if (applied_waiter_count_.load(std::memory_order_relaxed) != 0) wake_applied_waiters();
}

void Server::wake_applied_waiters() {
  // Paired with finish_proposal: it counts itself in, then reads applied_. This thread alone writes it.
  applied_.store(applied_.load(std::memory_order_relaxed), std::memory_order_seq_cst);
  if (applied_waiter_count_.load(std::memory_order_seq_cst) == 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t applied = applied_.load(std::memory_order_seq_cst);
  const auto end = applied_waiters_.upper_bound(applied);
  for (auto at = applied_waiters_.begin(); at != end; ++at) finish_applied(at->second, RAFT_OK);
  applied_waiters_.erase(applied_waiters_.begin(), end);
}

}  // namespace polyraft
