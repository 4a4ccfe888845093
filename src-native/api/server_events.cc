// The event ring. The event thread reads it; while that thread is inside a callback, whoever waits for an
// answer reads it instead and leaves the callbacks in a queue: a blocked callback delays no reply.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "api/callback_guard.h"
#include "api/log.h"
#include "api/server.h"

namespace polyraft {

using bridge::Chunks;
using bridge::Clock;
using bridge::Deadline;
using bridge::has_passed;
using bridge::Payload;
using bridge::ReadResult;
using bridge::Record;

namespace {

// How long a call that waits leaves the ring alone before it reads it itself.
constexpr auto kTakeOverAfter = std::chrono::milliseconds(20);
// Records that are read before callbacks run.
constexpr int kRecordsMax = 64;

template <typename Integer>
Integer read(const uint8_t* from) {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::string text_of(const uint8_t* from, uint64_t bytes) {
  return std::string(reinterpret_cast<const char*>(from), bytes);
}

}  // namespace

void Server::run_events() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    pump(lock, std::nullopt, event_wake_, [this] { return !queue_.is_empty() || events_over_; });
    if (queue_.is_empty()) return;
    const std::deque<Event> events = queue_.take_all();
    lock.unlock();
    for (const Event& event : events) run_event(event);
    lock.lock();
  }
}

template <typename Done>
void Server::pump(std::unique_lock<std::mutex>& lock, const Deadline& deadline, std::condition_variable& wake,
                  Done done) {
  bool may_read = &wake == &event_wake_;
  while (!done()) {
    if (has_passed(deadline)) return;
    std::shared_ptr<Channel> channel;
    if (may_read && !reader_active_ && !drain_pending_ && !queue_.is_full()) channel = current_channel();
    if (channel != nullptr && !channel->is_dead()) {
      reader_active_ = true;
      reader_wake_ = &wake;
      lock.unlock();
      read_events(channel, deadline);
      channel.reset();
      lock.lock();
      reader_active_ = false;
      reader_wake_ = nullptr;
      // For a supervisor that waits to drain, and for the event thread when this is another.
      event_wake_.notify_all();
      continue;
    }
    if (&wake == &event_wake_) {
      wake.wait(lock);
      continue;
    }
    const Clock::time_point look_again = Clock::now() + kTakeOverAfter;
    wake.wait_until(lock, deadline ? std::min(*deadline, look_again) : look_again);
    may_read = true;
  }
}

void Server::wait_for(Waiter& waiter, std::unique_lock<std::mutex>& lock, const Deadline& deadline) {
  pump(lock, deadline, waiter.wake, [&waiter] { return waiter.done; });
}

void Server::read_events(const std::shared_ptr<Channel>& channel, const Deadline& deadline) {
  Record record;
  bool waited = false;
  for (int records = 0; records < kRecordsMax;) {
    const ReadResult result = channel->events.peek(&record);
    if (result == ReadResult::kEmpty) {
      if (records != 0 || waited) return;
      channel->events.wait(deadline);
      waited = true;
    } else if (result == ReadResult::kBroken || !handle_event_record(channel, record)) {
      channel->engine().report_broken("event");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return;
    } else {
      channel->events.release();
      records++;
    }
  }
}

void Server::drain_events(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Channel>& channel) {
  drain_pending_ = true;
  while (reader_active_) {
    channel->events.interrupt();
    event_wake_.wait_for(lock, kTakeOverAfter);
  }
  reader_active_ = true;
  drain_pending_ = false;
  lock.unlock();
  Record record;
  while (channel->events.peek(&record) == ReadResult::kRecord && handle_event_record(channel, record)) {
    channel->events.release();
  }
  lock.lock();
  reader_active_ = false;
  event_wake_.notify_all();
}

bool Server::handle_event_record(const std::shared_ptr<Channel>& channel, const Record& record) {
  std::string storage;
  const uint8_t* payload = nullptr;
  uint64_t bytes = 0;
  switch (channel->event_assembler.add(record, &storage, &payload, &bytes)) {
    case bridge::Assembler::Result::kBroken:
      return false;
    case bridge::Assembler::Result::kUnfinished:
      return true;
    case bridge::Assembler::Result::kWhole:
      break;
  }
  if (record.type == protocol::kCOMPLETIONS) return handle_completions(payload, bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  switch (record.type) {
    case protocol::kREPLY:
      if (bytes < 8) return false;
      handle_reply(record.id, payload, bytes);
      return true;
    case protocol::kSTATE_CHANGE:
      if (bytes < 4 || read<uint32_t>(payload) > STATE_PRE_CANDIDATE) return false;
      handle_state(static_cast<int>(read<uint32_t>(payload)));
      return true;
    case protocol::kEVENT:
      if (bytes < 16) return false;
      handle_event(read<uint32_t>(payload), read<uint64_t>(payload + 8), text_of(payload + 16, bytes - 16));
      // The engine tells outcomes before it tells this: what is left has none.
      if (read<uint32_t>(payload) == RAFT_EVENT_SERVER_FAILED)
        finish_proposals(RAFT_ERR_UNKNOWN_OUTCOME, false);
      return true;
    case protocol::kMESSAGE: {
      Event event;
      event.kind = Event::Kind::kMessage;
      event.value = record.id;
      event.text = text_of(payload, bytes);
      event.channel = channel;
      queue_event(std::move(event));
      return true;
    }
    default:
      return false;
  }
}

bool Server::handle_completions(const uint8_t* payload, uint64_t bytes) {
  constexpr uint64_t kHeaderBytes = 8;
  constexpr uint64_t kOneBytes = 32;
  if (bytes < kHeaderBytes) return false;
  const auto count = read<uint32_t>(payload);
  if (bytes - kHeaderBytes < count * kOneBytes) return false;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (uint32_t each = 0; each < count; each++) {
    const uint8_t* at = payload + kHeaderBytes + each * kOneBytes;
    if (settings_.extension != nullptr) {
      settings_.extension->proposal_ended(read<uint64_t>(at), read<int32_t>(at + 24));
      continue;
    }
    PendingProposal pending;
    // Not pending: it ended another way before (a stop, a timeout).
    if (!completions_.take(read<uint64_t>(at), &pending)) continue;
    finish_proposal(pending, read<int32_t>(at + 24), read<uint64_t>(at + 8), read<uint64_t>(at + 16));
  }
  return true;
}

void Server::finish_proposal(const PendingProposal& pending, int code, uint64_t index, uint64_t term) {
  if (pending.waiter == nullptr) {
    Event event;
    event.kind = Event::Kind::kCompletion;
    event.code = code;
    event.value = index;
    event.term = term;
    event.completion = pending.completion;
    event.user = pending.user;
    queue_event(std::move(event));
    return;
  }
  Waiter& waiter = *pending.waiter;
  waiter.index = index;
  waiter.term = term;
  if (code != RAFT_OK) {
    waiter.finish(code);
    return;
  }
  // Paired with wake_applied_waiters: it stores applied_, then reads the count.
  applied_waiter_count_.fetch_add(1, std::memory_order_seq_cst);
  if (applied_.load(std::memory_order_seq_cst) >= index) {
    applied_waiter_count_.fetch_sub(1, std::memory_order_seq_cst);
    waiter.finish(RAFT_OK);
  } else if (stopping_ || failed_) {
    applied_waiter_count_.fetch_sub(1, std::memory_order_seq_cst);
    waiter.finish(RAFT_ERR_STOPPED);
  } else {
    waiter.awaits_apply = true;
    applied_waiters_.emplace(index, &waiter);
  }
}

void Server::finish_proposals(int code, bool only_waiters) {
  for (const PendingProposal& pending : completions_.take_all(only_waiters))
    finish_proposal(pending, code, 0, 0);
}

void Server::finish_applied(Waiter* waiter, int code) {
  applied_waiter_count_.fetch_sub(1, std::memory_order_seq_cst);
  // What has a completion ends on the event thread, which may be asleep in the ring.
  if (waiter->answered ? queue_.is_empty() : &waiter->wake == reader_wake_) {
    if (const std::shared_ptr<Channel> channel = current_channel()) channel->events.interrupt();
  }
  waiter->finish(code);
}

void Server::finish_applied_waiters(int code) {
  for (const auto& [index, waiter] : applied_waiters_) finish_applied(waiter, code);
  applied_waiters_.clear();
}

void Server::forget_applied(const Waiter& waiter) {
  const auto [begin, end] = applied_waiters_.equal_range(waiter.index);
  const auto found = std::find_if(begin, end, [&waiter](const auto& each) { return each.second == &waiter; });
  if (found == end) return;
  applied_waiters_.erase(found);
  applied_waiter_count_.fetch_sub(1, std::memory_order_seq_cst);
}

void Server::handle_reply(uint64_t id, const uint8_t* payload, uint64_t bytes) {
  const auto code = read<int32_t>(payload);
  Waiter* const waiter = requests_.take(id);
  if (waiter == nullptr) {
    // Submitted from a callback, or given up by its caller.
    if (code != RAFT_OK) {
      POLYRAFT_LOG(RAFT_LOG_WARNING, std::string("a request that nobody waits for failed: ") +
                                         error_text(code) +
                                         (bytes > 8 ? ": " + text_of(payload + 8, bytes - 8) : ""));
    }
    return;
  }
  waiter->data = text_of(payload + 8, bytes - 8);
  waiter->finish(code);
}

void Server::handle_state(int state) {
  if (state == last_state_) return;
  last_state_ = state;
  if (settings_.extension != nullptr) {
    settings_.extension->state_changed(state);
    return;
  }
  Event event;
  event.kind = Event::Kind::kState;
  event.code = state;
  queue_event(std::move(event));
}

void Server::handle_event(uint32_t code, uint64_t value, std::string text) {
  if (code == RAFT_EVENT_REMOVED) {
    removed_.store(true, std::memory_order_seq_cst);
    close_for_proposals();
  }
  if (code == RAFT_EVENT_SERVER_FAILED) {
    const bool known = failed_.exchange(true, std::memory_order_seq_cst);
    close_for_proposals();
    requests_.finish_all(RAFT_ERR_STOPPED, delete_request_);
    finish_applied_waiters(RAFT_ERR_STOPPED);
    if (known) return;
  }
  if (settings_.extension != nullptr) {
    settings_.extension->event(static_cast<int>(code), value, text);
    return;
  }
  Event event;
  event.code = static_cast<int>(code);
  event.value = value;
  event.text = std::move(text);
  queue_event(std::move(event));
}

void Server::queue_event(Event event) {
  queue_.push(std::move(event));
  event_wake_.notify_all();
}

void Server::interrupt_reader() {
  if (const std::shared_ptr<Channel> channel = current_channel()) channel->events.interrupt();
}

void Server::run_event(const Event& event) {
  const RAFT_Callbacks& callbacks = settings_.callbacks;
  switch (event.kind) {
    case Event::Kind::kState:
      if (callbacks.state_change == nullptr) return;
      call_host("state_change", [&] {
        callbacks.state_change(settings_.context, event.code);
        return 0;
      });
      return;
    case Event::Kind::kEvent:
      if (callbacks.event == nullptr) return;
      call_host("event", [&] {
        callbacks.event(settings_.context, event.code, event.value, event.text.c_str());
        return 0;
      });
      return;
    case Event::Kind::kCompletion:
      call_host("completion", [&] {
        event.completion(event.user, event.code, event.value, event.term);
        return 0;
      });
      return;
    case Event::Kind::kMessage:
      answer_message(event);
      return;
  }
}

void Server::answer_message(const Event& event) {
  const RAFT_Callbacks& callbacks = settings_.callbacks;
  void* answer = nullptr;
  uint64_t answer_size = 0;
  int code = RAFT_ERR_UNSUPPORTED;
  if (callbacks.message != nullptr) {
    code = call_host("message", [&] {
      return callbacks.message(settings_.context, event.text.data(), event.text.size(), &answer,
                               &answer_size);
    });
  }
  if (code != 0 || answer == nullptr) answer_size = 0;
  uint8_t fixed[8] = {};
  const int32_t code_word = code;
  std::memcpy(fixed, &code_word, sizeof code_word);
  event.channel->commands.push(protocol::kMESSAGE_REPLY, event.value,
                               Payload{fixed, sizeof fixed, answer, answer_size}, Chunks::kInterleaved,
                               std::nullopt, &stopping_);
  if (code == 0 && answer != nullptr && callbacks.free_memory != nullptr) {
    call_host("free_memory", [&] {
      callbacks.free_memory(settings_.context, answer);
      return 0;
    });
  }
}

}  // namespace polyraft
