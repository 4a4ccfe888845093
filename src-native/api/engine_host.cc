#include "api/engine_host.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <thread>

#include "api/log.h"
#include "api/server.h"

namespace polyraft {

using bridge::Clock;
using std::chrono::milliseconds;

int EngineHost::acquire(const std::string& node_path, std::shared_ptr<Engine>* engine, std::string* error) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    switch (state_) {
      case State::kOver:
        *error = over_reason_;
        return RAFT_ERR_RUNTIME;
      case State::kRunning:
        if (!engine_->is_dead()) {
          if (!node_path.empty() && node_path != node_path_) {
            POLYRAFT_LOG(RAFT_LOG_WARNING, "node_path is ignored: the engine runs already, with another");
          }
          *engine = engine_;
          return RAFT_OK;
        }
        [[fallthrough]];
      case State::kStarting:
      case State::kRestarting:
        changed_.wait(lock);
        break;
      case State::kIdle: {
        state_ = State::kStarting;
        node_path_ = node_path;
        char directory[PATH_MAX];
        if (working_directory_.empty() && getcwd(directory, sizeof directory) != nullptr) {
          working_directory_ = directory;
        }
        if (!supervised_) {
          if (!supervisor_.start("polyraft-watch", false, [this] { run_supervisor(); })) {
            state_ = State::kIdle;
            changed_.notify_all();
            *error = "no thread can be started";
            return RAFT_ERR_NO_MEMORY;
          }
          supervisor_.detach();
          supervised_ = true;
        }
        lock.unlock();
        std::shared_ptr<Engine> fresh;
        const int code = start_engine(&fresh, error);
        lock.lock();
        if (code != RAFT_OK) {
          state_ = State::kIdle;
          changed_.notify_all();
          return code;
        }
        engine_ = std::move(fresh);
        started_at_ = Clock::now();
        state_ = State::kRunning;
        changed_.notify_all();
        break;
      }
    }
  }
}

int EngineHost::start_engine(std::shared_ptr<Engine>* engine, std::string* error) {
  runtime::StartRequest request;
  uint32_t epoch = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    request.node_path = node_path_;
    request.working_directory = working_directory_;
    request.arena_fd = arena_fd_;
    request.arena_bytes = arena_bytes_;
    epoch = ++epoch_;
  }
  std::unique_ptr<runtime::Runtime> runtime = make_runtime_();
  if (runtime == nullptr) {
    *error = std::string("the ") + name_ + " runtime is not part of this build";
    return RAFT_ERR_RUNTIME;
  }
  const auto died = [this](const std::string& reason) {
    const std::lock_guard<std::mutex> lock(mutex_);
    death_pending_ = true;
    death_reason_ = reason;
    changed_.notify_all();
  };
  return Engine::start(std::move(runtime), epoch, request, died, engine, error);
}

void EngineHost::add(const std::shared_ptr<Server>& server) {
  const std::lock_guard<std::mutex> lock(mutex_);
  servers_.push_back(server);
}

void EngineHost::remove(const Server* server) {
  const std::lock_guard<std::mutex> lock(mutex_);
  servers_.erase(
      std::remove_if(servers_.begin(), servers_.end(),
                     [server](const std::shared_ptr<Server>& each) { return each.get() == server; }),
      servers_.end());
}

void EngineHost::end_engine() {
  std::unique_lock<std::mutex> lock(mutex_);
  ending_ = true;
  std::shared_ptr<Engine> ended;
  while (state_ != State::kIdle && state_ != State::kOver) {
    // One that has died meanwhile may have been started again.
    if (state_ == State::kRunning && engine_ != ended) {
      ended = engine_;
      ended->end();
    }
    changed_.wait(lock);
  }
  ending_ = false;
}

pid_t EngineHost::process_id() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return engine_ != nullptr && !engine_->is_dead() ? engine_->process_id() : -1;
}

void EngineHost::share_arena(int fd, uint64_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  arena_fd_ = fd;
  arena_bytes_ = bytes;
}

void EngineHost::set_log(int level, bool debug) {
  std::shared_ptr<Engine> engine;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_ == State::kRunning) engine = engine_;
  }
  if (engine != nullptr) engine->set_log(level, debug);
}

void EngineHost::run_supervisor() {
  for (;;) {
    std::string reason;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return death_pending_ && state_ == State::kRunning; });
      death_pending_ = false;
      reason = death_reason_;
      state_ = State::kRestarting;
    }
    handle_death(reason);
  }
}

void EngineHost::handle_death(const std::string& reason) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!ending_) POLYRAFT_LOG(RAFT_LOG_ERROR, std::string("the ") + name_ + " engine ended: " + reason);
  std::shared_ptr<Engine> old = std::move(engine_);
  engine_ = nullptr;
  std::vector<std::shared_ptr<Server>> servers = servers_;
  lock.unlock();
  for (const std::shared_ptr<Server>& server : servers) server->engine_died(old, reason);
  std::string error;
  bool running = false;
  if (!old->can_restart()) {
    error = std::string("the ") + name_ + " engine ended (" + reason +
            ") and cannot be started again in this process";
    // Its runtime may still have code of this process on a stack: never let go of it.
    static_cast<void>(new std::shared_ptr<Engine>(old));
    lock.lock();
    over_reason_ = error;
    state_ = State::kOver;
    changed_.notify_all();
    lock.unlock();
  } else if (!restarts_engine_) {
    error = std::string("the ") + name_ + " engine ended (" + reason + ") and is not to be started again";
  } else if (!servers.empty()) {
    old.reset();
    running = restart(servers, &error);
  }
  if (!running) {
    for (const std::shared_ptr<Server>& server : servers) server->engine_gone(error);
    lock.lock();
    if (state_ == State::kRestarting) state_ = State::kIdle;
    changed_.notify_all();
  }
}

bool EngineHost::restart(const std::vector<std::shared_ptr<Server>>& servers, std::string* error) {
  std::unique_lock<std::mutex> lock(mutex_);
  const bool short_life = Clock::now() - started_at_ < milliseconds(kShortLifeMs);
  pause_ms_ = !short_life ? 0 : std::clamp(pause_ms_ * 2, kPauseFirstMs, kPauseLongestMs);
  std::shared_ptr<Engine> fresh;
  for (;;) {
    lock.unlock();
    if (!may_restart()) {
      *error = "the engine ended too often (" + std::to_string(kRestartsMax) + " times within a minute); " +
               *error;
      return false;
    }
    std::this_thread::sleep_for(milliseconds(pause_ms_));
    const int code = start_engine(&fresh, error);
    lock.lock();
    if (code == RAFT_OK) break;
    if (ending_) return false;
    POLYRAFT_LOG(RAFT_LOG_ERROR, "the engine cannot be started again: " + *error);
    pause_ms_ = std::clamp(pause_ms_ * 2, kPauseFirstMs, kPauseLongestMs);
  }
  engine_ = fresh;
  started_at_ = Clock::now();
  state_ = State::kRunning;
  changed_.notify_all();
  lock.unlock();
  // An engine that dies meanwhile ends these calls; the supervisor comes back here then.
  for (const std::shared_ptr<Server>& server : servers) server->engine_restarted(fresh);
  return true;
}

bool EngineHost::may_restart() {
  const Clock::time_point now = Clock::now();
  while (!restarts_.empty() && now - restarts_.front() > milliseconds(kRestartsWindowMs))
    restarts_.pop_front();
  if (restarts_.size() >= kRestartsMax) return false;
  restarts_.push_back(now);
  return true;
}

namespace {

struct Hosts {
  EngineHost embedded{"embedded", runtime::make_embedded_runtime};
  EngineHost process{"process", runtime::make_process_runtime};
  const bool embedded_is_usual = runtime::embedded_runtime_is_installed() && !runtime::process_has_node();
};

// Never destroyed: the library's threads go on while the process exits.
Hosts& hosts() {
  static Hosts* const only = new Hosts;
  return *only;
}

}  // namespace

EngineHost* engine_host_for(const std::string& runtime, std::string* error) {
  std::string kind = runtime;
  const char* source = "runtime";
  if (kind.empty()) {
    const char* const environment = std::getenv("POLYRAFT_RUNTIME");
    if (environment != nullptr && *environment != '\0') {
      kind = environment;
      source = "environment variable POLYRAFT_RUNTIME";
    }
  }
  if (kind.empty()) kind = hosts().embedded_is_usual ? "embedded" : "process";
  if (kind == "embedded") return &hosts().embedded;
  if (kind == "process") return &hosts().process;
  *error = std::string(source) + ": must be \"embedded\" or \"process\", not \"" + kind + "\"";
  return nullptr;
}

void set_log_of_all_engines(int level, bool debug) {
  hosts().embedded.set_log(level, debug);
  hosts().process.set_log(level, debug);
}

}  // namespace polyraft
