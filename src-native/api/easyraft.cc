// Both generations of easyraft's interface (easyraft.h), over the same servers. No exception leaves these
// functions.
#define EASYRAFT_API_VERSION 1
#include "easyraft.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include "api/errors.h"
#include "api/servers.h"
#include "runtime/host_thread.h"

using namespace polyraft;
using bridge::Payload;

static_assert(sizeof(void*) == sizeof(RAFT_Handle),
              "handles of the first generation are numbers in a pointer");

namespace {

constexpr int kMessageTimeoutMs = 30000;

// What a server of this interface has for a context: the callbacks as they were when it was created.
struct FirstGeneration {
  Context callbacks{};
  void* context = nullptr;
};
struct SecondGeneration {
  RAFT_Callback callbacks{};
  void* context = nullptr;
};

std::mutex defaults_mutex;
Context default_context{};
RAFT_Callback default_callback{};

FirstGeneration& first(void* context) {
  return *static_cast<FirstGeneration*>(context);
}
SecondGeneration& second(void* context) {
  return *static_cast<SecondGeneration*>(context);
}

RAFT_Callbacks callbacks_of(const FirstGeneration& own) {
  RAFT_Callbacks callbacks{};
  callbacks.struct_size = sizeof callbacks;
  if (own.callbacks.onCommit != nullptr) {
    callbacks.apply = [](void* context, uint64_t, uint64_t, const void* data, uint64_t size) {
      return first(context).callbacks.onCommit(first(context).context, const_cast<void*>(data), size);
    };
  }
  if (own.callbacks.recoverFromSnapshot != nullptr) {
    callbacks.restore = [](void* context, uint64_t, uint64_t, const void* data, uint64_t size) {
      return first(context).callbacks.recoverFromSnapshot(first(context).context, const_cast<void*>(data),
                                                          size);
    };
  }
  if (own.callbacks.getSnapshot != nullptr) {
    callbacks.take_snapshot = [](void* context, uint64_t, void** data, uint64_t* size) {
      return first(context).callbacks.getSnapshot(first(context).context, data, size);
    };
  }
  if (own.callbacks.freeSnapshot != nullptr) {
    callbacks.free_memory = [](void* context, void* data) {
      first(context).callbacks.freeSnapshot(first(context).context, data);
    };
  }
  if (own.callbacks.onStateChange != nullptr) {
    callbacks.state_change = [](void* context, int state) {
      first(context).callbacks.onStateChange(first(context).context, state);
    };
  }
  return callbacks;
}

RAFT_Callbacks callbacks_of(const SecondGeneration& own) {
  RAFT_Callbacks callbacks{};
  callbacks.struct_size = sizeof callbacks;
  if (own.callbacks.onCommit != nullptr) {
    callbacks.apply = [](void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
      return second(context).callbacks.onCommit(second(context).context, const_cast<void*>(data), size, term,
                                                index);
    };
  }
  if (own.callbacks.recoverFromSnapshot != nullptr) {
    callbacks.restore = [](void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
      return second(context).callbacks.recoverFromSnapshot(second(context).context, const_cast<void*>(data),
                                                           size, term, index);
    };
  }
  if (own.callbacks.getSnapshot != nullptr) {
    callbacks.take_snapshot = [](void* context, uint64_t, void** data, uint64_t* size) {
      return second(context).callbacks.getSnapshot(second(context).context, data, size);
    };
  }
  if (own.callbacks.free != nullptr) {
    callbacks.free_memory = [](void* context, void* data) {
      second(context).callbacks.free(second(context).context, data);
    };
  }
  if (own.callbacks.onStateChange != nullptr) {
    callbacks.state_change = [](void* context, int state) {
      second(context).callbacks.onStateChange(second(context).context, state);
    };
  }
  if (own.callbacks.onMessage != nullptr) {
    callbacks.message = [](void* context, const void* data, uint64_t size, void** answer,
                           uint64_t* answer_size) {
      return second(context).callbacks.onMessage(second(context).context, const_cast<void*>(data), size,
                                                 answer, answer_size);
    };
  }
  return callbacks;
}

// Starts a server whose callbacks see `own`, which lives as long as the server can call back.
template <typename Generation>
RAFT_Handle start(std::shared_ptr<Generation> own, const char* config) {
  RAFT_Handle handle = 0;
  new_server(config, callbacks_of(*own), own.get(), 0, &handle, own);
  return handle;
}

int propose(RAFT_Handle handle, const void* data, int size, int timeout_ms) {
  int code = RAFT_OK;
  const std::shared_ptr<Server> server = find_server(handle, &code);
  if (server == nullptr) return code;
  if (size < 0) return fail(RAFT_ERR_INVALID_ARGUMENT, "size is negative");
  return server->propose(data, static_cast<uint64_t>(size), bridge::deadline_after_ms(timeout_ms), nullptr,
                         nullptr);
}

int send_message(RAFT_Handle handle, uint64_t id, const char* buffer, size_t size, char* answer,
                 size_t answer_size) {
  constexpr int kTooSmall = -1;
  constexpr int kUnknown = -2;
  int code = RAFT_OK;
  const std::shared_ptr<Server> server = find_server(handle, &code);
  if (server == nullptr) return kUnknown;
  if (on_callback_thread()) return fail(RAFT_ERR_WOULD_DEADLOCK), -7;
  if ((buffer == nullptr && size != 0) || (answer == nullptr && answer_size != 0)) {
    fail(RAFT_ERR_INVALID_ARGUMENT, "a buffer is NULL");
    return buffer == nullptr && size != 0 ? -6 : kTooSmall;
  }
  std::string reply;
  code = server->request(protocol::kSEND_MESSAGE, Payload{&id, sizeof id, buffer, size},
                         bridge::deadline_after_ms(kMessageTimeoutMs), &reply);
  switch (code) {
    case RAFT_OK:
      break;
    case RAFT_ERR_INVALID_ARGUMENT:
    case RAFT_ERR_STOPPED:
    case RAFT_ERR_UNKNOWN_HANDLE:
      return kUnknown;
    case RAFT_ERR_UNKNOWN_MEMBER:
      return -3;
    case RAFT_ERR_URL:
      return -4;
    case RAFT_ERR_CONNECT:
      return -5;
    default:
      return -6;
  }
  if (reply.size() > answer_size || reply.size() > INT32_MAX) {
    fail(RAFT_ERR_BUFFER_TOO_SMALL, "the answer has " + std::to_string(reply.size()) + " bytes");
    return kTooSmall;
  }
  if (!reply.empty()) std::memcpy(answer, reply.data(), reply.size());
  return static_cast<int>(reply.size());
}

RAFT_Handle handle_of(void* raft) {
  return reinterpret_cast<uintptr_t>(raft);
}

}  // namespace

void RAFT_SetContext(struct Context* ctx) {
  const std::lock_guard<std::mutex> lock(defaults_mutex);
  default_context = ctx != nullptr ? *ctx : Context{};
}

void RAFT_SetCallback(struct RAFT_Callback* callback) {
  const std::lock_guard<std::mutex> lock(defaults_mutex);
  default_callback = callback != nullptr ? *callback : RAFT_Callback{};
}

void* RAFT_NewRaftServer(void* ctx, const char* jsonConfig) {
  const RAFT_Handle handle = guarded(
      [&] {
        auto own = std::make_shared<FirstGeneration>();
        {
          const std::lock_guard<std::mutex> lock(defaults_mutex);
          own->callbacks = default_context;
        }
        own->context = ctx;
        return start(std::move(own), jsonConfig);
      },
      [](int) { return RAFT_Handle{0}; });
  return reinterpret_cast<void*>(static_cast<uintptr_t>(handle));
}

uint64_t RAFT2_NewRaftServer(void* ctx, const char* jsonConfig) {
  return guarded(
      [&] {
        auto own = std::make_shared<SecondGeneration>();
        {
          const std::lock_guard<std::mutex> lock(defaults_mutex);
          own->callbacks = default_callback;
        }
        own->context = ctx;
        return start(std::move(own), jsonConfig);
      },
      [](int) { return RAFT_Handle{0}; });
}

void RAFT_DeleteRaftServer(void* raft) {
  RAFT2_DeleteRaftServer(handle_of(raft));
}

void RAFT2_DeleteRaftServer(uint64_t raft) {
  guarded([&] { return stop_server(raft, false); });
}

int RAFT_Propose(void* raft, void* data, int size) {
  return guarded([&] { return propose(handle_of(raft), data, size, RAFT_PROPOSE_TIMEOUT_MS); });
}

int RAFT2_Propose(uint64_t raft, void* data, int size, int timeoutms) {
  const int code = guarded([&] { return propose(raft, data, size, timeoutms); });
  return code == RAFT_ERR_BUSY && !on_callback_thread() ? static_cast<int>(RAFT_ERR_TIMEOUT) : code;
}

int RAFT_Snapshot(void* raft) {
  return RAFT2_Snapshot(handle_of(raft));
}

int RAFT2_Snapshot(uint64_t raft) {
  return guarded([&] { return save_snapshot(raft, -1, nullptr); });
}

int RAFT_AddServer(void* raft, uint64_t id, const char* url) {
  return RAFT2_AddServer(handle_of(raft), id, url);
}

int RAFT2_AddServer(uint64_t raft, uint64_t id, const char* url) {
  return guarded(
      [&] { return change_member(raft, RAFT_MEMBER_ADD, id, url, RAFT_CHANGE_TIMEOUT_MS, nullptr); });
}

int RAFT_DelServer(void* raft, uint64_t id) {
  return RAFT2_DelServer(handle_of(raft), id);
}

int RAFT2_DelServer(uint64_t raft, uint64_t id) {
  return guarded(
      [&] { return change_member(raft, RAFT_MEMBER_REMOVE, id, nullptr, RAFT_CHANGE_TIMEOUT_MS, nullptr); });
}

int RAFT_ChangeServer(void* raft, uint64_t id, const char* url) {
  return RAFT2_ChangeServer(handle_of(raft), id, url);
}

int RAFT2_ChangeServer(uint64_t raft, uint64_t id, const char* url) {
  return guarded(
      [&] { return change_member(raft, RAFT_MEMBER_UPDATE, id, url, RAFT_CHANGE_TIMEOUT_MS, nullptr); });
}

int RAFT_SendMessage(uint64_t raft, uint64_t id, const char* buf, size_t size, char* outbuf, size_t outsize) {
  return guarded([&] { return send_message(raft, id, buf, size, outbuf, outsize); }, [](int) { return -6; });
}
