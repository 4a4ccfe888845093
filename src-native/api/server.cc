#include "api/server.h"

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "api/log.h"

namespace polyraft {

using bridge::Chunks;
using bridge::Deadline;
using bridge::Payload;
using bridge::Push;

Server::Server(ServerSettings settings) : settings_(std::move(settings)), applied_(settings_.applied_index) {}

int Server::start(std::string* error) {
  const std::lock_guard<std::mutex> lifecycle(lifecycle_mutex_);
  std::shared_ptr<Engine> engine;
  int code = settings_.host->acquire(settings_.node_path, &engine, error);
  if (code != RAFT_OK) {
    stopped_ = true;
    return code;
  }
  settings_.host->add(shared_from_this());
  if (!apply_thread_.start("polyraft-apply", true, [this] { run_apply(); }) ||
      !event_thread_.start("polyraft-event", true, [this] { run_events(); })) {
    code = RAFT_ERR_NO_MEMORY;
    *error = std::string("no thread can be started: ") + std::strerror(errno);
  } else {
    code = create_in(engine, 0, error);
  }
  if (code == RAFT_OK) {
    const std::lock_guard<std::mutex> lock(channel_mutex_);
    // The supervisor has passed by already, or will see started_.
    started_ = channel_ != nullptr;
    if (!started_) {
      code = RAFT_ERR_ENGINE_DIED;
      *error = "the engine ended while the server was starting";
    }
  }
  if (code == RAFT_OK) return RAFT_OK;
  stopped_ = true;
  stopping_.store(true, std::memory_order_seq_cst);
  close_for_proposals();
  const std::shared_ptr<Channel> channel = current_channel();
  // The engine refused the server, so it does not use the slot.
  if (channel != nullptr) channel->give_back();
  end_threads();
  settings_.host->remove(this);
  return code;
}

int Server::create_in(const std::shared_ptr<Engine>& engine, uint32_t flags, std::string* error) {
  const int slot = engine->take_slot();
  if (slot < 0) {
    *error = "one runtime runs at most " + std::to_string(protocol::kMAX_SERVERS) + " servers";
    return RAFT_ERR_UNSUPPORTED;
  }
  auto channel = std::make_shared<Channel>(engine, static_cast<uint32_t>(slot));
  const uint64_t applied = applied_.load(std::memory_order_acquire);
  channel->applied_word().store(applied, std::memory_order_release);
  set_channel(channel);
  uint8_t fixed[16];
  const auto slot_word = static_cast<uint32_t>(slot);
  std::memcpy(fixed, &slot_word, 4);
  std::memcpy(fixed + 4, &flags, 4);
  std::memcpy(fixed + 8, &applied, 8);
  const Payload payload{fixed, sizeof fixed, settings_.config.data(), settings_.config.size()};
  const int code = engine->request(protocol::kCREATE_SERVER, payload, error);
  if (code != RAFT_OK && error->empty()) *error = error_text(code);
  return code;
}

void Server::stop(bool hand_over) {
  const std::lock_guard<std::mutex> lifecycle(lifecycle_mutex_);
  if (stopped_) return;
  stopped_ = true;
  stopping_.store(true, std::memory_order_seq_cst);
  close_for_proposals();
  const std::shared_ptr<Channel> channel = current_channel();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    requests_.finish_all(RAFT_ERR_STOPPED);
    finish_applied_waiters(RAFT_ERR_STOPPED);
    finish_proposals(RAFT_ERR_STOPPED, true);
  }
  if (channel != nullptr) {
    // A snapshot on its way to the engine ends, and so does the apply thread after the callback that runs
    // now.
    channel->commands.wake();
    channel->applies.interrupt();
    const uint32_t flags = hand_over ? 1 : 0;
    std::string reply;
    const int code = send_request(protocol::kDELETE_SERVER, Payload{&flags, sizeof flags, nullptr, 0},
                                  bridge::deadline_after_ms(kDeleteTimeoutMs), true, &reply);
    if (code == RAFT_ERR_TIMEOUT) {
      POLYRAFT_LOG(RAFT_LOG_ERROR, "the engine did not close a server within 60 s; its slot is given up");
    } else {
      channel->give_back();
    }
  }
  apply_thread_.join();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (channel != nullptr) drain_events(lock, channel);
    requests_.finish_all(RAFT_ERR_STOPPED);
    finish_proposals(RAFT_ERR_UNKNOWN_OUTCOME, false);
  }
  end_threads();
  settings_.host->remove(this);
}

void Server::end_threads() {
  interrupt_reader();
  if (const std::shared_ptr<Channel> channel = current_channel()) channel->applies.interrupt();
  {
    const std::lock_guard<std::mutex> lock(channel_mutex_);
    channel_changed_.notify_all();
  }
  apply_thread_.join();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    events_over_ = true;
    event_wake_.notify_all();
  }
  interrupt_reader();
  event_thread_.join();
  set_channel(nullptr);
}

void Server::close_for_proposals() {
  closed_for_proposals_.store(true, std::memory_order_seq_cst);
  std::shared_ptr<Channel> channel;
  {
    const std::lock_guard<std::mutex> lock(channel_mutex_);
    channel = channel_;
    channel_changed_.notify_all();
  }
  if (channel != nullptr) channel->submits.wake();
}

int Server::check_open() const {
  if (stopping_.load(std::memory_order_seq_cst)) return RAFT_ERR_STOPPED;
  if (removed_.load(std::memory_order_seq_cst)) return RAFT_ERR_REMOVED;
  if (failed_.load(std::memory_order_seq_cst)) return RAFT_ERR_STOPPED;
  return RAFT_OK;
}

std::shared_ptr<Channel> Server::current_channel() {
  const std::lock_guard<std::mutex> lock(channel_mutex_);
  return channel_;
}

std::shared_ptr<Channel> Server::wait_channel(const Deadline& deadline) {
  std::unique_lock<std::mutex> lock(channel_mutex_);
  const auto ready = [this] {
    return (channel_ != nullptr && !channel_->is_dead()) ||
           closed_for_proposals_.load(std::memory_order_seq_cst);
  };
  if (!deadline) {
    channel_changed_.wait(lock, ready);
  } else if (!channel_changed_.wait_until(lock, *deadline, ready)) {
    return nullptr;
  }
  return channel_ != nullptr && !channel_->is_dead() ? channel_ : nullptr;
}

void Server::set_channel(std::shared_ptr<Channel> channel) {
  std::shared_ptr<Channel> old;
  {
    const std::lock_guard<std::mutex> lock(channel_mutex_);
    old = std::exchange(channel_, std::move(channel));
    channel_changed_.notify_all();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  event_wake_.notify_all();
}

int Server::push_proposal(const void* data, uint64_t size, const Deadline& deadline,
                          const PendingProposal* pending, uint64_t* sequence) {
  if (data == nullptr && size != 0) return fail(RAFT_ERR_INVALID_ARGUMENT, "data is NULL");
  if (size > settings_.max_proposal_bytes) {
    return fail(RAFT_ERR_TOO_LARGE, "a proposal of " + std::to_string(size) +
                                        " bytes; max_proposal_bytes is " +
                                        std::to_string(settings_.max_proposal_bytes));
  }
  const Payload payload{nullptr, 0, data, size};
  const uint16_t flags = pending != nullptr ? protocol::kWANT_COMPLETION : 0;
  const auto begin = [this, pending, sequence](uint64_t* id) {
    if (pending == nullptr) return true;
    *id = *sequence = completions_.add(*pending);
    return *id != 0;
  };
  const auto abandon = [this](uint64_t id) {
    PendingProposal dropped;
    completions_.take(id, &dropped);
  };
  for (;;) {
    const int open = check_open();
    if (open != RAFT_OK) return fail(open);
    const std::shared_ptr<Channel> channel = wait_channel(deadline);
    if (channel == nullptr) {
      const int closed = check_open();
      return closed != RAFT_OK ? fail(closed) : fail(RAFT_ERR_BUSY, "the engine is being restarted");
    }
    switch (channel->submits.push(protocol::kPROPOSE, flags, payload, Chunks::kTogether, deadline,
                                  &closed_for_proposals_, begin, abandon)) {
      case Push::kOk:
        return RAFT_OK;
      case Push::kFull:
        return fail(RAFT_ERR_BUSY);
      case Push::kClosed:
      case Push::kCancelled:
        // The engine died (wait for the next one), or the server is closed: the next turn tells.
        break;
    }
  }
}

int Server::propose_shared(uint64_t sequence, uint64_t offset, uint64_t size, uint16_t flags,
                           const Deadline& deadline) {
  const auto until_us =
      std::chrono::duration_cast<std::chrono::microseconds>((*deadline).time_since_epoch()).count();
  const uint64_t fixed[3] = {offset, size, deadline ? static_cast<uint64_t>(until_us) : 0};
  const Payload payload{fixed, sizeof fixed, nullptr, 0};
  const Deadline limit = on_callback_thread() ? Deadline(bridge::Clock::now()) : deadline;
  const auto begin = [this, sequence](uint64_t* id) {
    *id = sequence;
    settings_.extension->proposal_sent(sequence);
    return true;
  };
  for (;;) {
    const int open = check_open();
    if (open != RAFT_OK) return open;
    const std::shared_ptr<Channel> channel = wait_channel(limit);
    if (channel == nullptr) return check_open() != RAFT_OK ? check_open() : RAFT_ERR_BUSY;
    // One record, so that a proposal is in the ring or not.
    const Push pushed =
        channel->submits.push(protocol::kPROPOSE_SHARED, flags | protocol::kWANT_COMPLETION, payload,
                              Chunks::kTogether, limit, &closed_for_proposals_, begin, [](uint64_t) {});
    if (pushed == Push::kOk) return RAFT_OK;
    if (pushed == Push::kFull) return RAFT_ERR_BUSY;
  }
}

int Server::request_async(uint16_t type, const Payload& payload, const Deadline& deadline,
                          Waiter::Answered answered) {
  const int open = check_open();
  if (open != RAFT_OK) return open;
  const Deadline limit = on_callback_thread() ? Deadline(bridge::Clock::now()) : deadline;
  const std::shared_ptr<Channel> channel = wait_channel(limit);
  if (channel == nullptr) return check_open() != RAFT_OK ? check_open() : RAFT_ERR_BUSY;
  auto waiter = std::make_unique<Waiter>();
  waiter->answered = std::move(answered);
  uint64_t id = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_.load(std::memory_order_seq_cst)) return RAFT_ERR_STOPPED;
    // Its table's from here on.
    id = requests_.add(waiter.release());
  }
  const Push pushed = channel->commands.push(type, id, payload, Chunks::kInterleaved, limit, &stopping_);
  if (pushed == Push::kOk) return RAFT_OK;
  const std::lock_guard<std::mutex> lock(mutex_);
  // Else somebody has ended it.
  const std::unique_ptr<Waiter> left(requests_.take(id));
  if (left == nullptr) return RAFT_OK;
  if (pushed == Push::kCancelled) return RAFT_ERR_STOPPED;
  return pushed == Push::kFull ? RAFT_ERR_BUSY : RAFT_ERR_ENGINE_DIED;
}

int Server::propose(const void* data, uint64_t size, const Deadline& deadline, RAFT_Completion completion,
                    void* user) {
  const Deadline limit = on_callback_thread() ? Deadline(bridge::Clock::now()) : deadline;
  if (completion == nullptr) return push_proposal(data, size, limit, nullptr, nullptr);
  PendingProposal pending;
  pending.completion = completion;
  pending.user = user;
  uint64_t sequence = 0;
  return push_proposal(data, size, limit, &pending, &sequence);
}

size_t Server::propose_some(const RAFT_Buffer* proposals, size_t count, RAFT_Completion completion,
                            void* const* users) {
  const std::shared_ptr<Channel> channel = current_channel();
  if (channel == nullptr || channel->is_dead()) return 0;
  const auto payload_of = [proposals](size_t each) {
    return Payload{nullptr, 0, proposals[each].data, proposals[each].size};
  };
  const auto begin = [&](size_t each, uint64_t* id) {
    const RAFT_Buffer& proposal = proposals[each];
    if ((proposal.data == nullptr && proposal.size != 0) || proposal.size > settings_.max_proposal_bytes ||
        check_open() != RAFT_OK) {
      return false;
    }
    if (completion == nullptr) return true;
    PendingProposal pending;
    pending.completion = completion;
    pending.user = users != nullptr ? users[each] : nullptr;
    *id = completions_.add(pending);
    return *id != 0;
  };
  const uint16_t flags = completion != nullptr ? protocol::kWANT_COMPLETION : 0;
  return channel->submits.push_some(protocol::kPROPOSE, flags, count, payload_of, begin);
}

int Server::propose_and_wait(const void* data, uint64_t size, const Deadline& deadline, uint64_t* index,
                             uint64_t* term) {
  Waiter waiter;
  PendingProposal pending;
  pending.waiter = &waiter;
  uint64_t sequence = 0;
  const int pushed = push_proposal(data, size, deadline, &pending, &sequence);
  if (pushed == RAFT_ERR_BUSY)
    return fail(RAFT_ERR_TIMEOUT, "no room for the proposal; it was not submitted");
  if (pushed != RAFT_OK) return pushed;
  std::unique_lock<std::mutex> lock(mutex_);
  if (!waiter.done && !waiter.awaits_apply && stopping_.load(std::memory_order_seq_cst) &&
      completions_.take(sequence, &pending)) {
    return fail(RAFT_ERR_STOPPED);
  }
  wait_for(waiter, lock, deadline);
  if (!waiter.done) {
    // Taking and finishing happen under this mutex: it is in one of the two tables.
    if (!completions_.take(sequence, &pending)) {
      forget_applied(waiter);
    }
    return fail(RAFT_ERR_TIMEOUT);
  }
  if (index != nullptr) *index = waiter.index;
  if (term != nullptr) *term = waiter.term;
  return waiter.code == RAFT_OK ? RAFT_OK : fail(waiter.code);
}

int Server::request(uint16_t type, const Payload& payload, const Deadline& deadline, std::string* reply) {
  return send_request(type, payload, deadline, false, reply);
}

int Server::send_request(uint16_t type, const Payload& payload, const Deadline& deadline, bool deletes,
                         std::string* reply) {
  std::shared_ptr<Channel> channel = current_channel();
  if (!deletes && (channel == nullptr || channel->is_dead())) {
    if (stopping_) return fail(RAFT_ERR_STOPPED);
    channel = wait_channel(deadline);
  }
  if (channel == nullptr) return fail(check_open() != RAFT_OK ? check_open() : RAFT_ERR_ENGINE_DIED);
  Waiter waiter;
  std::unique_lock<std::mutex> lock(mutex_);
  if (!deletes && stopping_.load(std::memory_order_seq_cst)) return fail(RAFT_ERR_STOPPED);
  const uint64_t id = requests_.add(&waiter);
  if (deletes) delete_request_ = id;
  lock.unlock();
  const Push pushed = channel->commands.push(type, id, payload, Chunks::kInterleaved, deadline,
                                             deletes ? nullptr : &stopping_);
  lock.lock();
  if (pushed == Push::kOk) wait_for(waiter, lock, deadline);
  if (!waiter.done) requests_.remove(id);
  *reply = std::move(waiter.data);
  if (waiter.done) {
    if (waiter.code == RAFT_OK) return RAFT_OK;
    return reply->empty() ? fail(waiter.code) : fail(waiter.code, *reply);
  }
  if (pushed == Push::kCancelled) return fail(RAFT_ERR_STOPPED);
  return fail(pushed == Push::kClosed ? RAFT_ERR_ENGINE_DIED : RAFT_ERR_TIMEOUT);
}

int Server::submit(uint16_t type, const Payload& payload) {
  const int open = check_open();
  if (open != RAFT_OK) return fail(open);
  const std::shared_ptr<Channel> channel = current_channel();
  if (channel == nullptr) return fail(RAFT_ERR_BUSY, "the engine is being restarted");
  uint64_t id = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    id = requests_.add_unwatched();
  }
  const Push pushed =
      channel->commands.push(type, id, payload, Chunks::kInterleaved, bridge::Clock::now(), &stopping_);
  if (pushed == Push::kOk) return RAFT_OK;
  return fail(pushed == Push::kCancelled ? RAFT_ERR_STOPPED : RAFT_ERR_BUSY);
}

void Server::engine_died(const std::shared_ptr<Engine>& engine, const std::string& reason) {
  const std::shared_ptr<Channel> channel = current_channel();
  if (channel == nullptr || &channel->engine() != engine.get()) return;
  // After these no proposal or request of the dead engine is under way: those that are not answered by what
  // is left in its ring have no outcome.
  channel->submits.close();
  channel->commands.close();
  channel->events.interrupt();
  channel->applies.interrupt();
  {
    std::unique_lock<std::mutex> lock(mutex_);
    drain_events(lock, channel);
  }
  set_channel(nullptr);
  const std::lock_guard<std::mutex> lock(mutex_);
  requests_.finish_all(RAFT_ERR_ENGINE_DIED);
  finish_proposals(RAFT_ERR_UNKNOWN_OUTCOME, false);
  if (settings_.extension != nullptr) settings_.extension->engine_died();
  // Without an engine this node leads nothing.
  if (last_state_ != -1) handle_state(STATE_FOLLOWER);
  handle_event(RAFT_EVENT_ENGINE_DIED, 0, reason);
}

void Server::engine_restarted(const std::shared_ptr<Engine>& engine) {
  // Who starts it now is quick to see that its engine is gone; who stops it may wait for a callback, and is
  // not waited for: other servers need this thread.
  std::unique_lock<std::mutex> lifecycle(lifecycle_mutex_, std::defer_lock);
  while (!lifecycle.try_lock()) {
    if (stopping_) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!started_ || stopped_ || failed_) return;
  const uint64_t applied = applied_.load(std::memory_order_acquire);
  std::string error;
  const int code = create_in(engine, 1, &error);
  // That engine died, too: the supervisor comes again.
  if (code == RAFT_ERR_ENGINE_DIED) return;
  if (code == RAFT_OK) {
    const std::lock_guard<std::mutex> lock(mutex_);
    handle_event(RAFT_EVENT_ENGINE_RESTARTED, applied, "");
  } else {
    if (const std::shared_ptr<Channel> channel = current_channel()) channel->give_back();
    const std::lock_guard<std::mutex> lock(mutex_);
    handle_event(RAFT_EVENT_SERVER_FAILED, static_cast<uint64_t>(code), error);
  }
  interrupt_reader();
}

void Server::engine_gone(const std::string& reason) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    handle_event(RAFT_EVENT_SERVER_FAILED, RAFT_ERR_ENGINE_DIED, reason);
  }
  close_for_proposals();
}

}  // namespace polyraft
