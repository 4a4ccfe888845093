#include "runtime/embedded_platform.h"

#include <libplatform/libplatform.h>

#include <chrono>
#include <utility>

namespace polyraft::runtime {

namespace {

constexpr int kWorkerThreads = 4;
// V8 posts a handful; a task that finds no room is one that V8 can do without.
constexpr size_t kTasksMax = 1024;

template <typename Clock>
double now_seconds() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace

void BareTaskRunner::PostTask(std::unique_ptr<v8::Task> task) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (tasks_.size() >= kTasksMax) return;
  tasks_.push_back(std::move(task));
  has_tasks_.store(true, std::memory_order_release);
}

void BareTaskRunner::run() {
  if (!has_tasks_.load(std::memory_order_acquire)) return;
  std::deque<std::unique_ptr<v8::Task>> tasks;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    tasks.swap(tasks_);
    has_tasks_.store(false, std::memory_order_release);
  }
  for (const std::unique_ptr<v8::Task>& task : tasks) task->Run();
}

void Platform::start_threads() {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (node_.load() != nullptr) return;
  node_.store(node::MultiIsolatePlatform::Create(kWorkerThreads, &tracing_).release());
}

void Platform::add_bare(v8::Isolate* isolate, std::shared_ptr<BareTaskRunner> runner) {
  const std::lock_guard<std::mutex> hold(mutex_);
  bare_[isolate] = std::move(runner);
}

void Platform::remove_bare(v8::Isolate* isolate) {
  const std::lock_guard<std::mutex> hold(mutex_);
  bare_.erase(isolate);
}

bool Platform::FlushForegroundTasks(v8::Isolate* isolate) {
  return node_.load()->FlushForegroundTasks(isolate);
}

void Platform::DrainTasks(v8::Isolate* isolate) {
  node_.load()->DrainTasks(isolate);
}

void Platform::RegisterIsolate(v8::Isolate* isolate, uv_loop_s* loop) {
  node_.load()->RegisterIsolate(isolate, loop);
}

void Platform::RegisterIsolate(v8::Isolate* isolate, node::IsolatePlatformDelegate* delegate) {
  node_.load()->RegisterIsolate(isolate, delegate);
}

void Platform::UnregisterIsolate(v8::Isolate* isolate) {
  node_.load()->UnregisterIsolate(isolate);
}

void Platform::AddIsolateFinishedCallback(v8::Isolate* isolate, void (*callback)(void*), void* data) {
  node_.load()->AddIsolateFinishedCallback(isolate, callback, data);
}

int Platform::NumberOfWorkerThreads() {
  node::MultiIsolatePlatform* const node = node_.load();
  return node == nullptr ? 0 : node->NumberOfWorkerThreads();
}

std::shared_ptr<v8::TaskRunner> Platform::GetForegroundTaskRunner(v8::Isolate* isolate) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    const auto found = bare_.find(isolate);
    if (found != bare_.end()) return found->second;
  }
  return node_.load()->GetForegroundTaskRunner(isolate);
}

// Without threads V8 has been told so and posts nothing; what comes all the same is done here and now.
void Platform::CallOnWorkerThread(std::unique_ptr<v8::Task> task) {
  node::MultiIsolatePlatform* const node = node_.load();
  if (node != nullptr) {
    node->CallOnWorkerThread(std::move(task));
  } else {
    task->Run();
  }
}

void Platform::CallDelayedOnWorkerThread(std::unique_ptr<v8::Task> task, double delay_in_seconds) {
  node::MultiIsolatePlatform* const node = node_.load();
  if (node != nullptr) node->CallDelayedOnWorkerThread(std::move(task), delay_in_seconds);
}

bool Platform::IdleTasksEnabled(v8::Isolate* isolate) {
  return GetForegroundTaskRunner(isolate)->IdleTasksEnabled();
}

std::unique_ptr<v8::JobHandle> Platform::PostJob(v8::TaskPriority priority,
                                                 std::unique_ptr<v8::JobTask> job) {
  const auto threads = static_cast<size_t>(NumberOfWorkerThreads());
  return v8::platform::NewDefaultJobHandle(this, priority, std::move(job), threads);
}

double Platform::MonotonicallyIncreasingTime() {
  return now_seconds<std::chrono::steady_clock>();
}

double Platform::CurrentClockTimeMillis() {
  return now_seconds<std::chrono::system_clock>() * 1000;
}

Platform* start_v8(bool with_threads) {
  static std::mutex mutex;
  static Platform* platform = nullptr;
  const std::lock_guard<std::mutex> hold(mutex);
  const bool is_first = platform == nullptr;
  if (is_first) platform = new Platform;
  if (with_threads) platform->start_threads();
  if (is_first) {
    if (!with_threads) v8::V8::SetFlagsFromString("--single-threaded");
    v8::V8::InitializePlatform(platform);
    v8::V8::Initialize();
  }
  return platform;
}

}  // namespace polyraft::runtime
