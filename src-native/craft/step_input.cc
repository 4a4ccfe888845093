#include "craft/step_input.h"

#include <utility>

#include "craft/layout.h"

namespace polyraft::craft {

struct raft_message* StepInput::message() const {
  return event_.type == RAFT_RECEIVE ? event_.receive.message : nullptr;
}

struct raft_entry* StepInput::take_array() {
  return std::exchange(array_, nullptr);
}

int StepInput::set_number(size_t argument, unsigned long long value, const char* what) {
  if (value > kNumberMax) return server_.refuse(RAFT_INVALID, "%s is %llu, above 2^53 - 1", what, value);
  server_.words_[in::kArguments + argument] = static_cast<double>(value);
  return 0;
}

int StepInput::set_server(size_t argument, raft_id id) {
  const unsigned handle = server_.identities_.handle_of(id);
  if (handle == Identities::kFull)
    return server_.refuse(RAFT_TOOMANY, "server %llu is one too many: %zu ids have been seen", id,
                          Identities::kMax);
  server_.words_[in::kArguments + argument] = handle;
  return 0;
}

int StepInput::write() {
  Words& words = server_.words_;
  if (event_.time > kNumberMax)
    return server_.refuse(RAFT_INVALID, "event.time is %llu, above 2^53 - 1", event_.time);
  if (server_.has_started_ && event_.time < server_.time_)
    return server_.refuse(RAFT_INVALID, "event.time is %llu, before the last one, %llu", event_.time,
                          server_.time_);
  if (event_.type < RAFT_START || event_.type > RAFT_TRANSFER)
    return server_.refuse(RAFT_INVALID, "event.type %d is none", event_.type);
  if (server_.has_started_ == (event_.type == RAFT_START))
    return server_.refuse(RAFT_INVALID, server_.has_started_ ? "RAFT_START came a second time"
                                                             : "RAFT_START must be the first event");
  words[in::kRuns] = 0;
  words[in::kChanges] = 0;
  int error = 0;
  switch (event_.type) {
    case RAFT_START:
      error = write_start();
      break;
    case RAFT_RECEIVE:
      error = write_receive();
      break;
    case RAFT_PERSISTED_ENTRIES:
      error = set_number(0, event_.persisted_entries.index, "persisted_entries.index");
      break;
    case RAFT_PERSISTED_SNAPSHOT:
      if (event_.persisted_snapshot.offset != 0 || !event_.persisted_snapshot.last)
        return server_.refuse(RAFT_INVALID,
                              "persisted_snapshot: a snapshot has one part, with offset 0 and last true");
      error = set_number(0, event_.persisted_snapshot.metadata.index, "persisted_snapshot.metadata.index");
      break;
    case RAFT_CONFIGURATION:
      error = set_number(0, event_.configuration.index, "configuration.index");
      break;
    case RAFT_SNAPSHOT:
      error = write_snapshot();
      break;
    case RAFT_SUBMIT:
      error = write_submit();
      break;
    case RAFT_CATCH_UP:
      error = set_server(0, event_.catch_up.server_id);
      break;
    case RAFT_TRANSFER:
      error = set_server(0, event_.transfer.server_id);
      break;
    default:
      break;
  }
  words[in::kEvent] = event_.type;
  words[in::kTime] = static_cast<double>(event_.time);
  return error;
}

int StepInput::write_start() {
  const auto& start = event_.start;
  if (start.term == 0 && start.voted_for != 0)
    return server_.refuse(RAFT_INVALID, "start.voted_for is given without start.term");
  entries_ = start.entries;
  count_ = start.n_entries;
  int error = check_entries("start", start.term);
  if (error != 0) return error;
  const struct raft_snapshot_metadata* const metadata = start.metadata;
  const raft_index snapshot_index = metadata == nullptr ? 0 : metadata->index;
  if (metadata != nullptr) {
    error = check_metadata(*metadata, "start.metadata");
    if (error == 0)
      error = take_snapshot_members(metadata->configuration, metadata->configuration_index, "start.metadata");
    if (error == 0 && metadata->term > start.term)
      error = server_.refuse(RAFT_INVALID, "start.metadata.term %llu is above start.term", metadata->term);
    if (error != 0) return error;
  }
  if (count_ > 0 && (start.start_index == 0 || start.start_index > snapshot_index + 1))
    return server_.refuse(RAFT_INVALID, "start.start_index is %llu; with a snapshot at %llu it is 1 to %llu",
                          start.start_index, snapshot_index, snapshot_index + 1);
  const raft_index first = count_ > 0 ? start.start_index : snapshot_index + 1;
  error = take_changes(first);
  if (error == 0) error = set_number(0, start.term, "start.term");
  if (error == 0) error = set_server(1, start.voted_for);
  if (error == 0) error = set_number(2, snapshot_index, "start.metadata.index");
  if (error == 0) error = set_number(3, metadata == nullptr ? 0 : metadata->term, "start.metadata.term");
  if (error == 0) error = set_number(4, first, "start.start_index");
  if (error == 0) error = set_number(5, first + count_, "start.start_index + start.n_entries");
  return error != 0 ? error : write_lists(true);
}

int StepInput::write_receive() {
  const struct raft_message* const message = event_.receive.message;
  if (message == nullptr) return server_.refuse(RAFT_INVALID, "receive.message is NULL");
  if (message->server_id == 0) return server_.refuse(RAFT_INVALID, "message.server_id is 0");
  if (message->server_id == server_.id)
    return server_.refuse(RAFT_INVALID, "message.server_id is this server's own");
  if (message->type < RAFT_APPEND_ENTRIES || message->type > RAFT_TIMEOUT_NOW)
    return server_.refuse(RAFT_INVALID, "message.type %d is none", message->type);
  int error = set_server(0, message->server_id);
  if (error != 0) return error;
  Words& words = server_.words_;
  words[in::kArguments + 1] = message->type;
  switch (message->type) {
    case RAFT_APPEND_ENTRIES:
      return write_append(message->append_entries);
    case RAFT_APPEND_ENTRIES_RESULT: {
      const struct raft_append_entries_result& result = message->append_entries_result;
      error = set_number(2, result.term, "message.term");
      if (error == 0) error = set_number(3, result.rejected, "message.rejected");
      if (error == 0) error = set_number(4, result.last_log_index, "message.last_log_index");
      return error;
    }
    case RAFT_REQUEST_VOTE:
      return write_vote_request(message->request_vote);
    case RAFT_REQUEST_VOTE_RESULT: {
      const struct raft_request_vote_result& result = message->request_vote_result;
      words[in::kArguments + 3] = result.vote_granted ? 1 : 0;
      words[in::kArguments + 4] = result.pre_vote ? 1 : 0;
      words[in::kArguments + 5] = (result.features & kFeatureOwnTerm) != 0 ? 1 : 0;
      return set_number(2, result.term, "message.term");
    }
    case RAFT_INSTALL_SNAPSHOT:
      return write_install(message->install_snapshot);
    default:
      return set_number(2, message->timeout_now.term, "message.term");
  }
}

int StepInput::write_append(const struct raft_append_entries& message) {
  entries_ = message.entries;
  count_ = message.n_entries;
  int error = check_entries("message", message.term);
  if (error == 0) error = set_number(2, message.term, "message.term");
  if (error == 0) error = set_number(3, message.prev_log_index, "message.prev_log_index");
  if (error == 0) error = set_number(4, message.prev_log_term, "message.prev_log_term");
  if (error == 0) error = set_number(5, message.leader_commit, "message.leader_commit");
  if (error == 0)
    error = set_number(6, message.prev_log_index + count_, "message.prev_log_index + n_entries");
  if (error == 0) error = take_changes(message.prev_log_index + 1);
  if (error == 0) error = allocate();
  return error != 0 ? error : write_lists(true);
}

int StepInput::write_vote_request(const struct raft_request_vote& message) {
  if (message.candidate_id != event_.receive.message->server_id)
    return server_.refuse(RAFT_INVALID, "message.candidate_id %llu is not the sender's id",
                          message.candidate_id);
  int error = set_number(2, message.term, "message.term");
  if (error == 0) error = set_number(3, message.last_log_index, "message.last_log_index");
  if (error == 0) error = set_number(4, message.last_log_term, "message.last_log_term");
  server_.words_[in::kArguments + 5] = message.disrupt_leader ? 1 : 0;
  server_.words_[in::kArguments + 6] = message.pre_vote ? 1 : 0;
  return error;
}

int StepInput::write_install(const struct raft_install_snapshot& message) {
  const struct raft_snapshot_metadata metadata = {message.last_index, message.last_term, message.conf,
                                                  message.conf_index};
  int error = check_metadata(metadata, "message");
  if (error == 0 && message.data.base == nullptr && message.data.len > 0)
    error = server_.refuse(RAFT_INVALID, "message.data.base is NULL");
  if (error == 0) error = take_snapshot_members(message.conf, message.conf_index, "message");
  if (error == 0) error = set_number(2, message.term, "message.term");
  if (error == 0) error = set_number(3, message.last_index, "message.last_index");
  if (error == 0) error = set_number(4, message.last_term, "message.last_term");
  return error != 0 ? error : write_lists(true);
}

int StepInput::write_snapshot() {
  const auto& snapshot = event_.snapshot;
  int error = check_metadata(snapshot.metadata, "snapshot.metadata");
  if (error == 0)
    error = take_snapshot_members(snapshot.metadata.configuration, snapshot.metadata.configuration_index,
                                  "snapshot.metadata");
  if (error == 0) error = set_number(0, snapshot.metadata.index, "snapshot.metadata.index");
  if (error == 0) error = set_number(1, snapshot.metadata.term, "snapshot.metadata.term");
  server_.words_[in::kArguments + 2] = snapshot.trailing;
  return error != 0 ? error : write_lists(true);
}

int StepInput::write_submit() {
  entries_ = event_.submit.entries;
  count_ = event_.submit.n;
  if (count_ == 0) return server_.refuse(RAFT_INVALID, "submit.n is 0");
  if (entries_ == nullptr) return server_.refuse(RAFT_INVALID, "submit.entries is NULL");
  if (server_.known.state != RAFT_LEADER || server_.known.transferee != 0)
    return server_.refuse(RAFT_NOTLEADER, "entries are submitted at a leader that is not handing over");
  for (unsigned i = 0; i < count_; i++) {
    const struct raft_entry& entry = entries_[i];
    if (entry.term != 0 && entry.term != server_.known.term)
      return server_.refuse(RAFT_INVALID, "submit.entries[%u].term is %llu; the current term is %llu", i,
                            entry.term, server_.known.term);
    if (entry.type < RAFT_COMMAND || entry.type > RAFT_CHANGE)
      return server_.refuse(RAFT_INVALID, "submit.entries[%u].type %d is none", i, entry.type);
  }
  if (!server_.has_capacity())
    return server_.refuse(RAFT_NOSPACE, "a majority of the voters has less capacity than %d",
                          server_.capacity_threshold);
  int error = take_changes(0);
  if (error == 0) error = set_number(0, server_.known.last_index + count_, "the last index");
  if (error == 0) error = allocate();
  return error != 0 ? error : write_lists(false);
}

int StepInput::check_metadata(const struct raft_snapshot_metadata& metadata, const char* what) {
  if (metadata.index == 0 || metadata.term == 0)
    return server_.refuse(RAFT_INVALID, "%s: a snapshot has an index and a term above 0", what);
  if (metadata.configuration_index > metadata.index)
    return server_.refuse(RAFT_INVALID, "%s: the configuration's index %llu is behind the snapshot's, %llu",
                          what, metadata.configuration_index, metadata.index);
  return 0;
}

int StepInput::check_entries(const char* what, raft_term term_max) {
  if (count_ > 0 && entries_ == nullptr)
    return server_.refuse(RAFT_INVALID, "%s.entries is NULL, n_entries %u", what, count_);
  raft_term term = 1;
  for (unsigned i = 0; i < count_; i++) {
    const struct raft_entry& entry = entries_[i];
    if (entry.term < term || entry.term > term_max)
      return server_.refuse(RAFT_INVALID, "%s.entries[%u].term is %llu, not %llu to %llu", what, i,
                            entry.term, term, term_max);
    if (entry.type < RAFT_COMMAND || entry.type > RAFT_CHANGE)
      return server_.refuse(RAFT_INVALID, "%s.entries[%u].type %d is none", what, i, entry.type);
    term = entry.term;
  }
  return 0;
}

int StepInput::take_changes(raft_index first) {
  for (unsigned i = 0; i < count_; i++) {
    const struct raft_entry& entry = entries_[i];
    if (entry.type != RAFT_CHANGE) continue;
    Members members;
    if (decode_members(entry.buf.base, entry.buf.len, &members) != 0)
      return server_.refuse(RAFT_MALFORMED, "entry %u of the event, a RAFT_CHANGE, is no configuration", i);
    members.index = first + i;
    changes_.push_back(std::move(members));
  }
  return 0;
}

int StepInput::take_snapshot_members(const struct raft_configuration& configuration, raft_index index,
                                     const char* what) {
  Members members;
  const int error = copy_members(configuration, &members);
  if (error != 0)
    return server_.refuse(error == RAFT_NOMEM ? error : RAFT_INVALID, "%s: the configuration is wrong: %s",
                          what, configuration.n == 0 ? "it has no servers" : raft_strerror(error));
  members.index = index;
  changes_.push_back(std::move(members));
  return 0;
}

int StepInput::allocate() {
  if (count_ == 0) return 0;
  array_ = static_cast<struct raft_entry*>(raft_malloc(count_ * sizeof *array_));
  return array_ == nullptr ? server_.refuse(RAFT_NOMEM, "no memory for %u entries", count_) : 0;
}

size_t StepInput::runs() const {
  size_t count = 0;
  for (unsigned i = 0; i < count_; i++) count += i == 0 || entries_[i].term != entries_[i - 1].term ? 1 : 0;
  return count;
}

int StepInput::write_lists(bool has_terms) {
  const size_t run_count = has_terms ? runs() : 1;
  size_t needed = in::kLists + 2 * run_count;
  for (const Members& members : changes_) needed += 2 + 2 * members.list.size();
  const int error = server_.reserve(needed);
  if (error != 0) return error;
  Words& words = server_.words_;
  words[in::kRuns] = static_cast<double>(run_count);
  words[in::kChanges] = static_cast<double>(changes_.size());
  size_t at = in::kLists;
  if (!has_terms) {
    words[at++] = 0;
    words[at++] = count_;
  }
  for (unsigned i = 0; has_terms && i < count_;) {
    const raft_term term = entries_[i].term;
    const unsigned first = i;
    while (i < count_ && entries_[i].term == term) i++;
    words[at++] = static_cast<double>(term);
    words[at++] = i - first;
  }
  for (const Members& members : changes_) {
    words[at++] = static_cast<double>(members.index);
    words[at++] = static_cast<double>(members.list.size());
    for (const Member& member : members.list) {
      const unsigned handle = server_.identities_.handle_of(member.id);
      if (handle == Identities::kFull)
        return server_.refuse(RAFT_TOOMANY, "server %llu is one too many: %zu ids have been seen", member.id,
                              Identities::kMax);
      words[at++] = handle;
      words[at++] = member.role;
    }
  }
  return 0;
}

}  // namespace polyraft::craft
