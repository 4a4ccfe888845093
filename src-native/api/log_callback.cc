#include "api/log_callback.h"

#include <cxxabi.h>
#include <unistd.h>

#include <utility>

namespace polyraft::log {

namespace {

thread_local bool on_log_thread = false;

}  // namespace

bool CallbackSink::is_of_parent() const {
  const pid_t process = running_in_;
  return process != 0 && process != getpid();
}

bool CallbackSink::start_thread() {
  if (running_in_ != 0) return true;
  if (!thread_.start("polyraft-log", false, [this] { run(); })) return false;
  thread_.detach();
  running_in_ = getpid();
  return true;
}

void CallbackSink::drop_waiting() {
  for (const Waiting& each : waiting_) each.target->pending--;
  waiting_.clear();
  bytes_ = 0;
}

bool CallbackSink::set(RAFT_LogCallback callback, void* context) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (callback != nullptr && !start_thread()) return false;
  const std::shared_ptr<Target> before = std::exchange(
      target_, callback == nullptr ? nullptr : std::make_shared<Target>(Target{callback, context}));
  if (before == nullptr) return true;
  if (on_log_thread) {
    drop_waiting();
    changed_.notify_all();
    return true;
  }
  changed_.wait(lock, [&before] { return before->pending == 0; });
  return true;
}

bool CallbackSink::push(const Line& line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (target_ == nullptr) return false;
  if (waiting_.size() >= kLinesMax || bytes_ >= kBytesMax) {
    lost_++;
    return true;
  }
  if (lost_ > 0) {
    const std::string note =
        std::to_string(lost_) + " log lines were lost: the callback did not take them in time";
    Line about = line;
    about.level = RAFT_LOG_WARNING;
    about.source = "host";
    about.position = {};
    about.cluster_id = about.node_id = 0;
    about.message = note;
    add(about);
    lost_ = 0;
  }
  add(line);
  changed_.notify_all();
  return true;
}

void CallbackSink::add(const Line& line) {
  waiting_.push_back({target_, line.time_ns, line.cluster_id, line.node_id, line.level, clean(line.source),
                      clean(line.position), clean(line.message)});
  bytes_ += waiting_.back().message.size();
  target_->pending++;
}

void CallbackSink::run() {
  on_log_thread = true;
  // A callback may end this thread by pthread_exit: then another one is started for the next callback.
  struct End {
    CallbackSink* sink;
    ~End() {
      const std::lock_guard<std::mutex> lock(sink->mutex_);
      sink->drop_waiting();
      sink->target_ = nullptr;
      sink->running_in_ = 0;
      sink->changed_.notify_all();
    }
  } end{this};
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return !waiting_.empty(); });
    hand_over(&lock);
  }
}

// The reference to a forced unwinding is to nothing: pthread_exit has no object.
__attribute__((no_sanitize("null"))) void CallbackSink::hand_over(std::unique_lock<std::mutex>* lock) {
  const Waiting line = std::move(waiting_.front());
  waiting_.pop_front();
  bytes_ -= line.message.size();
  struct Turn {
    CallbackSink* sink;
    std::unique_lock<std::mutex>* lock;
    Target* target;
    ~Turn() {
      lock->lock();
      if (--target->pending == 0) sink->changed_.notify_all();
    }
  };
  RAFT_LogRecord record{};
  record.struct_size = sizeof record;
  record.time_ns = line.time_ns;
  record.cluster_id = line.cluster_id;
  record.node_id = line.node_id;
  record.level = line.level;
  record.source = line.source.c_str();
  record.position = line.position.c_str();
  record.message = line.message.c_str();
  const Turn turn{this, lock, line.target.get()};
  lock->unlock();
  try {
    line.target->callback(line.target->context, &record);
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    // Nobody could be told: a line about it would come back here.
  }
}

}  // namespace polyraft::log
