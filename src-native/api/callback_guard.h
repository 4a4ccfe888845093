// Calls into the host. A C++ exception that comes out of a callback counts as a failed callback.
#ifndef POLYRAFT_API_CALLBACK_GUARD_H_
#define POLYRAFT_API_CALLBACK_GUARD_H_

#include <cxxabi.h>

#include "api/log.h"
#include "polyraft_codes.h"

namespace polyraft {

// The callback's result; CALLBACK_FAILED when it threw.
template <typename Call>
int call_host(const char* name, Call call) {
  try {
    return call();
  } catch (const abi::__forced_unwind&) {
    // pthread_exit or cancellation: may not be swallowed.
    throw;
  } catch (...) {
    POLYRAFT_LOG(RAFT_LOG_ERROR, std::string("the callback ") + name + " threw an exception");
    return RAFT_ERR_CALLBACK_FAILED;
  }
}

}  // namespace polyraft

#endif  // POLYRAFT_API_CALLBACK_GUARD_H_
