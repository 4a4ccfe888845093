// Linearizable reads: the engine tells how far the cluster has committed, then this node has to apply as far.
#include <cstring>

#include "api/server.h"

namespace polyraft {

using bridge::Deadline;
using bridge::Payload;

namespace {

bool index_of(const std::string& reply, uint64_t* index) {
  if (reply.size() < sizeof *index) return false;
  std::memcpy(index, reply.data(), sizeof *index);
  return true;
}

}  // namespace

int Server::read_index(uint32_t kind, const Deadline& deadline, uint64_t* index) {
  std::string reply;
  const int code = request(protocol::kREAD_INDEX, Payload{&kind, sizeof kind, nullptr, 0}, deadline, &reply);
  if (code != RAFT_OK) return code;
  uint64_t committed = 0;
  if (!index_of(reply, &committed)) return fail(RAFT_ERR_INTERNAL);
  const int applied = wait_applied(committed, deadline);
  if (applied == RAFT_OK && index != nullptr) *index = committed;
  return applied;
}

int Server::read_index_async(uint32_t kind, const Deadline& deadline, RAFT_Completion completion,
                             void* user) {
  if (reads_due_.fetch_add(1, std::memory_order_relaxed) >= kReadsDueMax) {
    reads_due_.fetch_sub(1, std::memory_order_relaxed);
    return fail(RAFT_ERR_BUSY, std::to_string(kReadsDueMax) + " reads are due already");
  }
  const auto answered = [this, completion, user](int code, const std::string& reply) {
    uint64_t index = 0;
    if (code == RAFT_OK && !index_of(reply, &index)) code = RAFT_ERR_INTERNAL;
    if (code != RAFT_OK) {
      finish_read(completion, user, code, 0);
      return;
    }
    // Its own end.
    auto* const waiter = new Waiter;
    waiter->answered = [this, completion, user, index](int applied, const std::string&) {
      finish_read(completion, user, applied, index);
    };
    finish_proposal(PendingProposal{nullptr, nullptr, waiter}, RAFT_OK, index, 0);
  };
  const int code =
      request_async(protocol::kREAD_INDEX, Payload{&kind, sizeof kind, nullptr, 0}, deadline, answered);
  if (code == RAFT_OK) return RAFT_OK;
  reads_due_.fetch_sub(1, std::memory_order_relaxed);
  return fail(code);
}

void Server::finish_read(RAFT_Completion completion, void* user, int code, uint64_t index) {
  reads_due_.fetch_sub(1, std::memory_order_relaxed);
  PendingProposal pending;
  pending.completion = completion;
  pending.user = user;
  finish_proposal(pending, code, code == RAFT_OK ? index : 0, 0);
}

int Server::wait_applied(uint64_t index, const Deadline& deadline) {
  Waiter waiter;
  waiter.index = index;
  std::unique_lock<std::mutex> lock(mutex_);
  finish_proposal(PendingProposal{nullptr, nullptr, &waiter}, RAFT_OK, index, 0);
  wait_for(waiter, lock, deadline);
  if (!waiter.done) {
    forget_applied(waiter);
    return fail(RAFT_ERR_TIMEOUT);
  }
  return waiter.code == RAFT_OK ? RAFT_OK : fail(waiter.code);
}

}  // namespace polyraft
