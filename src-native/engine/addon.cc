// The engine's native half, as src-ts/storage/native-binding.ts describes it. Built twice: as polyraft.node
// for Node in a process of its own, and inside libpolyraft-node.so, where it is a linked binding.
#include <napi.h>
#include <node_api.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>

#include "bridge/futex.h"
#include "engine/addon_arguments.h"
#include "engine/crc32c.h"
#include "engine/direct_file.h"
#include "engine/engine_host.h"
#include "engine/entry_runs.h"
#include "engine/file_io.h"
#include "engine/io_threads.h"
#include "engine/loop_handles.h"
#include "engine/wal_frame.h"

namespace polyraft::engine {
namespace {

// File work on a thread of the pool, and whom to tell.
class FileTask : public IoTask {
 public:
  explicit FileTask(Napi::Function callback) : callback_(Napi::Persistent(callback)) {}
  const WriteResult& result() const { return result_; }
  const Napi::FunctionReference& callback() const { return callback_; }

 protected:
  WriteResult result_;

 private:
  Napi::FunctionReference callback_;
};

class WriteTask : public FileTask {
 public:
  // Keeps the array, and so its bytes, until the task is deleted.
  WriteTask(Napi::Function callback, Napi::Object array, int fd, std::shared_ptr<DirectFile> direct,
            WritePart part, off_t position, bool sync)
      : FileTask(callback),
        array_(Napi::Persistent(array)),
        fd_(fd),
        direct_(std::move(direct)),
        part_(part),
        position_(position),
        sync_(sync) {}

  void run() override { result_ = write(fd_, direct_.get(), part_, position_, sync_); }

  static WriteResult write(int fd, DirectFile* direct, WritePart part, off_t position, bool sync) {
    if (direct != nullptr) return direct->write(part, position, sync);
    return write_file(fd, part.data, part.length, position, sync);
  }

 private:
  Napi::ObjectReference array_;
  int fd_;
  std::shared_ptr<DirectFile> direct_;
  WritePart part_;
  off_t position_;
  bool sync_;
};

class PreallocateTask : public FileTask {
 public:
  PreallocateTask(Napi::Function callback, int fd, std::shared_ptr<DirectFile> direct, off_t size)
      : FileTask(callback), fd_(fd), direct_(std::move(direct)), size_(size) {}

  void run() override {
    if (direct_ != nullptr) {
      result_ = direct_->preallocate(size_);
      return;
    }
    const int error = preallocate_zeros(fd_, size_);
    if (error != 0) result_ = {error, "fallocate"};
  }

 private:
  int fd_;
  std::shared_ptr<DirectFile> direct_;
  off_t size_;
};

// The state behind the binding's functions: one object an environment. It ends with the environment, when its
// cleanup hook has let go of JavaScript, the threads and the loop, in this order.
class Addon {
 public:
  static Napi::Object init(Napi::Env env, Napi::Object exports) {
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
      throw_type_error(env, "there is no event loop");
      return exports;
    }
    auto* const self = new Addon(env);
    self->handles_ = LoopHandles::open(loop, [self] { self->finish_tasks(); });
    if (self->handles_ == nullptr) {
      delete self;
      throw_type_error(env, "the event loop takes no handle");
      return exports;
    }
    napi_add_async_cleanup_hook(env, clean_up, self, nullptr);
    self->add(exports, "crc32c", &Addon::crc32c);
    self->add(exports, "frameRecords", &Addon::frame_records);
    self->add(exports, "encodeEntries", &Addon::encode_entries);
    self->add(exports, "prefixEntries", &Addon::prefix_entries);
    self->add(exports, "takePrefixed", &Addon::take_prefixed);
    self->add(exports, "writePayloads", &Addon::write_payloads);
    self->add(exports, "writeAndSync", &Addon::write_and_sync);
    self->add(exports, "writeAndSyncInline", &Addon::write_and_sync_inline);
    self->add(exports, "lockFile", &Addon::lock_file);
    self->add(exports, "preallocate", &Addon::preallocate);
    self->add(exports, "preallocateInBackground", &Addon::preallocate_in_background);
    self->add(exports, "beginDirect", &Addon::begin_direct);
    self->add(exports, "endDirect", &Addon::end_direct);
    self->add(exports, "blockOffset", &Addon::block_offset);
    self->add(exports, "region", &Addon::region);
    self->add(exports, "onDoorbell", &Addon::on_doorbell);
    self->add(exports, "closeDoorbell", &Addon::close_doorbell);
    self->add(exports, "wakeHost", &Addon::wake_host);
    self->add(exports, "copyToRegion", &Addon::copy_to_region);
    self->add(exports, "fence", &Addon::fence);
    self->add(exports, "runtime", &Addon::runtime);
    return exports;
  }

 private:
  using Method = Napi::Value (Addon::*)(const Napi::CallbackInfo&);
  struct Binding {
    Addon* addon;
    Method method;
  };
  static constexpr size_t kMethodsMax = 24;

  explicit Addon(Napi::Env env)
      : env_(env),
        async_context_(std::make_unique<Napi::AsyncContext>(env, "polyraft")),
        threads_(std::make_unique<IoThreads>([this] { handles_->signal(); })) {}

  void add(Napi::Object exports, const char* name, Method method) {
    Binding* const binding = &bindings_[binding_count_++];
    *binding = {this, method};
    const auto call = [](const Napi::CallbackInfo& info) {
      const auto* bound = static_cast<Binding*>(info.Data());
      return (bound->addon->*bound->method)(info);
    };
    exports.Set(name, Napi::Function::New(env_, call, name, binding));
  }

  static void clean_up(napi_async_cleanup_hook_handle hook, void* data) {
    auto* const self = static_cast<Addon*>(data);
    self->threads_.reset();
    self->doorbell_callback_.Reset();
    self->region_.Reset();
    self->async_context_.reset();
    self->handles_->close([self, hook] {
      delete self;
      napi_remove_async_cleanup_hook(hook);
    });
  }

  // Calls into JavaScript from the event loop. What the callback throws is an uncaught exception. An
  // environment that is being stopped refuses calls: then nothing happens.
  void call_back(const Napi::FunctionReference& callback, std::initializer_list<napi_value> arguments) {
    napi_make_callback(env_, *async_context_, env_.Global(), callback.Value(), arguments.size(),
                       arguments.begin(), nullptr);
    bool has_thrown = false;
    napi_value error = nullptr;
    if (napi_is_exception_pending(env_, &has_thrown) == napi_ok && has_thrown &&
        napi_get_and_clear_last_exception(env_, &error) == napi_ok) {
      napi_fatal_exception(env_, error);
    }
  }

  void finish_tasks() {
    const Napi::HandleScope all(env_);
    for (std::unique_ptr<IoTask>& done : threads_->take_completed()) {
      const Napi::HandleScope one(env_);
      const std::unique_ptr<FileTask> task(static_cast<FileTask*>(done.release()));
      handles_->release();
      call_back(task->callback(), {Napi::Number::New(env_, task->result().error),
                                   Napi::String::New(env_, task->result().syscall)});
    }
  }

  Napi::Value submit(std::unique_ptr<FileTask> task) {
    if (threads_->submit(std::move(task))) {
      handles_->hold();
    } else {
      Napi::Error::New(env_, "no thread can be started for file work").ThrowAsJavaScriptException();
    }
    return env_.Undefined();
  }

  Napi::Value crc32c(const Napi::CallbackInfo& info) {
    int64_t seed = 0;
    WritePart part;
    if (!read_number(info, 0, "seed must be a u32", &seed) || !read_part(info, 1, &part))
      return env_.Undefined();
    return Napi::Number::New(env_, engine::crc32c(static_cast<uint32_t>(seed), part.data, part.length));
  }

  Napi::Value frame_records(const Napi::CallbackInfo& info) {
    Span target;
    Span source;
    int64_t at = 0;
    int64_t type = 0;
    int64_t count = 0;
    uint32_t* starts = nullptr;
    uint32_t* ends = nullptr;
    uint32_t* crc = nullptr;
    if (!read_bytes(info, 0, "target must be a Uint8Array", &target) ||
        !read_number(info, 1, "at must be an offset in bytes", &at) ||
        !read_number(info, 2, "recordType must be a number", &type) ||
        !read_bytes(info, 3, "source must be a Uint8Array", &source) ||
        !read_number(info, 6, "count must be a number", &count) ||
        !read_words(info, 4, "starts must be a Uint32Array of count elements", static_cast<size_t>(count),
                    &starts) ||
        !read_words(info, 5, "ends must be a Uint32Array of count elements", static_cast<size_t>(count),
                    &ends) ||
        !read_words(info, 7, "crcInOut must be a Uint32Array", 1, &crc)) {
      return env_.Undefined();
    }
    auto end = static_cast<size_t>(at);
    for (int64_t i = 0; i < count; ++i) {
      if (starts[i] > ends[i] || ends[i] > source.length) {
        throw_range_error(env_, "an entry does not lie within source");
        return env_.Undefined();
      }
      const size_t length = ends[i] - starts[i];
      if (end > target.length || target.length - end < length + kFrameOverheadBytes) {
        throw_range_error(env_, "target has no room for the frames");
        return env_.Undefined();
      }
      end +=
          write_frame(target.data + end, static_cast<uint32_t>(type), source.data + starts[i], length, crc);
    }
    return Napi::Number::New(env_, static_cast<double>(end));
  }

  Napi::Value end_or_throw(size_t end) {
    if (end != kDoesNotFit) return Napi::Number::New(env_, static_cast<double>(end));
    throw_range_error(env_, "entries do not lie within their bytes, or have no room");
    return env_.Undefined();
  }

  static ReadBytes readable(Span span) { return {span.data, span.length}; }
  static WriteBytes writable(Span span) { return {span.data, span.length}; }

  Napi::Value encode_entries(const Napi::CallbackInfo& info) {
    Span target;
    Span source;
    int64_t at = 0;
    int64_t count = 0;
    int64_t first_index = 0;
    int64_t term = 0;
    int64_t offset = 0;
    uint32_t* starts = nullptr;
    uint32_t* ends = nullptr;
    uint32_t* entry_ends = nullptr;
    uint32_t* data_starts = nullptr;
    if (!read_bytes(info, 0, "target must be a Uint8Array", &target) ||
        !read_number(info, 1, "at must be an offset in bytes", &at) ||
        !read_bytes(info, 2, "source must be a Uint8Array", &source) ||
        !read_number(info, 5, "count must be a number", &count) ||
        !read_number(info, 6, "firstIndex must be an index", &first_index) ||
        !read_number(info, 7, "term must be a term", &term) ||
        !read_number(info, 10, "offset must be a number", &offset) ||
        !read_words_from(info, 3, 0, count, &starts) || !read_words_from(info, 4, 0, count, &ends) ||
        !read_words_from(info, 8, offset, count, &entry_ends) ||
        !read_words_from(info, 9, offset, count, &data_starts)) {
      return env_.Undefined();
    }
    return end_or_throw(engine::encode_entries(
        writable(target), static_cast<size_t>(at), readable(source), starts, ends, static_cast<size_t>(count),
        static_cast<uint64_t>(first_index), static_cast<uint64_t>(term), entry_ends, data_starts));
  }

  Napi::Value prefix_entries(const Napi::CallbackInfo& info) {
    Span target;
    Span source;
    int64_t at = 0;
    int64_t start = 0;
    int64_t offset = 0;
    int64_t count = 0;
    uint32_t* ends = nullptr;
    if (!read_bytes(info, 0, "target must be a Uint8Array", &target) ||
        !read_number(info, 1, "at must be an offset in bytes", &at) ||
        !read_bytes(info, 2, "source must be a Uint8Array", &source) ||
        !read_number(info, 3, "start must be an offset in bytes", &start) ||
        !read_number(info, 5, "offset must be a number", &offset) ||
        !read_number(info, 6, "count must be a number", &count) ||
        !read_words_from(info, 4, offset, count, &ends)) {
      return env_.Undefined();
    }
    return end_or_throw(engine::prefix_entries(writable(target), static_cast<size_t>(at), readable(source),
                                               static_cast<size_t>(start), ends, static_cast<size_t>(count)));
  }

  Napi::Value take_prefixed(const Napi::CallbackInfo& info) {
    Span target;
    Span source;
    int64_t at = 0;
    int64_t start = 0;
    int64_t count = 0;
    int64_t first_index = 0;
    int64_t term = 0;
    int64_t offset = 0;
    uint32_t* entry_ends = nullptr;
    uint32_t* data_starts = nullptr;
    if (!read_bytes(info, 0, "target must be a Uint8Array", &target) ||
        !read_number(info, 1, "at must be an offset in bytes", &at) ||
        !read_bytes(info, 2, "source must be a Uint8Array", &source) ||
        !read_number(info, 3, "start must be an offset in bytes", &start) ||
        !read_number(info, 4, "count must be a number", &count) ||
        !read_number(info, 5, "firstIndex must be an index", &first_index) ||
        !read_number(info, 6, "term must be a term", &term) ||
        !read_number(info, 9, "offset must be a number", &offset) ||
        !read_words_from(info, 7, offset, count, &entry_ends) ||
        !read_words_from(info, 8, offset, count, &data_starts)) {
      return env_.Undefined();
    }
    const size_t taken = engine::take_prefixed(writable(target), static_cast<size_t>(at), readable(source),
                                               static_cast<size_t>(start), static_cast<size_t>(count),
                                               static_cast<uint64_t>(first_index),
                                               static_cast<uint64_t>(term), entry_ends, data_starts);
    return Napi::Number::New(env_, static_cast<double>(taken));
  }

  Napi::Value write_payloads(const Napi::CallbackInfo& info) {
    const EngineHost* const host = host_or_throw();
    Span source;
    int64_t at = 0;
    int64_t first = 0;
    int64_t count = 0;
    uint32_t* data_starts = nullptr;
    uint32_t* ends = nullptr;
    if (host == nullptr || !read_number(info, 0, "byteOffset must be an offset in bytes", &at) ||
        !read_bytes(info, 1, "source must be a Uint8Array", &source) ||
        !read_number(info, 4, "first must be a number", &first) ||
        !read_number(info, 5, "count must be a number", &count) ||
        !read_words_from(info, 2, first, count, &data_starts) ||
        !read_words_from(info, 3, first, count, &ends)) {
      return env_.Undefined();
    }
    return end_or_throw(engine::write_payloads({host->region, host->region_bytes}, static_cast<size_t>(at),
                                               readable(source), data_starts, ends,
                                               static_cast<size_t>(count)));
  }

  Napi::Value write_and_sync(const Napi::CallbackInfo& info) {
    int fd = -1;
    int64_t position = 0;
    WritePart part;
    if (!read_descriptor(info, 0, &fd) || !read_part(info, 1, &part) ||
        !read_number(info, 4, "position must be an offset in bytes", &position)) {
      return env_.Undefined();
    }
    if (!info[6].IsFunction()) {
      throw_type_error(env_, "callback must be a function");
      return env_.Undefined();
    }
    return submit(std::make_unique<WriteTask>(info[6].As<Napi::Function>(), info[1].As<Napi::Object>(), fd,
                                              direct_file(fd), part, static_cast<off_t>(position),
                                              info[5].ToBoolean()));
  }

  Napi::Value write_and_sync_inline(const Napi::CallbackInfo& info) {
    int fd = -1;
    int64_t position = 0;
    WritePart part;
    if (!read_descriptor(info, 0, &fd) || !read_part(info, 1, &part) ||
        !read_number(info, 4, "position must be an offset in bytes", &position)) {
      return env_.Undefined();
    }
    const WriteResult result =
        WriteTask::write(fd, direct_file(fd).get(), part, static_cast<off_t>(position), info[5].ToBoolean());
    return Napi::Number::New(env_, result.error);
  }

  Napi::Value lock_file(const Napi::CallbackInfo& info) {
    int fd = -1;
    if (!read_descriptor(info, 0, &fd)) return env_.Undefined();
    return Napi::Number::New(env_, engine::lock_file(fd));
  }

  Napi::Value preallocate(const Napi::CallbackInfo& info) {
    int fd = -1;
    int64_t size = 0;
    if (!read_descriptor(info, 0, &fd) || !read_number(info, 1, "size must be a number of bytes", &size)) {
      return env_.Undefined();
    }
    return Napi::Number::New(env_, preallocate_zeros(fd, static_cast<off_t>(size)));
  }

  Napi::Value preallocate_in_background(const Napi::CallbackInfo& info) {
    int fd = -1;
    int64_t size = 0;
    if (!read_descriptor(info, 0, &fd) || !read_number(info, 1, "size must be a number of bytes", &size)) {
      return env_.Undefined();
    }
    if (!info[2].IsFunction()) {
      throw_type_error(env_, "callback must be a function");
      return env_.Undefined();
    }
    return submit(std::make_unique<PreallocateTask>(info[2].As<Napi::Function>(), fd, direct_file(fd),
                                                    static_cast<off_t>(size)));
  }

  // Null: writes of this descriptor go through the page cache.
  std::shared_ptr<DirectFile> direct_file(int fd) const {
    const auto found = direct_files_.find(fd);
    return found == direct_files_.end() ? nullptr : found->second;
  }

  Napi::Value begin_direct(const Napi::CallbackInfo& info) {
    int fd = -1;
    if (!read_descriptor(info, 0, &fd)) return env_.Undefined();
    std::shared_ptr<DirectFile> file = DirectFile::open(fd);
    const bool is_direct = file != nullptr;
    if (is_direct) direct_files_[fd] = std::move(file);
    return Napi::Boolean::New(env_, is_direct);
  }

  Napi::Value block_offset(const Napi::CallbackInfo& info) {
    Span bytes;
    if (!read_bytes(info, 0, "bytes must be a Uint8Array", &bytes)) return env_.Undefined();
    return Napi::Number::New(env_,
                             static_cast<double>(-reinterpret_cast<uintptr_t>(bytes.data) % kBlockBytes));
  }

  Napi::Value end_direct(const Napi::CallbackInfo& info) {
    int fd = -1;
    if (read_descriptor(info, 0, &fd)) direct_files_.erase(fd);
    return env_.Undefined();
  }

  // Null, with an exception pending, when this engine has no host.
  const EngineHost* host_or_throw() {
    const char* problem = "this engine was not started by a host";
    const EngineHost* const host = engine_host(&problem);
    if (host != nullptr && host->region != nullptr) return host;
    Napi::Error::New(env_, problem).ThrowAsJavaScriptException();
    return nullptr;
  }

  Napi::Value region(const Napi::CallbackInfo&) {
    if (region_.IsEmpty()) {
      const EngineHost* const host = host_or_throw();
      if (host == nullptr) return env_.Undefined();
      region_ = Napi::Persistent(Napi::ArrayBuffer::New(env_, host->region, host->region_bytes));
    }
    return region_.Value();
  }

  Napi::Value on_doorbell(const Napi::CallbackInfo& info) {
    const EngineHost* const host = host_or_throw();
    if (host == nullptr) return env_.Undefined();
    if (!info[0].IsFunction()) {
      throw_type_error(env_, "callback must be a function");
      return env_.Undefined();
    }
    doorbell_callback_ = Napi::Persistent(info[0].As<Napi::Function>());
    const int error = handles_->listen(host->doorbell_fd, [this] {
      const Napi::HandleScope scope(env_);
      call_back(doorbell_callback_, {});
    });
    if (error != 0) Napi::Error::New(env_, uv_strerror(error)).ThrowAsJavaScriptException();
    return env_.Undefined();
  }

  Napi::Value close_doorbell(const Napi::CallbackInfo&) {
    handles_->stop_listening();
    return env_.Undefined();
  }

  Napi::Value wake_host(const Napi::CallbackInfo& info) {
    const EngineHost* const host = host_or_throw();
    int64_t offset = 0;
    if (host == nullptr || !read_number(info, 0, "byteOffset must be an offset in bytes", &offset)) {
      return env_.Undefined();
    }
    const auto at = static_cast<size_t>(offset);
    if (at % sizeof(uint32_t) != 0 || host->region_bytes < sizeof(uint32_t) ||
        at > host->region_bytes - sizeof(uint32_t)) {
      throw_range_error(env_, "byteOffset must be a 32-bit word of the region");
      return env_.Undefined();
    }
    bridge::futex_wake_all(reinterpret_cast<std::atomic<uint32_t>*>(host->region + at));
    return env_.Undefined();
  }

  Napi::Value copy_to_region(const Napi::CallbackInfo& info) {
    const EngineHost* const host = host_or_throw();
    int64_t offset = 0;
    WritePart part;
    if (host == nullptr || !read_number(info, 0, "byteOffset must be an offset in bytes", &offset) ||
        !read_part(info, 1, &part)) {
      return env_.Undefined();
    }
    if (static_cast<size_t>(offset) > host->region_bytes ||
        host->region_bytes - static_cast<size_t>(offset) < part.length) {
      throw_range_error(env_, "the bytes do not fit into the region there");
      return env_.Undefined();
    }
    if (part.length > 0) std::memmove(host->region + offset, part.data, part.length);
    return env_.Undefined();
  }

  Napi::Value fence(const Napi::CallbackInfo&) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return env_.Undefined();
  }

  Napi::Value runtime(const Napi::CallbackInfo&) {
    const char* problem = nullptr;
    const EngineHost* const host = engine_host(&problem);
    return Napi::String::New(env_, host == nullptr ? "none" : host->runtime);
  }

  Napi::Env env_;
  Binding bindings_[kMethodsMax]{};
  size_t binding_count_ = 0;
  LoopHandles* handles_ = nullptr;
  std::unique_ptr<Napi::AsyncContext> async_context_;
  Napi::FunctionReference doorbell_callback_;
  Napi::Reference<Napi::ArrayBuffer> region_;
  std::unordered_map<int, std::shared_ptr<DirectFile>> direct_files_;
  // Last: its threads use what stands above.
  std::unique_ptr<IoThreads> threads_;
};

Napi::Object init_addon(Napi::Env env, Napi::Object exports) {
  return Addon::init(env, exports);
}

}  // namespace
}  // namespace polyraft::engine

using polyraft::engine::init_addon;
NODE_API_MODULE(polyraft, init_addon)
