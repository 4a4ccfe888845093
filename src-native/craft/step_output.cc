#include "craft/step_output.h"

#include <utility>

#include "craft/layout.h"

namespace polyraft::craft {

namespace {

// Forms of the messages: those with pre_vote, and those with features and capacity.
constexpr unsigned char kRequestVoteVersion = 2;
constexpr unsigned char kRequestVoteResultVersion = 3;
constexpr unsigned char kAppendEntriesResultVersion = 2;

void free_batches(struct raft_entry* entries, unsigned n, const void* kept) {
  const void* before = nullptr;
  for (unsigned i = 0; i < n; i++) {
    void* const batch = entries[i].batch;
    if (batch != before && batch != kept) raft_free(batch);
    before = batch;
  }
}

}  // namespace

int StepOutput::write() {
  const int error = write_entries();
  if (error != 0) return error;
  follow_members();
  server_.take_known();
  follow_sender();
  write_snapshot();
  write_messages();
  update_.flags = server_.words_.as<unsigned>(out::kFlags);
  return 0;
}

int StepOutput::write_entries() {
  const auto first = server_.words_.as<raft_index>(out::kEntriesFirst);
  const auto n = server_.words_.as<unsigned>(out::kEntriesCount);
  const struct raft_message* const message = input_.message();
  if (message != nullptr && message->type == RAFT_APPEND_ENTRIES) {
    const int error = write_received_entries(first, n);
    if (error != 0) return error;
  } else if (input_.event().type == RAFT_SUBMIT) {
    if (n != input_.count()) return server_.fail("the engine lost entries that were submitted");
    write_own_entries(first);
  } else if (n == 1) {
    write_barrier();
  } else if (n > 1) {
    return server_.fail("the engine has entries that nobody gave");
  }
  update_.entries.index = first;
  update_.entries.n = n;
  return 0;
}

void StepOutput::write_barrier() {
  update_.entries.batch = std::exchange(server_.spare_entry_, nullptr);
  void* const data = std::exchange(server_.spare_data_, nullptr);
  *update_.entries.batch = {
      server_.words_.as<raft_term>(out::kBarrierTerm), RAFT_BARRIER, {data, Server::kBarrierBytes}, data};
}

void StepOutput::write_own_entries(raft_index first) {
  update_.entries.batch = input_.take_array();
  const auto term = server_.words_.as<raft_term>(out::kTerm);
  for (unsigned i = 0; i < input_.count(); i++) {
    update_.entries.batch[i] = input_.entries()[i];
    update_.entries.batch[i].term = term;
  }
  for (Members& members : input_.changes()) members.index += first;
}

int StepOutput::write_received_entries(raft_index first, unsigned n) {
  if (n == 0) return 0;
  const raft_index sent_first = input_.message()->append_entries.prev_log_index + 1;
  if (first < sent_first || first + n != sent_first + input_.count())
    return server_.fail("the engine has other entries than were received");
  const auto skipped = static_cast<unsigned>(first - sent_first);
  update_.entries.batch = input_.take_array();
  for (unsigned i = 0; i < n; i++) update_.entries.batch[i] = input_.entries()[skipped + i];
  free_batches(input_.entries(), skipped, input_.entries()[skipped].batch);
  return 0;
}

// The configurations that stand in the log now.
void StepOutput::follow_members() {
  MembersLog& log = server_.members_;
  std::vector<Members>& changes = input_.changes();
  if (input_.event().type == RAFT_START) {
    const struct raft_snapshot_metadata* const metadata = input_.event().start.metadata;
    raft_index after = 0;
    if (metadata != nullptr) {
      after = metadata->index;
      server_.snapshot_members_index_ = metadata->configuration_index;
      log.restart(std::move(changes.front()));
      changes.erase(changes.begin());
    }
    for (Members& members : changes)
      if (members.index > after) log.append(std::move(members));
  } else if (input_.event().type == RAFT_SNAPSHOT) {
    server_.snapshot_members_index_ = input_.event().snapshot.metadata.configuration_index;
  } else if (input_.event().type == RAFT_PERSISTED_SNAPSHOT) {
    server_.snapshot_members_index_ = server_.installing_members_index_;
  } else if (server_.words_[out::kHasSnapshot] != 0) {
    server_.installing_members_index_ = changes.front().index;
    log.restart(changes.front());
  } else if (update_.entries.n > 0) {
    log.truncate(update_.entries.index);
    for (Members& members : changes)
      if (members.index >= update_.entries.index) log.append(std::move(members));
  }
  log.settle(server_.words_.as<raft_index>(out::kCommit));
}

// Before messages are written, which may go to where this one came from.
void StepOutput::follow_sender() {
  const struct raft_message* const message = input_.message();
  if (message == nullptr) return;
  Identity& sender = server_.identities_.at(server_.identities_.handle_of(message->server_id));
  if (message->server_address != nullptr && sender.address != message->server_address)
    sender.address = message->server_address;
  const auto report = [&](unsigned short features, unsigned short capacity) {
    sender.reports_capacity = (features & kFeatureCapacity) != 0;
    sender.capacity = capacity;
  };
  if (message->type == RAFT_APPEND_ENTRIES_RESULT)
    report(message->append_entries_result.features, message->append_entries_result.capacity);
  if (message->type == RAFT_REQUEST_VOTE_RESULT)
    report(message->request_vote_result.features, message->request_vote_result.capacity);
  free_received();
}

// What the program gave away and raft has no use for.
void StepOutput::free_received() {
  const struct raft_message* const message = input_.message();
  if (message->type == RAFT_APPEND_ENTRIES && update_.entries.n == 0)
    free_batches(input_.entries(), input_.count(), nullptr);
  if (message->type == RAFT_INSTALL_SNAPSHOT && server_.words_[out::kHasSnapshot] == 0)
    raft_free(message->install_snapshot.data.base);
}

void StepOutput::write_snapshot() {
  if (server_.words_[out::kHasSnapshot] == 0) return;
  const struct raft_install_snapshot& message = input_.message()->install_snapshot;
  server_.told_members_ = server_.members_.effective();
  server_.told_servers_.clear();
  for (Member& member : server_.told_members_.list)
    server_.told_servers_.push_back({member.id, member.address.data(), member.role});
  update_.snapshot.metadata.index = message.last_index;
  update_.snapshot.metadata.term = message.last_term;
  update_.snapshot.metadata.configuration = {server_.told_servers_.data(),
                                             static_cast<unsigned>(server_.told_servers_.size())};
  update_.snapshot.metadata.configuration_index = message.conf_index;
  update_.snapshot.chunk = message.data;
  update_.snapshot.last = true;
}

void StepOutput::write_messages() {
  const auto n = server_.words_.as<size_t>(out::kMessages);
  server_.messages_.resize(n);
  size_t at = out::kLists;
  for (struct raft_message& message : server_.messages_) {
    write_message(message, at);
    at += kMessageWords;
  }
  update_.messages.batch = server_.messages_.data();
  update_.messages.n = static_cast<unsigned>(n);
}

void StepOutput::write_message(struct raft_message& target, size_t at) {
  const Words& words = server_.words_;
  const auto handle = words.as<unsigned>(at + 1);
  target = {};
  target.type = words.as<unsigned short>(at);
  target.server_id = server_.identities_[handle].id;
  target.server_address = server_.address_of(handle);
  const auto term = words.as<raft_term>(at + 2);
  const auto a = words.as<unsigned long long>(at + 3);
  const auto b = words.as<unsigned long long>(at + 4);
  const auto c = words.as<unsigned long long>(at + 5);
  const auto d = words.as<unsigned>(at + 6);
  switch (target.type) {
    case RAFT_APPEND_ENTRIES:
      target.append_entries = {0, term, a, b, c, nullptr, d};
      break;
    case RAFT_APPEND_ENTRIES_RESULT:
      target.append_entries_result = {
          kAppendEntriesResultVersion, term, a, b, kFeatureCapacity, server_.capacity_};
      break;
    case RAFT_REQUEST_VOTE:
      target.request_vote = {kRequestVoteVersion, term, server_.id, a, b, c != 0, d != 0};
      break;
    case RAFT_REQUEST_VOTE_RESULT: {
      const unsigned short features = c != 0 ? kFeatureCapacity | kFeatureOwnTerm : kFeatureCapacity;
      target.request_vote_result = {kRequestVoteResultVersion, term, a != 0, b != 0, features,
                                    server_.capacity_};
      break;
    }
    case RAFT_INSTALL_SNAPSHOT:
      target.install_snapshot.term = term;
      target.install_snapshot.last_index = a;
      target.install_snapshot.last_term = b;
      target.install_snapshot.conf_index = server_.snapshot_members_index_;
      break;
    default:
      target.timeout_now = {0, term, a, b};
      break;
  }
}

}  // namespace polyraft::craft
