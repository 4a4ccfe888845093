#include "runtime/embedded_isolate.h"

#include <node.h>
#include <stdio.h>
#include <stdlib.h>

#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "runtime/embedded_platform.h"

using polyraft::runtime::BareTaskRunner;
using polyraft::runtime::Platform;

struct polyraft_isolate {
  Platform* platform;
  v8::Isolate* isolate;
  std::shared_ptr<BareTaskRunner> runner;
  std::unique_ptr<v8::ArrayBuffer::Allocator> allocator;
  v8::Global<v8::Context> context;
  v8::Global<v8::Function> create;
  // Of the thread that opened it: never lets go of the isolate, and lends it out at once. A lock of V8 that
  // stands alone sets up the thread's state each time; one within these finds it as it was.
  std::optional<v8::Locker> home_lock;
  std::optional<v8::Unlocker> home_rest;
  // Which thread that is: the address of its `here`. nullptr when it has left.
  const void* home = nullptr;
  // What it has set as its stack's limit; 0 when another thread was in the isolate since.
  uintptr_t home_stack_limit = 0;
};

struct polyraft_machine {
  polyraft_isolate* owner;
  v8::Global<v8::Object> object;
  v8::Global<v8::Function> step;
};

namespace polyraft::runtime {
namespace {

// Of the 128 KiB that a caller provides this much is for JavaScript, the rest for V8 itself, which does not
// look at the limit while it compiles or collects garbage.
constexpr uintptr_t kScriptStackBytes = uintptr_t{48} << 10;
// What a program that only steps keeps alive is small; a small young generation stays in the processor's
// cache.
constexpr size_t kYoungBytesMax = size_t{8} << 20;
constexpr size_t kHeapBytesMax = size_t{2} << 30;

thread_local char here;

// In the isolate, on the calling thread's stack, which may be any: a thread's, or one that the host has made.
class Entered {
 public:
  explicit Entered(polyraft_isolate& owner)
      : locker_(owner.isolate), isolate_scope_(owner.isolate), handle_scope_(owner.isolate) {
    const auto limit = reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) - kScriptStackBytes;
    const bool is_home = owner.home == &here;
    if (!is_home || owner.home_stack_limit != limit) owner.isolate->SetStackLimit(limit);
    owner.home_stack_limit = is_home ? limit : 0;
    context_ = owner.context.Get(owner.isolate);
  }
  v8::Local<v8::Context> context() const { return context_; }

 private:
  v8::Locker locker_;
  v8::Isolate::Scope isolate_scope_;
  v8::HandleScope handle_scope_;
  v8::Local<v8::Context> context_;
};

void describe(const polyraft_problem& problem, const std::string& text) {
  if (problem.text != nullptr && problem.size > 0) snprintf(problem.text, problem.size, "%s", text.c_str());
}

std::string text_of(v8::Isolate* isolate, v8::Local<v8::Value> value) {
  const v8::String::Utf8Value text(isolate, value);
  return *text == nullptr ? "an exception that is no text" : std::string(*text, text.length());
}

v8::Local<v8::String> name(v8::Isolate* isolate, const char* text) {
  return v8::String::NewFromUtf8(isolate, text, v8::NewStringType::kInternalized).ToLocalChecked();
}

v8::MaybeLocal<v8::Function> method(v8::Local<v8::Context> context, v8::Local<v8::Object> object,
                                    const char* called) {
  v8::Local<v8::Value> value;
  if (!object->Get(context, name(context->GetIsolate(), called)).ToLocal(&value) || !value->IsFunction())
    return {};
  return value.As<v8::Function>();
}

// A view of memory that is the caller's.
v8::Local<v8::ArrayBuffer> buffer_over(v8::Isolate* isolate, double* words, size_t count) {
  std::unique_ptr<v8::BackingStore> store = v8::ArrayBuffer::NewBackingStore(
      words, count * sizeof(double), [](void*, size_t, void*) {}, nullptr);
  return v8::ArrayBuffer::New(isolate, std::move(store));
}

bool read_file(const char* path, std::string* content) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  *content = all.str();
  return !file.fail() && !content->empty();
}

// Runs the bundle, a CommonJS module without `require`.
bool load_bundle(polyraft_isolate& owner, const char* path, const std::string& bundle, std::string* why) {
  v8::Isolate* const isolate = owner.isolate;
  const v8::Locker locker(isolate);
  const v8::Isolate::Scope isolate_scope(isolate);
  const v8::HandleScope handle_scope(isolate);
  isolate->SetStackLimit(reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) - kScriptStackBytes);
  const v8::Local<v8::Context> context = v8::Context::New(isolate);
  owner.context.Reset(isolate, context);
  const v8::Context::Scope context_scope(context);
  const v8::TryCatch caught(isolate);
  const v8::Local<v8::Object> module = v8::Object::New(isolate);
  v8::Local<v8::Value> exports = v8::Object::New(isolate);
  v8::Local<v8::String> parameters[] = {name(isolate, "module"), name(isolate, "exports")};
  v8::Local<v8::Value> arguments[] = {module, exports};
  v8::Local<v8::String> text;
  v8::Local<v8::Function> run;
  v8::Local<v8::Function> create;
  const auto load = [&] {
    if (module->Set(context, name(isolate, "exports"), exports).IsNothing() ||
        !v8::String::NewFromUtf8(isolate, bundle.data(), v8::NewStringType::kNormal,
                                 static_cast<int>(bundle.size()))
             .ToLocal(&text))
      return false;
    v8::ScriptOrigin origin(isolate, name(isolate, path));
    v8::ScriptCompiler::Source source(text, origin);
    return v8::ScriptCompiler::CompileFunctionInContext(context, &source, 2, parameters, 0, nullptr)
               .ToLocal(&run) &&
           !run->Call(context, v8::Undefined(isolate), 2, arguments).IsEmpty() &&
           module->Get(context, name(isolate, "exports")).ToLocal(&exports) && exports->IsObject() &&
           method(context, exports.As<v8::Object>(), "create").ToLocal(&create);
  };
  if (!load()) {
    *why = std::string("the engine's file ") + path + " does not run";
    if (caught.HasCaught()) *why += ": " + text_of(isolate, caught.Exception());
    return false;
  }
  owner.create.Reset(isolate, create);
  return true;
}

void settle_in(polyraft_isolate* owner) {
  owner->home_lock.emplace(owner->isolate);
  owner->home_rest.emplace(owner->isolate);
  owner->home = &here;
}

void leave_isolate(polyraft_isolate* owner) {
  owner->home_rest.reset();
  owner->home = nullptr;
  owner->home_stack_limit = 0;
  owner->home_lock.reset();
}

void close_isolate(polyraft_isolate* owner) {
  {
    const v8::Locker locker(owner->isolate);
    owner->create.Reset();
    owner->context.Reset();
  }
  owner->isolate->Dispose();
  owner->platform->remove_bare(owner->isolate);
  delete owner;
}

int open_isolate(const char* bundle_path, polyraft_isolate** result, polyraft_problem problem) {
  std::string bundle;
  if (!read_file(bundle_path, &bundle)) {
    describe(problem, std::string("the engine's file ") + bundle_path + " cannot be read");
    return 1;
  }
  auto* const owner = new polyraft_isolate;
  owner->platform = start_v8(false);
  owner->runner = std::make_shared<BareTaskRunner>();
  owner->allocator.reset(v8::ArrayBuffer::Allocator::NewDefaultAllocator());
  owner->isolate = v8::Isolate::Allocate();
  owner->platform->add_bare(owner->isolate, owner->runner);
  v8::Isolate::CreateParams parameters;
  parameters.array_buffer_allocator = owner->allocator.get();
  parameters.constraints.set_max_young_generation_size_in_bytes(kYoungBytesMax);
  parameters.constraints.set_max_old_generation_size_in_bytes(kHeapBytesMax);
  v8::Isolate::Initialize(owner->isolate, parameters);
  owner->isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
  std::string why;
  if (!load_bundle(*owner, bundle_path, bundle, &why)) {
    describe(problem, why);
    close_isolate(owner);
    return 1;
  }
  settle_in(owner);
  *result = owner;
  return 0;
}

int create_machine(polyraft_isolate* owner, double* words, size_t count, double id, double seed,
                   polyraft_machine** result, polyraft_problem problem) {
  const Entered entered(*owner);
  v8::Isolate* const isolate = owner->isolate;
  const v8::Local<v8::Context> context = entered.context();
  const v8::Context::Scope context_scope(context);
  const v8::TryCatch caught(isolate);
  v8::Local<v8::Value> arguments[] = {buffer_over(isolate, words, count), v8::Number::New(isolate, id),
                                      v8::Number::New(isolate, seed)};
  v8::Local<v8::Value> made;
  v8::Local<v8::Function> step;
  if (!owner->create.Get(isolate)->Call(context, v8::Undefined(isolate), 3, arguments).ToLocal(&made) ||
      !made->IsObject() || !method(context, made.As<v8::Object>(), "step").ToLocal(&step)) {
    describe(problem, caught.HasCaught() ? text_of(isolate, caught.Exception()) : "create gave no machine");
    return 1;
  }
  auto* const machine = new polyraft_machine{owner, {}, {}};
  machine->object.Reset(isolate, made.As<v8::Object>());
  machine->step.Reset(isolate, step);
  *result = machine;
  return 0;
}

void destroy_machine(polyraft_machine* machine) {
  {
    const v8::Locker locker(machine->owner->isolate);
    const v8::Isolate::Scope isolate_scope(machine->owner->isolate);
    machine->object.Reset();
    machine->step.Reset();
  }
  delete machine;
}

int step_machine(polyraft_machine* machine, size_t* words_needed, polyraft_problem problem) {
  polyraft_isolate& owner = *machine->owner;
  v8::Isolate* const isolate = owner.isolate;
  const Entered entered(owner);
  const v8::Local<v8::Context> context = entered.context();
  const v8::TryCatch caught(isolate);
  v8::Local<v8::Value> answer;
  const bool has_answer =
      machine->step.Get(isolate)->Call(context, v8::Undefined(isolate), 0, nullptr).ToLocal(&answer);
  owner.runner->run();
  if (has_answer && answer->IsUndefined()) return 0;
  const v8::Context::Scope context_scope(context);
  if (!has_answer) {
    describe(problem, text_of(isolate, caught.Exception()));
    return -2;
  }
  if (answer->IsNumber()) {
    *words_needed = static_cast<size_t>(answer.As<v8::Number>()->Value());
    return -1;
  }
  const std::string refusal = text_of(isolate, answer);
  char* rest = nullptr;
  const long code = strtol(refusal.c_str(), &rest, 10);
  describe(problem, rest + (*rest == ' ' ? 1 : 0));
  return code > 0 ? static_cast<int>(code) : -2;
}

int call_method(polyraft_machine* machine, const char* called, double* words, size_t count,
                const polyraft_problem& problem) {
  v8::Isolate* const isolate = machine->owner->isolate;
  const Entered entered(*machine->owner);
  const v8::Local<v8::Context> context = entered.context();
  const v8::Context::Scope context_scope(context);
  const v8::TryCatch caught(isolate);
  v8::Local<v8::Function> function;
  v8::Local<v8::Value> argument = v8::Undefined(isolate);
  if (words != nullptr) argument = buffer_over(isolate, words, count);
  if (method(context, machine->object.Get(isolate), called).ToLocal(&function) &&
      !function->Call(context, v8::Undefined(isolate), 1, &argument).IsEmpty())
    return 0;
  describe(problem, caught.HasCaught() ? text_of(isolate, caught.Exception())
                                       : std::string("the engine has no method ") + called);
  return -2;
}

int attach_words(polyraft_machine* machine, double* words, size_t count, polyraft_problem problem) {
  return call_method(machine, "attach", words, count, problem);
}

int write_answer(polyraft_machine* machine, polyraft_problem problem) {
  return call_method(machine, "answer", nullptr, 0, problem);
}

}  // namespace

const polyraft_isolates kIsolates = {open_isolate,    leave_isolate, close_isolate, create_machine,
                                     destroy_machine, step_machine,  attach_words,  write_answer};

}  // namespace polyraft::runtime
