#include "api/engine.h"

#include <cerrno>
#include <cstring>
#include <thread>

#include "api/log.h"

namespace polyraft {

using bridge::Chunks;
using bridge::Payload;
using bridge::Push;

int Engine::start(std::unique_ptr<runtime::Runtime> runtime, uint32_t epoch,
                  const runtime::StartRequest& request, Died died, std::shared_ptr<Engine>* started,
                  std::string* error) {
  std::shared_ptr<Engine> engine(new Engine);
  engine->runtime_ = std::move(runtime);
  engine->died_ = std::move(died);
  bridge::Region& region = engine->region_;
  const int region_error =
      engine->runtime_->needs_shared_region() ? region.create_shared() : region.create_private();
  if (region_error != 0) {
    *error = std::string("the bridge's memory cannot be mapped: ") + std::strerror(region_error);
    return region_error == ENOMEM ? RAFT_ERR_NO_MEMORY : RAFT_ERR_RUNTIME;
  }
  region.initialise(epoch);
  const int doorbell_error = engine->doorbell_.create(&region.engine_parked());
  if (doorbell_error != 0) {
    *error = std::string("eventfd: ") + std::strerror(doorbell_error);
    return RAFT_ERR_RUNTIME;
  }
  engine->commands_ =
      std::make_unique<bridge::HostProducer>(region.control_command_ring(), &engine->doorbell_);
  engine->events_ = std::make_unique<bridge::HostConsumer>(region.control_event_ring(), &engine->doorbell_);

  Engine* const raw = engine.get();
  watch_for_fork();
  if (!engine->control_thread_.start("polyraft-ctl", false, [raw] { raw->run_control(); })) {
    *error = std::string("no thread: ") + std::strerror(errno);
    raw->dead_.store(true);
    return RAFT_ERR_NO_MEMORY;
  }
  runtime::StartRequest to_start = request;
  to_start.region = &region;
  to_start.doorbell_fd = engine->doorbell_.fd();
  // The runtime belongs to the engine, so it never calls back after the engine is gone.
  const int code = engine->runtime_->start(
      to_start, [raw](const std::string& reason) { raw->mark_dead(reason); }, error);
  if (code != RAFT_OK) {
    raw->mark_dead(*error);
    return code;
  }
  std::unique_lock<std::mutex> lock(engine->mutex_);
  const bool in_time =
      engine->changed_.wait_until(lock, bridge::Clock::now() + std::chrono::milliseconds(kReadyTimeoutMs),
                                  [raw] { return raw->ready_ || raw->is_dead(); });
  if (engine->is_dead() || !in_time) {
    *error = in_time ? "the engine ended before it was ready: " + engine->death_reason_
                     : std::string("the engine was not ready within 60 s");
    lock.unlock();
    if (!in_time) engine->runtime_->kill();
    raw->mark_dead(*error);
    return RAFT_ERR_RUNTIME;
  }
  engine->announced_ = true;
  lock.unlock();
  engine->set_log(log::level(), log::debug());
  *started = std::move(engine);
  return RAFT_OK;
}

Engine::~Engine() {
  // A runtime that was killed ends by itself; its destructor waits for its threads.
  runtime_.reset();
  join();
}

void Engine::join() {
  if (events_) events_->interrupt();
  control_thread_.join();
}

std::string Engine::version() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return version_;
}

int Engine::take_slot() {
  const std::lock_guard<std::mutex> lock(mutex_);
  // In turn, so that a slot rests before it is used again.
  for (uint32_t each = 0; each < protocol::kMAX_SERVERS; each++) {
    const uint32_t slot = (next_slot_ + each) % protocol::kMAX_SERVERS;
    if (slots_used_[slot]) continue;
    slots_used_[slot] = true;
    next_slot_ = slot + 1;
    region_.slot_state(slot).store(1, std::memory_order_seq_cst);
    return static_cast<int>(slot);
  }
  return -1;
}

void Engine::return_slot(uint32_t slot) {
  if (!is_dead()) region_.clear_slot(slot);
  const std::lock_guard<std::mutex> lock(mutex_);
  slots_used_[slot] = false;
}

int Engine::request(uint16_t type, const Payload& payload, std::string* text) {
  Waiter waiter;
  std::unique_lock<std::mutex> lock(mutex_);
  if (is_dead()) return RAFT_ERR_ENGINE_DIED;
  const uint64_t id = requests_.add(&waiter);
  lock.unlock();
  const Push pushed = commands_->push(type, id, payload, Chunks::kInterleaved, std::nullopt);
  lock.lock();
  if (pushed != Push::kOk) {
    requests_.remove(id);
    return RAFT_ERR_ENGINE_DIED;
  }
  waiter.wake.wait(lock, [&waiter] { return waiter.done; });
  *text = std::move(waiter.data);
  return waiter.code;
}

void Engine::set_log(int level, bool debug) {
  const int32_t level_word = level;
  const uint32_t debug_word = debug ? 1 : 0;
  uint8_t fixed[8];
  std::memcpy(fixed, &level_word, 4);
  std::memcpy(fixed + 4, &debug_word, 4);
  // An engine that does not read its ring keeps its level: no reason to wait.
  commands_->push(protocol::kSET_LOG, 0, Payload{fixed, sizeof fixed, nullptr, 0}, Chunks::kInterleaved,
                  bridge::Clock::now());
}

void Engine::report_broken(const char* ring) {
  if (is_dead() || broken_.exchange(true)) return;
  POLYRAFT_LOG(RAFT_LOG_ERROR,
               std::string("the engine wrote nonsense to its ") + ring + " ring; it is ended");
  runtime_->kill();
}

void Engine::run_control() {
  bridge::Record record;
  for (;;) {
    // Read before the ring: whatever a dead engine wrote is in the ring by then.
    const bool dead = is_dead();
    const bool broken = broken_.load();
    const bridge::ReadResult result = broken ? bridge::ReadResult::kEmpty : events_->peek(&record);
    if (result == bridge::ReadResult::kEmpty) {
      if (dead) return;
      if (broken) {
        // Its end is on the way; the ring would never look empty.
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      } else {
        events_->wait(std::nullopt);
      }
    } else if (result == bridge::ReadResult::kBroken || !handle_control(record)) {
      report_broken("control event");
    } else {
      events_->release();
    }
  }
}

bool Engine::handle_control(const bridge::Record& record) {
  // Control replies and log lines are short: an engine cuts them to one record.
  if (record.has_more() || record.continues()) return false;
  const char* const text = reinterpret_cast<const char*>(record.data);
  switch (record.type) {
    case protocol::kENGINE_READY: {
      const std::lock_guard<std::mutex> lock(mutex_);
      ready_ = true;
      version_.assign(text, record.length);
      changed_.notify_all();
      return true;
    }
    case protocol::kLOG: {
      constexpr uint32_t kFixedBytes = 24;
      if (record.length < kFixedBytes) return false;
      int32_t level = 0;
      uint32_t source_bytes = 0;
      uint64_t ids[2] = {};
      std::memcpy(&level, record.data, sizeof level);
      std::memcpy(&source_bytes, record.data + 4, sizeof source_bytes);
      std::memcpy(ids, record.data + 8, sizeof ids);
      if (source_bytes > record.length - kFixedBytes) return false;
      const std::string_view all(text + kFixedBytes, record.length - kFixedBytes);
      log::write_of_engine(level, all.substr(0, source_bytes), ids[0], ids[1], all.substr(source_bytes));
      return true;
    }
    case protocol::kREPLY: {
      if (record.length < 8) return false;
      const std::lock_guard<std::mutex> lock(mutex_);
      Waiter* const waiter = requests_.take(record.id);
      if (waiter == nullptr) return true;
      int32_t code = 0;
      std::memcpy(&code, record.data, sizeof code);
      waiter->data.assign(text + 8, record.length - 8);
      waiter->finish(code);
      return true;
    }
    default:
      return false;
  }
}

void Engine::mark_dead(const std::string& reason) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (dead_.exchange(true, std::memory_order_seq_cst)) return;
    death_reason_ = reason;
    changed_.notify_all();
  }
  commands_->close();
  events_->interrupt();
  // The control thread reads what is left, replies among it, and ends.
  control_thread_.join();
  bool report = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    requests_.finish_all(RAFT_ERR_ENGINE_DIED);
    report = announced_;
  }
  if (report) died_(reason);
}

}  // namespace polyraft
