// libpolyraft-node.so: Node on a thread of the host's process, with the engine in it.
//
// Nothing here may change the host: its signals, limits, locale, standard streams and working directory stay
// as they are, and what ends the engine does not end the host. What V8 calls a fatal error (an allocation
// that fails although the heap's limit has been raised) does: docs name the process runtime for hosts that
// must survive that, too.
#include <dlfcn.h>
#include <errno.h>
#include <node.h>
#include <node_api.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine_host.h"
#include "polyraft_codes.h"
#include "runtime/embedded_bootstrap.h"
#include "runtime/embedded_fork.h"
#include "runtime/embedded_isolate.h"
#include "runtime/embedded_platform.h"
#include "runtime/embedded_plugin.h"
#include "runtime/embedded_scripts.h"

// What NODE_API_MODULE in engine/addon.cc defines.
extern "C" napi_value napi_register_module_v1(napi_env env, napi_value exports);

namespace polyraft::runtime {
namespace {

constexpr size_t kStackBytes = size_t{8} << 20;
// What the heap may grow by when its limit is near: room to stop the servers in order, then to unwind.
constexpr size_t kHeapReserveBytes = size_t{64} << 20;
constexpr int kExitWaitSeconds = 5;
// For how long an engine that is stopped may take to come back to its event loop.
constexpr std::chrono::seconds kPatience{1};
constexpr int kExitCodeFailed = 1;

// Set on the engine's thread before anything else.
Platform* platform = nullptr;

// OpenSSL would take itself apart in an exit handler, which may come before ours when the engine's thread
// still uses it. Without one it is left to the end of the process. Where the host has initialised OpenSSL,
// its handler comes after ours.
void keep_openssl_at_exit() {
  using Initialise = int (*)(uint64_t options, const void* settings);
  constexpr uint64_t kNoExitHandler = 0x00080000;  // OPENSSL_INIT_NO_ATEXIT
  const auto initialise = reinterpret_cast<Initialise>(dlsym(RTLD_DEFAULT, "OPENSSL_init_crypto"));
  if (initialise != nullptr) initialise(kNoExitHandler, nullptr);
}

// Once a process, after V8.
bool initialise_node(std::string* problem) {
  keep_openssl_at_exit();
  // Warnings would be printed to the host's standard error.
  const std::vector<std::string> arguments = {"polyraft", "--no-warnings"};
  namespace flags = node::ProcessInitializationFlags;
  const auto chosen = static_cast<flags::Flags>(
      flags::kNoStdioInitialization | flags::kNoDefaultSignalHandling | flags::kNoInitializeV8 |
      flags::kNoInitializeNodeV8Platform | flags::kDisableNodeOptionsEnv | flags::kNoAdjustResourceLimits |
      flags::kNoUseLargePages | flags::kNoPrintHelpOrVersionOutput | flags::kNoParseGlobalDebugVariables |
      flags::kNoInitOpenSSL);
  const std::unique_ptr<node::InitializationResult> result =
      node::InitializeOncePerProcess(arguments, chosen);
  if (!result->early_return() && result->errors().empty()) return true;
  *problem = "Node cannot be initialised";
  for (const std::string& error : result->errors()) *problem += ": " + error;
  return false;
}

// The heap's limit that the environment gives in MiB; 0 for V8's own choice by the size of the memory.
size_t heap_bytes_max() {
  const char* const value = getenv("POLYRAFT_ENGINE_HEAP_MB");
  if (value == nullptr) return 0;
  char* end = nullptr;
  const unsigned long long mebibytes = strtoull(value, &end, 10);
  return *end == '\0' && mebibytes < (1ull << 20) ? static_cast<size_t>(mebibytes) << 20 : 0;
}

v8::Local<v8::String> text(v8::Isolate* isolate, const std::string& utf8) {
  return v8::String::NewFromUtf8(isolate, utf8.data(), v8::NewStringType::kNormal,
                                 static_cast<int>(utf8.size()))
      .ToLocalChecked();
}

// The one engine of the process. Lives for ever.
class Engine {
 public:
  int start(const polyraft_plugin_start& request, std::string* problem);
  // From any thread.
  void stop();
  // At the host's exit: stops the engine and waits for its thread, a bounded time.
  void stop_for_exit();

 private:
  void run();
  void run_loop();
  bool run_environment(uv_loop_t* loop, v8::Isolate* isolate);
  v8::MaybeLocal<v8::Value> run_bundle(const node::StartExecutionCallbackInfo& info);
  size_t on_near_heap_limit(size_t current);
  void tell_heap_nearly_full();
  bool open_handles(uv_loop_t* loop);
  void end_environment();
  void end_from_engine(int code, const std::string& reason);
  void stop_by_force();
  bool was_stopped() {
    const std::lock_guard<std::mutex> hold(mutex_);
    return stopping_;
  }
  // The first reason counts.
  void note_end(int code, const std::string& reason);

  std::mutex mutex_;
  polyraft_plugin_start request_{};
  std::string bundle_path_;
  std::string bundle_text_;
  pthread_t thread_{};
  bool started_ = false;
  // The process that has the threads.
  pid_t owner_ = -1;
  std::condition_variable initialised_;
  enum class Initialisation { kRunning, kSucceeded, kFailed } initialisation_ = Initialisation::kRunning;
  bool stopping_ = false;
  std::condition_variable ended_;
  bool has_ended_ = false;
  // Not while it is being made or taken down.
  node::Environment* environment_ = nullptr;
  bool has_end_ = false;
  int exit_code_ = 0;
  std::string end_reason_;
  std::atomic<bool> host_exits_{false};

  // Used on the engine's thread only.
  v8::Isolate* isolate_ = nullptr;
  node::Environment* own_environment_ = nullptr;
  int near_heap_limit_calls_ = 0;
  uv_async_t wake_{};
  uv_check_t check_{};
  bool must_tell_heap_ = false;

  std::atomic<bool> must_end_{false};
  v8::Global<v8::Object> process_;
};

Engine* engine() {
  static auto* const the_engine = new Engine;
  return the_engine;
}

// Signals are blocked in the thread, and so in all threads that Node starts from it: a signal for the process
// goes to a thread of the host, and a write to a closed socket fails with EPIPE without ending the process.
int create_blocked_thread(pthread_t* thread, void* (*entry)(void*), void* argument) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  error = pthread_attr_setstacksize(&attributes, kStackBytes);
  if (error == 0) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, &attributes, entry, argument);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  pthread_attr_destroy(&attributes);
  return error;
}

int Engine::start(const polyraft_plugin_start& request, std::string* problem) {
  std::unique_lock<std::mutex> hold(mutex_);
  if (started_) {
    *problem = "the embedded engine has been started before; it runs at most once in a process";
    return RAFT_ERR_RUNTIME;
  }
  std::ifstream file(request.bundle_path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || content.str().empty()) {
    *problem = std::string("the engine's file ") + request.bundle_path + " cannot be read";
    return RAFT_ERR_RUNTIME;
  }
  if (!provide_embedded_scripts(problem)) return RAFT_ERR_RUNTIME;
  owner_ = getpid();
  request_ = request;
  bundle_path_ = request.bundle_path;
  bundle_text_ = content.str();
  engine::set_engine_host(
      {static_cast<uint8_t*>(request.region), request.region_bytes, request.doorbell_fd, "embedded"});
  const auto entry = [](void* self) -> void* {
    static_cast<Engine*>(self)->run();
    return nullptr;
  };
  const int error = create_blocked_thread(&thread_, entry, this);
  if (error != 0) {
    *problem = std::string("the engine's thread cannot be started: ") + strerror(error);
    return RAFT_ERR_RUNTIME;
  }
  started_ = true;
  // Node registers exit handlers when it is initialised. Ours comes after that, so that it runs before them.
  initialised_.wait(hold, [this] { return initialisation_ != Initialisation::kRunning; });
  atexit([] { engine()->stop_for_exit(); });
  if (initialisation_ == Initialisation::kSucceeded) return RAFT_OK;
  *problem = end_reason_;
  return RAFT_ERR_RUNTIME;
}

void Engine::stop() {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!started_ || stopping_) return;
  stopping_ = true;
  must_end_ = true;
  if (environment_ == nullptr) return;
  uv_async_send(&wake_);
  // Node is ended between two turns of its event loop, where none of its own code is running: parts of it
  // take an end at any other place for a fatal error. An engine that does not come back to its loop is ended
  // all the same.
  pthread_t watcher{};
  const auto entry = [](void* self) -> void* {
    static_cast<Engine*>(self)->stop_by_force();
    return nullptr;
  };
  if (create_blocked_thread(&watcher, entry, this) == 0) pthread_detach(watcher);
}

void Engine::stop_by_force() {
  std::unique_lock<std::mutex> hold(mutex_);
  const bool has_ended = ended_.wait_for(hold, kPatience, [this] { return has_ended_; });
  if (has_ended || environment_ == nullptr) return;
  isolate_->RequestInterrupt([](v8::Isolate*, void* self) { static_cast<Engine*>(self)->end_environment(); },
                             this);
}

void Engine::stop_for_exit() {
  // The engine is the parent's: here it has no threads, and those may have held the mutex.
  if (getpid() != owner_) {
    leave_libuv_at_exit();
    return;
  }
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (!started_ || pthread_equal(pthread_self(), thread_) != 0) return;
    host_exits_ = true;
  }
  stop();
  timespec limit{};
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += kExitWaitSeconds;
  pthread_timedjoin_np(thread_, nullptr, &limit);
}

void Engine::note_end(int code, const std::string& reason) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (has_end_) return;
  has_end_ = true;
  exit_code_ = code;
  end_reason_ = reason;
}

void Engine::run() {
  pthread_setname_np(pthread_self(), "polyraft-engine");
  platform = start_v8(true);
  std::string problem;
  const bool succeeded = initialise_node(&problem);
  if (!succeeded) note_end(kExitCodeFailed, problem);
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    initialisation_ = succeeded ? Initialisation::kSucceeded : Initialisation::kFailed;
  }
  initialised_.notify_one();
  if (!succeeded) return;

  run_loop();
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    has_ended_ = true;
  }
  ended_.notify_all();
  note_end(0, was_stopped() ? "the engine has been stopped" : "the engine has ended");
  if (!host_exits_.load()) request_.died(request_.context, exit_code_, end_reason_.c_str());
}

void Engine::run_loop() {
  uv_loop_t loop;
  const int error = uv_loop_init(&loop);
  if (error != 0) {
    note_end(kExitCodeFailed, std::string("the event loop cannot be made: ") + uv_strerror(error));
    return;
  }
  isolate_ = v8::Isolate::Allocate();
  platform->RegisterIsolate(isolate_, &loop);
  v8::Isolate::CreateParams parameters;
  parameters.array_buffer_allocator_shared = node::ArrayBufferAllocator::Create();
  parameters.constraints.ConfigureDefaults(uv_get_total_memory(), 0);
  if (heap_bytes_max() != 0) parameters.constraints.set_max_old_generation_size_in_bytes(heap_bytes_max());
  v8::Isolate::Initialize(isolate_, parameters);
  node::SetIsolateUpForNode(isolate_);
  if (!run_environment(&loop, isolate_)) note_end(kExitCodeFailed, "the engine's environment cannot be made");
  bool unregistered = false;
  platform->AddIsolateFinishedCallback(
      isolate_, [](void* flag) { *static_cast<bool*>(flag) = true; }, &unregistered);
  platform->UnregisterIsolate(isolate_);
  isolate_->Dispose();
  while (!unregistered) uv_run(&loop, UV_RUN_ONCE);
  while (uv_loop_close(&loop) == UV_EBUSY) uv_run(&loop, UV_RUN_ONCE);
}

bool Engine::run_environment(uv_loop_t* loop, v8::Isolate* isolate) {
  const v8::Locker locker(isolate);
  const v8::Isolate::Scope isolate_scope(isolate);
  const std::unique_ptr<node::IsolateData, decltype(&node::FreeIsolateData)> isolate_data(
      node::CreateIsolateData(isolate, loop, platform), node::FreeIsolateData);
  const v8::HandleScope handle_scope(isolate);
  const v8::Local<v8::Context> context = node::NewContext(isolate);
  if (isolate_data == nullptr || context.IsEmpty()) return false;
  const v8::Context::Scope context_scope(context);
  namespace flags = node::EnvironmentFlags;
  // Descriptors that the engine leaves open are closed with it, so that its locks on directories end.
  const auto chosen = static_cast<flags::Flags>(flags::kNoRegisterESMLoader | flags::kTrackUnmanagedFds |
                                                flags::kNoNativeAddons | flags::kNoGlobalSearchPaths |
                                                flags::kNoCreateInspector);
  own_environment_ = node::CreateEnvironment(isolate_data.get(), context, {"polyraft"}, {}, chosen);
  if (own_environment_ == nullptr) return false;

  node::SetProcessExitHandler(own_environment_, [this](node::Environment*, int code) {
    end_from_engine(code, "the engine has called process.exit(" + std::to_string(code) + ")");
  });
  napi_module binding{};
  binding.nm_version = NAPI_MODULE_VERSION;
  binding.nm_filename = __FILE__;
  binding.nm_register_func = napi_register_module_v1;
  binding.nm_modname = "polyraft";
  node::AddLinkedBinding(own_environment_, binding);
  if (!open_handles(loop)) {
    node::FreeEnvironment(std::exchange(own_environment_, nullptr));
    return false;
  }
  const v8::NearHeapLimitCallback near_heap_limit = [](void* self, size_t current, size_t) {
    return static_cast<Engine*>(self)->on_near_heap_limit(current);
  };
  isolate->AddNearHeapLimitCallback(near_heap_limit, this);

  bool may_run = false;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    may_run = !stopping_;
    if (may_run) environment_ = own_environment_;
  }
  if (may_run) {
    const auto run_it = [this](const node::StartExecutionCallbackInfo& info) { return run_bundle(info); };
    if (!node::LoadEnvironment(own_environment_, run_it).IsEmpty()) node::SpinEventLoop(own_environment_);
  }
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    environment_ = nullptr;
  }
  node::Stop(own_environment_);
  isolate->RemoveNearHeapLimitCallback(near_heap_limit, 0);
  process_.Reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&check_), nullptr);
  node::FreeEnvironment(std::exchange(own_environment_, nullptr));
  return true;
}

// The engine's own thread is woken by wake_, and ended in the phase of the loop that check_ runs in.
bool Engine::open_handles(uv_loop_t* loop) {
  wake_.data = this;
  check_.data = this;
  const auto on_wake = [](uv_async_t* handle) {
    auto* const self = static_cast<Engine*>(handle->data);
    if (std::exchange(self->must_tell_heap_, false)) self->tell_heap_nearly_full();
  };
  const auto on_check = [](uv_check_t* handle) {
    auto* const self = static_cast<Engine*>(handle->data);
    if (!self->must_end_.load()) return;
    node::Stop(self->own_environment_);
    uv_stop(handle->loop);
  };
  if (uv_async_init(loop, &wake_, on_wake) != 0) return false;
  uv_unref(reinterpret_cast<uv_handle_t*>(&wake_));
  uv_check_init(loop, &check_);
  uv_check_start(&check_, on_check);
  uv_unref(reinterpret_cast<uv_handle_t*>(&check_));
  return true;
}

// On the engine's thread, from JavaScript: what runs is broken off, and the loop does not go on.
void Engine::end_environment() {
  // Node takes a connection for a fatal error that arrives in the rest of this turn.
  const auto ignore_connections = [](uv_handle_t* handle, void*) {
    if (handle->type != UV_TCP && handle->type != UV_NAMED_PIPE) return;
    auto* const stream = reinterpret_cast<uv_stream_t*>(handle);
    if (stream->connection_cb != nullptr) stream->connection_cb = [](uv_stream_t*, int) {};
  };
  uv_walk(wake_.loop, ignore_connections, nullptr);
  node::Stop(own_environment_);
}

void Engine::end_from_engine(int code, const std::string& reason) {
  note_end(code, reason);
  end_environment();
}

v8::MaybeLocal<v8::Value> Engine::run_bundle(const node::StartExecutionCallbackInfo& info) {
  const v8::Local<v8::Context> context = isolate_->GetCurrentContext();
  process_.Reset(isolate_, info.process_object);
  v8::Local<v8::String> parameters[] = {text(isolate_, "process"), text(isolate_, "nativeRequire"),
                                        text(isolate_, "bundlePath"), text(isolate_, "bundleText"),
                                        text(isolate_, "reportFailure")};
  v8::ScriptOrigin origin(isolate_, text(isolate_, "polyraft:bootstrap"));
  v8::ScriptCompiler::Source source(text(isolate_, kEmbeddedBootstrap), origin);
  v8::Local<v8::Function> bootstrap;
  v8::Local<v8::Function> report_failure;
  const auto report = [](const v8::FunctionCallbackInfo<v8::Value>& call) {
    auto* const self = static_cast<Engine*>(call.Data().As<v8::External>()->Value());
    const v8::String::Utf8Value reason(call.GetIsolate(), call[0]);
    self->note_end(kExitCodeFailed, *reason == nullptr ? "an exception that is no text" : *reason);
  };
  if (!v8::ScriptCompiler::CompileFunctionInContext(context, &source, std::size(parameters), parameters, 0,
                                                    nullptr)
           .ToLocal(&bootstrap) ||
      !v8::Function::New(context, report, v8::External::New(isolate_, this)).ToLocal(&report_failure)) {
    return {};
  }
  v8::Local<v8::Value> arguments[] = {info.process_object, info.native_require, text(isolate_, bundle_path_),
                                      text(isolate_, bundle_text_), report_failure};
  // Node has no use for the text any more, and it is large.
  std::string().swap(bundle_text_);
  return bootstrap->Call(context, v8::Undefined(isolate_), std::size(arguments), arguments);
}

// Called by V8 in a garbage collection that leaves the heap nearly full. The first time the engine is told,
// by the process event 'heapNearlyFull', and gets room to stop its servers; if that is used up as well, it is
// ended.
size_t Engine::on_near_heap_limit(size_t current) {
  ++near_heap_limit_calls_;
  if (near_heap_limit_calls_ == 1) {
    must_tell_heap_ = true;
    uv_async_send(&wake_);
  } else {
    end_from_engine(kExitCodeFailed, "the engine's heap is full");
  }
  return current + kHeapReserveBytes;
}

void Engine::tell_heap_nearly_full() {
  const v8::HandleScope scope(isolate_);
  const v8::Local<v8::Object> process = process_.Get(isolate_);
  if (process.IsEmpty()) return;
  v8::Local<v8::Value> event = text(isolate_, "heapNearlyFull");
  // What a listener throws has been reported as an uncaught exception when this returns.
  (void)node::MakeCallback(isolate_, process, "emit", 1, &event, {0, 0});
}

void describe(const std::string& problem, char* error, size_t error_size) {
  if (error != nullptr && error_size > 0) snprintf(error, error_size, "%s", problem.c_str());
}

int plugin_start(const polyraft_plugin_start* start, char* error, size_t error_size) {
  std::string problem;
  const int code = engine()->start(*start, &problem);
  if (code != RAFT_OK) describe(problem, error, error_size);
  return code;
}

void plugin_stop() {
  engine()->stop();
}

constexpr polyraft_plugin kPlugin = {POLYRAFT_PLUGIN_ABI_VERSION, plugin_start, plugin_stop, &kIsolates};

}  // namespace
}  // namespace polyraft::runtime

extern "C" __attribute__((visibility("default"))) const polyraft_plugin* polyraft_plugin_get(void) {
  return &polyraft::runtime::kPlugin;
}
