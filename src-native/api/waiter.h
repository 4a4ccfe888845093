// Calls that are blocked until something answers them.
#ifndef POLYRAFT_API_WAITER_H_
#define POLYRAFT_API_WAITER_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>

#include "bridge/futex.h"
#include "polyraft_codes.h"

namespace polyraft {

// One blocked call; lives on its stack. With `answered` it is nobody's, and ends itself.
// All members belong to the mutex of the table that it is in.
struct Waiter {
  // Called under that mutex.
  using Answered = std::function<void(int code, const std::string& data)>;

  std::condition_variable wake;
  Answered answered;
  bool done = false;
  int code = RAFT_OK;
  // Answer of a request: what follows its code.
  std::string data;
  uint64_t index = 0;
  uint64_t term = 0;
  // A proposal whose commit is known, waiting until index is applied.
  bool awaits_apply = false;

  void finish(int result) {
    code = result;
    done = true;
    if (answered) {
      answered(code, data);
      delete this;
      return;
    }
    wake.notify_one();
  }
};

// Requests by id. The caller holds the table's mutex.
class RequestTable {
 public:
  uint64_t add(Waiter* waiter) {
    const uint64_t id = next_id_++;
    waiters_[id] = waiter;
    return id;
  }
  // An id for a request whose answer nobody waits for.
  uint64_t add_unwatched() { return next_id_++; }
  void remove(uint64_t id) { waiters_.erase(id); }
  // Null when nobody waits (any more).
  Waiter* take(uint64_t id) {
    const auto found = waiters_.find(id);
    if (found == waiters_.end()) return nullptr;
    Waiter* waiter = found->second;
    waiters_.erase(found);
    return waiter;
  }
  // All but the request `spared` (0: none).
  void finish_all(int code, uint64_t spared = 0) {
    for (auto at = waiters_.begin(); at != waiters_.end();) {
      if (at->first == spared) {
        ++at;
        continue;
      }
      at->second->finish(code);
      at = waiters_.erase(at);
    }
  }

 private:
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, Waiter*> waiters_;
};

}  // namespace polyraft

#endif  // POLYRAFT_API_WAITER_H_
