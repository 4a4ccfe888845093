// What the event thread has to call back, in order.
#ifndef POLYRAFT_API_EVENT_QUEUE_H_
#define POLYRAFT_API_EVENT_QUEUE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "polyraft.h"

namespace polyraft {

class Channel;

struct Event {
  enum class Kind { kState, kEvent, kMessage, kCompletion };
  Kind kind = Kind::kEvent;
  // State, event or completion code.
  int code = 0;
  // An event's value, a message's id, a completion's index.
  uint64_t value = 0;
  uint64_t term = 0;
  RAFT_Completion completion = nullptr;
  void* user = nullptr;
  // An event's text, a message's body.
  std::string text;
  // Where a message is answered.
  std::shared_ptr<Channel> channel;
};

class EventQueue {
 public:
  // While more than this waits for the event thread, the event ring is not read.
  static constexpr uint64_t kBytesMax = 16u << 20;

  void push(Event event) {
    bytes_ += sizeof(Event) + event.text.size();
    events_.push_back(std::move(event));
  }
  bool is_empty() const { return events_.empty(); }
  bool is_full() const { return bytes_ >= kBytesMax; }
  std::deque<Event> take_all() {
    bytes_ = 0;
    return std::exchange(events_, {});
  }

 private:
  std::deque<Event> events_;
  uint64_t bytes_ = 0;
};

}  // namespace polyraft

#endif  // POLYRAFT_API_EVENT_QUEUE_H_
