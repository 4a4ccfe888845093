// Snapshots of servers with an extension: their bytes come and go in pieces, and are nowhere in one piece of
// memory.
#include <cstring>

#include "api/server.h"

namespace polyraft {

using bridge::Chunks;
using bridge::Payload;
using bridge::Push;
using bridge::Record;

namespace {

constexpr uint32_t kHeaderBytes = 16;
constexpr uint32_t kWhichRestore = 1;

}  // namespace

// Keeps server and channel; once the engine is dead or the server stops, answers go nowhere.
class Server::ChannelAnswer : public SnapshotAnswer {
 public:
  ChannelAnswer(std::shared_ptr<Server> server, std::shared_ptr<Channel> channel, uint64_t id)
      : server_(std::move(server)), channel_(std::move(channel)), id_(id) {}

  bool send(uint64_t size, const Read& read) override {
    const uint8_t fixed[8] = {};
    Payload payload{fixed, sizeof fixed, nullptr, size};
    payload.read = &read;
    const Push pushed = push(payload);
    // The engine has a part of it, and waits for the rest.
    if (pushed == Push::kCancelled) refuse(RAFT_ERR_IO);
    return pushed == Push::kOk;
  }

  void refuse(int code) override {
    uint8_t fixed[8] = {};
    const int32_t code_word = code;
    std::memcpy(fixed, &code_word, sizeof code_word);
    push(Payload{fixed, sizeof fixed, nullptr, 0});
  }

 private:
  Push push(const Payload& payload) {
    return channel_->commands.push(protocol::kSNAPSHOT_DATA, id_, payload, Chunks::kInterleaved, std::nullopt,
                                   &server_->stopping_);
  }

  const std::shared_ptr<Server> server_;
  const std::shared_ptr<Channel> channel_;
  const uint64_t id_;
};

std::shared_ptr<SnapshotAnswer> Server::answer_to(Channel& channel, uint64_t id) {
  return std::make_shared<ChannelAnswer>(shared_from_this(), channel.shared_from_this(), id);
}

bool Server::restore_chunk(Channel& channel, const Record& record, LargePayload* large, bool* valid) {
  *valid = false;
  ServerExtension& extension = *settings_.extension;
  const uint8_t* data = record.data;
  uint64_t length = record.length;
  int code = 0;
  if (!record.continues()) {
    reset(large);
    if (length < kHeaderBytes) return true;
    std::memcpy(&restoring_.index, data, sizeof restoring_.index);
    restoring_.size = record.total - kHeaderBytes;
    restoring_.used = 0;
    restoring_.active = true;
    restoring_.skip = restoring_.index <= applied_.load(std::memory_order_relaxed);
    data += kHeaderBytes;
    length -= kHeaderBytes;
    if (!restoring_.skip) code = extension.restore_begin(restoring_.index, restoring_.size);
  } else if (!restoring_.active || record.total != restoring_.size + kHeaderBytes) {
    return true;
  }
  if (length > restoring_.size - restoring_.used) return true;
  restoring_.used += length;
  if (code == 0 && !restoring_.skip) code = extension.restore_piece(data, length);
  *valid = record.has_more() || restoring_.used == restoring_.size;
  if (!*valid) return true;
  if (!record.has_more()) {
    restoring_.active = false;
    if (code == 0 && !restoring_.skip) code = extension.restore_end();
  }
  if (code != 0) {
    fail_apply(channel, restoring_.index, code, kWhichRestore,
               "restoring the snapshot at index " + std::to_string(restoring_.index) + " failed with code " +
                   std::to_string(code));
    return false;
  }
  if (record.has_more() || restoring_.skip) return true;
  publish_applied(channel, restoring_.index);
  wake_applied_waiters();
  return true;
}

}  // namespace polyraft
