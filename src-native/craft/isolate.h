// The isolate of V8 that a thread's rafts share.
#ifndef POLYRAFT_CRAFT_ISOLATE_H_
#define POLYRAFT_CRAFT_ISOLATE_H_

#include <memory>
#include <string>

#include "runtime/embedded_plugin.h"

namespace polyraft::craft {

// Lives as long as its thread, or a raft in it.
class Isolate {
 public:
  // The calling thread's, made when there is none; nullptr with an error code of raft.h and why.
  static std::shared_ptr<Isolate> of_this_thread(int* code, std::string* why);

  Isolate(const polyraft_isolates* calls, polyraft_isolate* isolate) : calls_(calls), isolate_(isolate) {}
  ~Isolate() { calls_->close(isolate_); }
  Isolate(const Isolate&) = delete;
  Isolate& operator=(const Isolate&) = delete;

  // Its thread is about to end; called by it.
  void leave() { calls_->leave(isolate_); }
  const polyraft_isolates& calls() const { return *calls_; }
  polyraft_isolate* get() const { return isolate_; }

 private:
  const polyraft_isolates* calls_;
  polyraft_isolate* isolate_;
};

}  // namespace polyraft::craft

#endif  // POLYRAFT_CRAFT_ISOLATE_H_
