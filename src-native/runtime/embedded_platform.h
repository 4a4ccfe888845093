// V8 and its one platform in this process. Whoever comes first starts them: the engine, or a bare isolate of
// the C-Raft interface. Never finalised.
#ifndef POLYRAFT_RUNTIME_EMBEDDED_PLATFORM_H_
#define POLYRAFT_RUNTIME_EMBEDDED_PLATFORM_H_

#include <node.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace polyraft::runtime {

// What V8 wants done on a bare isolate's thread. It waits for the next step; what is wanted at a later time
// (shrinking the heap of an idle program) is left out, since there is no loop to wait in.
class BareTaskRunner : public v8::TaskRunner {
 public:
  void PostTask(std::unique_ptr<v8::Task> task) override;
  void PostNonNestableTask(std::unique_ptr<v8::Task> task) override { PostTask(std::move(task)); }
  void PostDelayedTask(std::unique_ptr<v8::Task>, double) override {}
  void PostNonNestableDelayedTask(std::unique_ptr<v8::Task>, double) override {}
  void PostIdleTask(std::unique_ptr<v8::IdleTask>) override {}
  bool IdleTasksEnabled() override { return false; }
  bool NonNestableTasksEnabled() const override { return true; }
  bool NonNestableDelayedTasksEnabled() const override { return true; }

  // In the isolate. What tasks post meanwhile waits for the next time.
  void run();

 private:
  std::atomic<bool> has_tasks_{false};
  std::mutex mutex_;
  std::deque<std::unique_ptr<v8::Task>> tasks_;
};

// Node's platform has threads, which a program that only steps does not want: it is made when an engine is
// started, and until then V8 runs without any.
class Platform final : public node::MultiIsolatePlatform {
 public:
  // Makes Node's part, once.
  void start_threads();
  void add_bare(v8::Isolate* isolate, std::shared_ptr<BareTaskRunner> runner);
  void remove_bare(v8::Isolate* isolate);

  bool FlushForegroundTasks(v8::Isolate* isolate) override;
  void DrainTasks(v8::Isolate* isolate) override;
  void RegisterIsolate(v8::Isolate* isolate, uv_loop_s* loop) override;
  void RegisterIsolate(v8::Isolate* isolate, node::IsolatePlatformDelegate* delegate) override;
  void UnregisterIsolate(v8::Isolate* isolate) override;
  void AddIsolateFinishedCallback(v8::Isolate* isolate, void (*callback)(void*), void* data) override;

  int NumberOfWorkerThreads() override;
  std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(v8::Isolate* isolate) override;
  void CallOnWorkerThread(std::unique_ptr<v8::Task> task) override;
  void CallDelayedOnWorkerThread(std::unique_ptr<v8::Task> task, double delay_in_seconds) override;
  bool IdleTasksEnabled(v8::Isolate* isolate) override;
  std::unique_ptr<v8::JobHandle> PostJob(v8::TaskPriority priority,
                                         std::unique_ptr<v8::JobTask> job) override;
  double MonotonicallyIncreasingTime() override;
  double CurrentClockTimeMillis() override;
  v8::TracingController* GetTracingController() override { return &tracing_; }

 private:
  v8::TracingController tracing_;
  std::atomic<node::MultiIsolatePlatform*> node_{nullptr};
  std::mutex mutex_;
  std::unordered_map<v8::Isolate*, std::shared_ptr<BareTaskRunner>> bare_;
};

// Starts V8 unless it runs. `with_threads`: an engine is coming. When bare isolates were first, V8 stays
// without helper threads for the rest of the process, the engine's included.
Platform* start_v8(bool with_threads);

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_EMBEDDED_PLATFORM_H_
