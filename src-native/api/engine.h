// One run of the engine: its region, its doorbell, what runs it, and its control rings.
#ifndef POLYRAFT_API_ENGINE_H_
#define POLYRAFT_API_ENGINE_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "api/waiter.h"
#include "bridge/doorbell.h"
#include "bridge/host_consumer.h"
#include "bridge/host_producer.h"
#include "bridge/region.h"
#include "runtime/host_thread.h"
#include "runtime/runtime.h"

namespace polyraft {

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // Called once when a running engine has ended, on a thread of the runtime; `mark_dead` has been done.
  using Died = std::function<void(const std::string& reason)>;

  // Starts an engine and waits until it is ready. A code of enum RAFT_Error with a text.
  static int start(std::unique_ptr<runtime::Runtime> runtime, uint32_t epoch,
                   const runtime::StartRequest& request, Died died, std::shared_ptr<Engine>* started,
                   std::string* error);
  // Only when it is dead, or has not started; not on one of its own threads.
  ~Engine();

  // How long an engine may take to say that it is ready.
  static constexpr int kReadyTimeoutMs = 60000;

  const bridge::Region& region() const { return region_; }
  const bridge::Doorbell& doorbell() const { return doorbell_; }
  bool is_dead() const { return dead_.load(std::memory_order_seq_cst); }
  // The engine's process; -1 when it is this one.
  pid_t process_id() const { return runtime_->process_id(); }
  bool can_restart() const { return runtime_->can_restart(); }
  // The engine's own version text.
  std::string version() const;

  // A slot for one server, all clear; -1: none is free.
  int take_slot();
  void return_slot(uint32_t slot);

  // Sends a control command and waits for its reply: the reply's code (ENGINE_DIED when it died), with its
  // text.
  int request(uint16_t type, const bridge::Payload& payload, std::string* text);
  void set_log(int level, bool debug);

  // A ring holds nonsense: the engine is ended, as if it had died.
  void report_broken(const char* ring);
  // Ends the engine at once; its death is reported like any other.
  void end() { runtime_->kill(); }
  // Waits until the threads of a dead engine have ended.
  void join();

 private:
  Engine() = default;
  void run_control();
  bool handle_control(const bridge::Record& record);
  void mark_dead(const std::string& reason);

  bridge::Region region_;
  bridge::Doorbell doorbell_;
  std::unique_ptr<bridge::HostProducer> commands_;
  std::unique_ptr<bridge::HostConsumer> events_;
  std::unique_ptr<runtime::Runtime> runtime_;
  HostThread control_thread_;
  std::atomic<bool> dead_{false};
  std::atomic<bool> broken_{false};
  Died died_;

  mutable std::mutex mutex_;
  // Guarded by mutex_ from here on.
  std::condition_variable changed_;
  bool ready_ = false;
  // start() has returned it: from now on a death is reported.
  bool announced_ = false;
  std::string version_;
  std::string death_reason_;
  RequestTable requests_;
  std::array<bool, protocol::kMAX_SERVERS> slots_used_{};
  uint32_t next_slot_ = 0;
};

}  // namespace polyraft

#endif  // POLYRAFT_API_ENGINE_H_
