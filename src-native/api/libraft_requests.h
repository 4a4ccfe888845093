// Requests to the engine that never keep their caller waiting.
#ifndef POLYRAFT_API_LIBRAFT_REQUESTS_H_
#define POLYRAFT_API_LIBRAFT_REQUESTS_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "api/server.h"
#include "api/waiter.h"
#include "bridge/host_producer.h"
#include "runtime/host_thread.h"

namespace polyraft::libraft {

// What finds no engine, since that is being started again, or no room, is sent by a thread as soon as it can
// be. All are sent in the order of the calls.
class Requests {
 public:
  Requests() = default;
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  // Once. False: no thread.
  bool start(Server* server);
  // What is left ends with STOPPED. After the server has stopped, which ends a request that is being sent.
  void stop();

  // As Server::request_async, but that it does not wait.
  int send(uint16_t type, const bridge::Payload& payload, const Waiter::Answered& answered);

 private:
  struct Request {
    uint16_t type;
    std::string payload;
    Waiter::Answered answered;
  };

  void run();

  Server* server_ = nullptr;
  HostThread thread_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::deque<Request> waiting_;
  bool stopping_ = false;
};

}  // namespace polyraft::libraft

#endif  // POLYRAFT_API_LIBRAFT_REQUESTS_H_
