// Keeps the engine of one runtime kind: starts it on first use, starts it again when it died, and tells its
// servers.
#ifndef POLYRAFT_API_ENGINE_HOST_H_
#define POLYRAFT_API_ENGINE_HOST_H_

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/engine.h"
#include "runtime/runtime.h"

namespace polyraft {

class Server;

class EngineHost {
 public:
  using MakeRuntime = std::function<std::unique_ptr<runtime::Runtime>()>;

  EngineHost(const char* name, MakeRuntime make_runtime)
      : name_(name), make_runtime_(std::move(make_runtime)) {}

  // "embedded" or "process".
  const char* name() const { return name_; }

  // The running engine; starts it when there is none, waits while it is being restarted. Waits. A code with a
  // text.
  int acquire(const std::string& node_path, std::shared_ptr<Engine>* engine, std::string* error);
  void add(const std::shared_ptr<Server>& server);
  void remove(const Server* server);
  void set_log(int level, bool debug);
  // Whether an engine that dies is started again; it is when nothing is said.
  void set_restarts(bool restarts) { restarts_engine_ = restarts; }
  // Memory that engines started from now on share with this process; it must outlive them.
  void share_arena(int fd, uint64_t bytes);
  // Ends an engine that has no servers; waits until it is gone. Nothing when none runs.
  void end_engine();
  // The process of the engine that runs now; -1 when there is none, or it is this one.
  pid_t process_id();

  // An engine that dies more often than this is not started again.
  static constexpr size_t kRestartsMax = 60;
  static constexpr int kRestartsWindowMs = 60000;
  // An engine that lived shorter than this is restarted after a pause, which doubles up to the longest.
  static constexpr int kShortLifeMs = 1000;
  static constexpr int kPauseFirstMs = 50;
  static constexpr int kPauseLongestMs = 1000;

 private:
  enum class State { kIdle, kStarting, kRunning, kRestarting, kOver };

  int start_engine(std::shared_ptr<Engine>* engine, std::string* error);
  void run_supervisor();
  void handle_death(const std::string& reason);
  bool restart(const std::vector<std::shared_ptr<Server>>& servers, std::string* error);
  bool may_restart();

  const char* const name_;
  const MakeRuntime make_runtime_;
  std::atomic<bool> restarts_engine_{true};

  std::mutex mutex_;
  // Guarded by mutex_ from here on.
  std::condition_variable changed_;
  State state_ = State::kIdle;
  std::string over_reason_;
  std::string node_path_;
  std::string working_directory_;
  int arena_fd_ = -1;
  uint64_t arena_bytes_ = 0;
  uint32_t epoch_ = 0;
  std::shared_ptr<Engine> engine_;
  bridge::Clock::time_point started_at_{};
  bool supervised_ = false;
  bool death_pending_ = false;
  // The engine is being ended on purpose.
  bool ending_ = false;
  std::string death_reason_;
  std::vector<std::shared_ptr<Server>> servers_;

  // Of the supervisor only.
  HostThread supervisor_;
  std::deque<bridge::Clock::time_point> restarts_;
  int pause_ms_ = 0;
};

// The host of the kind that a configuration asks for. `runtime`: "embedded", "process", or empty
// (environment, then what is installed). Null with a text when there is no such kind. Never destroyed.
EngineHost* engine_host_for(const std::string& runtime, std::string* error);
void set_log_of_all_engines(int level, bool debug);

}  // namespace polyraft

#endif  // POLYRAFT_API_ENGINE_HOST_H_
