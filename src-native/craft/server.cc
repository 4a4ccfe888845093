#include "craft/server.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

#include "craft/layout.h"
#include "craft/step_input.h"
#include "craft/step_output.h"

namespace polyraft::craft {

namespace {

constexpr size_t kWordsAtFirst = 256;

// The same for the same id.
unsigned seed_of(raft_id id) {
  return static_cast<unsigned>((id * 0x9e3779b97f4a7c15ull) >> 32);
}

}  // namespace

Server::Server(raft_id own_id, const char* own_address)
    : id(own_id), address(own_address), words_(kWordsAtFirst) {
  settings.seed = seed_of(own_id);
}

Server::~Server() {
  if (machine_ != nullptr) isolate_->calls().destroy(machine_);
  raft_free(spare_entry_);
  raft_free(spare_data_);
}

int Server::refuse(int code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error, sizeof error, format, arguments);
  va_end(arguments);
  return code;
}

int Server::fail(const char* what) {
  has_failed_ = true;
  known.state = RAFT_UNAVAILABLE;
  return refuse(RAFT_SHUTDOWN, "%s", what);
}

int Server::open() {
  int code = 0;
  std::string why;
  isolate_ = Isolate::of_this_thread(&code, &why);
  if (isolate_ == nullptr) return refuse(code, "%s", why.c_str());
  const unsigned own = identities_.handle_of(id);
  identities_.at(own).address = address;
  const int failed = isolate_->calls().create(isolate_->get(), words_.data(), words_.size(), own,
                                              settings.seed, &machine_, {error, sizeof error});
  return failed != 0 ? RAFT_SHUTDOWN : 0;
}

int Server::reserve(size_t count) {
  if (count <= words_.size()) return 0;
  Words grown(count * 2);
  memcpy(grown.data(), words_.data(), words_.size() * sizeof(double));
  const int failed = isolate_->calls().attach(machine_, grown.data(), grown.size(), {error, sizeof error});
  if (failed != 0) return RAFT_NOMEM;
  words_ = std::move(grown);
  return 0;
}

int Server::give_settings() {
  if (!are_settings_new) return 0;
  const Settings& s = settings;
  if (s.heartbeat_timeout_ms == 0 || s.election_timeout_ms <= s.heartbeat_timeout_ms)
    return refuse(RAFT_INVALID,
                  "the election timeout is %u ms, the heartbeat timeout %u ms: it must be above",
                  s.election_timeout_ms, s.heartbeat_timeout_ms);
  if (s.max_inflight_entries == 0) return refuse(RAFT_INVALID, "max_inflight_entries is 0");
  if (s.max_catch_up_rounds == 0) return refuse(RAFT_INVALID, "max_catch_up_rounds is 0");
  const double values[] = {
      static_cast<double>(s.election_timeout_ms),         static_cast<double>(s.heartbeat_timeout_ms),
      static_cast<double>(s.install_snapshot_timeout_ms), s.pre_vote ? 1.0 : 0.0,
      static_cast<double>(s.max_catch_up_rounds),         static_cast<double>(s.max_catch_up_round_ms),
      static_cast<double>(s.max_inflight_entries),        static_cast<double>(s.seed)};
  words_[in::kEvent] = kSettingsEvent;
  memcpy(&words_[in::kArguments], values, sizeof values);
  const int error_code = call_engine();
  are_settings_new = error_code != 0;
  return error_code;
}

int Server::call_engine() {
  const polyraft_isolates& calls = isolate_->calls();
  const polyraft_problem problem = {error, sizeof error};
  size_t needed = 0;
  const int code = calls.step(machine_, &needed, problem);
  if (code == 0) return 0;
  if (code > 0 && code != RAFT_SHUTDOWN) return code;
  if (code == -1) {
    // The step is done; what cannot be told now is lost.
    if (reserve(needed) == 0 && calls.answer(machine_, problem) == 0) return 0;
  }
  has_failed_ = true;
  known.state = RAFT_UNAVAILABLE;
  return RAFT_SHUTDOWN;
}

// What a leader's first entry needs, ahead of the step that makes it one.
int Server::keep_barrier() {
  if (known.state == RAFT_LEADER) return 0;
  if (spare_entry_ == nullptr)
    spare_entry_ = static_cast<struct raft_entry*>(raft_malloc(sizeof *spare_entry_));
  if (spare_data_ == nullptr) spare_data_ = raft_calloc(1, kBarrierBytes);
  return spare_entry_ == nullptr || spare_data_ == nullptr ? refuse(RAFT_NOMEM, "no memory for an entry") : 0;
}

int Server::step(const struct raft_event& event, struct raft_update* update) {
  if (has_failed_) return RAFT_SHUTDOWN;
  StepInput input(*this, event);
  bool is_taken = false;
  try {
    int code = give_settings();
    if (code == 0) code = input.write();
    if (code == 0) code = keep_barrier();
    if (code == 0) code = call_engine();
    if (code != 0) return code;
    is_taken = true;
    has_started_ = true;
    time_ = event.time;
    capacity_ = event.capacity;
    return StepOutput(*this, input, update).write();
  } catch (const std::bad_alloc&) {
    return is_taken ? fail("no memory for the update") : refuse(RAFT_NOMEM, "no memory for the step");
  }
}

void Server::take_known() {
  known.term = words_.as<raft_term>(out::kTerm);
  known.vote = identities_[words_.as<unsigned>(out::kVote)].id;
  known.state = static_cast<enum raft_state>(words_.as<int>(out::kState));
  known.commit = words_.as<raft_index>(out::kCommit);
  known.timeout = words_.as<raft_time>(out::kTimeout);
  known.last_index = words_.as<raft_index>(out::kLastIndex);
  known.lead = words_.as<unsigned>(out::kLead);
  known.transferee = identities_[words_.as<unsigned>(out::kTransferee)].id;
  const Member* const self = members_.effective().find(id);
  known.role = self == nullptr ? -1 : self->role;
  progress.resize(words_.as<size_t>(out::kMembers));
  size_t at = out::kLists + words_.as<size_t>(out::kMessages) * kMessageWords;
  for (MemberProgress& member : progress) {
    member = {identities_[words_.as<unsigned>(at)].id, words_.as<raft_index>(at + 1), words_.as<int>(at + 2)};
    at += kMemberWords;
  }
}

// Voters that report nothing are taken for healthy, unless a majority does report.
bool Server::has_capacity() const {
  if (capacity_threshold == 0) return true;
  size_t reporting = 0;
  size_t healthy = 0;
  const Members& members = members_.effective();
  for (const Member& member : members.list) {
    if (member.role != RAFT_VOTER) continue;
    const Identity* const known_as = identities_.find(member.id);
    const bool is_self = member.id == id;
    if (!is_self && (known_as == nullptr || !known_as->reports_capacity)) continue;
    reporting++;
    if ((is_self ? capacity_ : known_as->capacity) >= capacity_threshold) healthy++;
  }
  const size_t half = members.voters() / 2;
  return reporting <= half || healthy > half;
}

const char* Server::address_of(unsigned handle) const {
  const Identity& identity = identities_[handle];
  if (identity.id == 0) return nullptr;
  const Member* const member = members_.effective().find(identity.id);
  return member != nullptr ? member->address.c_str() : identity.address.c_str();
}

}  // namespace polyraft::craft
