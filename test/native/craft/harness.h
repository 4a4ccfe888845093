// Servers behind craft/raft.h with a disk of entries each, stepped by hand. What goes wrong fails the test.
#ifndef POLYRAFT_TEST_CRAFT_HARNESS_H_
#define POLYRAFT_TEST_CRAFT_HARNESS_H_

#include <gtest/gtest.h>
#include <raft.h>

#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace craft_test {

struct Role {
  raft_id id;
  int role;
};

inline std::string address_of(raft_id id) {
  return "address-" + std::to_string(id);
}

// A configuration that frees itself.
class Configuration {
 public:
  Configuration() { raft_configuration_init(&c_); }
  explicit Configuration(const std::vector<Role>& roles) : Configuration() {
    for (const Role& role : roles)
      EXPECT_EQ(raft_configuration_add(&c_, role.id, address_of(role.id).c_str(), role.role), 0);
  }
  ~Configuration() { raft_configuration_close(&c_); }
  Configuration(const Configuration&) = delete;
  Configuration& operator=(const Configuration&) = delete;

  struct raft_configuration* get() {
    return &c_;
  }
  std::string encoded() const {
    struct raft_buffer buffer {};
    EXPECT_EQ(raft_configuration_encode(&c_, &buffer), 0);
    std::string bytes(static_cast<const char*>(buffer.base), buffer.len);
    raft_free(buffer.base);
    return bytes;
  }

 private:
  struct raft_configuration c_ {};
};

struct StoredEntry {
  raft_term term;
  unsigned short type;
  std::string data;
};

// Entries as an event wants them: one batch, of raft_malloc, unless none.
class EntryArray {
 public:
  EntryArray() = default;
  explicit EntryArray(const std::vector<StoredEntry>& entries) {
    size_t bytes = 0;
    for (const StoredEntry& entry : entries) bytes += entry.data.size();
    if (entries.empty()) return;
    batch_ = raft_malloc(bytes + 1);
    size_t at = 0;
    for (const StoredEntry& entry : entries) {
      char* const target = static_cast<char*>(batch_) + at;
      memcpy(target, entry.data.data(), entry.data.size());
      at += entry.data.size();
      array_.push_back({entry.term, entry.type, {target, entry.data.size()}, batch_});
    }
  }
  ~EntryArray() { raft_free(batch_); }
  EntryArray(const EntryArray&) = delete;
  EntryArray& operator=(const EntryArray&) = delete;

  struct raft_entry* get() {
    return array_.data();
  }
  unsigned size() const { return static_cast<unsigned>(array_.size()); }
  // The batch is somebody else's from now on.
  void release() { batch_ = nullptr; }

 private:
  std::vector<struct raft_entry> array_;
  void* batch_ = nullptr;
};

// An update, copied: what it hands out has been freed.
struct Update {
  unsigned flags = 0;
  raft_index first = 0;
  std::vector<StoredEntry> entries;
  std::vector<struct raft_message> messages;
  raft_index snapshot_index = 0;
  raft_term snapshot_term = 0;
  raft_index snapshot_configuration_index = 0;
  std::vector<Role> snapshot_members;
  std::string snapshot_data;
  bool snapshot_last = false;

  bool has(unsigned flag) const { return (flags & flag) != 0; }
  // The first of this type; NULL when there is none.
  const struct raft_message* find(unsigned short type, raft_id to = 0) const {
    for (const struct raft_message& message : messages)
      if (message.type == type && (to == 0 || message.server_id == to)) return &message;
    return nullptr;
  }
};

class Node {
 public:
  explicit Node(raft_id id) : id_(id) {
    EXPECT_EQ(raft_init(&raft_, id, address_of(id).c_str()), 0) << raft_errmsg(&raft_);
  }
  ~Node() { raft_close(&raft_); }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  struct raft* get() {
    return &raft_;
  }
  raft_id id() const { return id_; }
  raft_time now = 1000;

  struct raft_event event(unsigned char type) const {
    struct raft_event event {};
    event.type = type;
    event.time = now;
    event.capacity = capacity;
    return event;
  }
  unsigned short capacity = 0;

  // Steps, and copies the update.
  int try_step(struct raft_event& event, Update* copy) {
    struct raft_update update;
    memset(&update, 0xff, sizeof update);
    const int error = raft_step(&raft_, &event, &update);
    *copy = {};
    copy->flags = update.flags;
    if (error != 0) {
      EXPECT_EQ(update.flags, 0u);
      EXPECT_STRNE(raft_errmsg(&raft_), "");
      return error;
    }
    if (copy->has(RAFT_UPDATE_ENTRIES)) take_entries(update, copy);
    if (copy->has(RAFT_UPDATE_SNAPSHOT)) take_snapshot(update, copy);
    if (copy->has(RAFT_UPDATE_MESSAGES)) {
      EXPECT_GT(update.messages.n, 0u);
      copy->messages.assign(update.messages.batch, update.messages.batch + update.messages.n);
      for (const struct raft_message& message : copy->messages)
        EXPECT_EQ(message.server_address, address_of(message.server_id));
    }
    return 0;
  }
  Update step(struct raft_event& event) {
    Update update;
    EXPECT_EQ(try_step(event, &update), 0) << raft_errmsg(&raft_);
    return update;
  }

  // With what is on `log`; a snapshot in front of it when `metadata` is given.
  int try_start(raft_term term, raft_id vote, Update* update,
                struct raft_snapshot_metadata* metadata = nullptr) {
    struct raft_event start = event(RAFT_START);
    EntryArray entries(log);
    start.start.term = term;
    start.start.voted_for = vote;
    start.start.metadata = metadata;
    start.start.start_index = first_index;
    start.start.entries = entries.get();
    start.start.n_entries = entries.size();
    return try_step(start, update);
  }
  Update start(raft_term term = 1, raft_id vote = 0) {
    Update update;
    EXPECT_EQ(try_start(term, vote, &update), 0) << raft_errmsg(&raft_);
    return update;
  }
  // Starts as one of these, with their configuration as the first entry.
  Update bootstrap(const std::vector<Role>& roles) {
    log = {{1, RAFT_CHANGE, Configuration(roles).encoded()}};
    return start();
  }

  int try_submit(const std::vector<StoredEntry>& entries, Update* update) {
    struct raft_event submit = event(RAFT_SUBMIT);
    EntryArray array(entries);
    submit.submit.entries = array.get();
    submit.submit.n = array.size();
    const int error = try_step(submit, update);
    if (error == 0) array.release();
    return error;
  }
  Update submit(const std::vector<StoredEntry>& entries) {
    Update update;
    EXPECT_EQ(try_submit(entries, &update), 0) << raft_errmsg(&raft_);
    return update;
  }
  Update persisted(raft_index index) {
    struct raft_event persisted = event(RAFT_PERSISTED_ENTRIES);
    persisted.persisted_entries.index = index;
    return step(persisted);
  }
  Update timeout() {
    now = raft_timeout(&raft_);
    struct raft_event timeout = event(RAFT_TIMEOUT);
    return step(timeout);
  }
  Update configuration(raft_index index, const std::vector<Role>& roles) {
    Configuration configuration(roles);
    struct raft_event applied = event(RAFT_CONFIGURATION);
    applied.configuration.index = index;
    applied.configuration.conf = *configuration.get();
    return step(applied);
  }
  int try_catch_up(raft_id id, Update* update) {
    struct raft_event catch_up = event(RAFT_CATCH_UP);
    catch_up.catch_up.server_id = id;
    return try_step(catch_up, update);
  }
  int try_transfer(raft_id id, Update* update) {
    struct raft_event transfer = event(RAFT_TRANSFER);
    transfer.transfer.server_id = id;
    return try_step(transfer, update);
  }
  int try_receive(struct raft_message message, Update* update) {
    struct raft_event receive = event(RAFT_RECEIVE);
    receive.receive.message = &message;
    return try_step(receive, update);
  }
  // `message` has its payload set; the sender's id and address are put in.
  Update receive(raft_id from, struct raft_message message) {
    const std::string address = address_of(from);
    message.server_id = from;
    message.server_address = address.c_str();
    Update update;
    EXPECT_EQ(try_receive(message, &update), 0) << raft_errmsg(&raft_);
    return update;
  }
  Update receive_entries(raft_id from, raft_term term, raft_index prev, raft_term prev_term,
                         const std::vector<StoredEntry>& entries, raft_index commit = 0) {
    EntryArray array(entries);
    struct raft_message message {};
    message.type = RAFT_APPEND_ENTRIES;
    message.append_entries = {0, term, prev, prev_term, commit, array.get(), array.size()};
    const std::string address = address_of(from);
    message.server_id = from;
    message.server_address = address.c_str();
    Update update;
    const int error = try_receive(message, &update);
    EXPECT_EQ(error, 0) << raft_errmsg(&raft_);
    if (error == 0) array.release();
    return update;
  }

  // What is stored, from first_index on.
  raft_index first_index = 1;
  std::vector<StoredEntry> log;

 private:
  void take_entries(struct raft_update& update, Update* copy) {
    EXPECT_GT(update.entries.n, 0u);
    copy->first = update.entries.index;
    EXPECT_GE(update.entries.index, first_index);
    EXPECT_LE(update.entries.index, first_index + log.size());
    log.resize(update.entries.index - first_index);
    const void* before = nullptr;
    for (unsigned i = 0; i < update.entries.n; i++) {
      const struct raft_entry& entry = update.entries.batch[i];
      copy->entries.push_back(
          {entry.term, entry.type, std::string(static_cast<const char*>(entry.buf.base), entry.buf.len)});
    }
    for (unsigned i = 0; i < update.entries.n; i++) {
      if (update.entries.batch[i].batch != before) raft_free(update.entries.batch[i].batch);
      before = update.entries.batch[i].batch;
    }
    raft_free(update.entries.batch);
    log.insert(log.end(), copy->entries.begin(), copy->entries.end());
  }
  static void take_snapshot(const struct raft_update& update, Update* copy) {
    const struct raft_snapshot_metadata& metadata = update.snapshot.metadata;
    copy->snapshot_index = metadata.index;
    copy->snapshot_term = metadata.term;
    copy->snapshot_configuration_index = metadata.configuration_index;
    for (unsigned i = 0; i < metadata.configuration.n; i++) {
      const struct raft_server& server = metadata.configuration.servers[i];
      copy->snapshot_members.push_back({server.id, server.role});
      EXPECT_EQ(server.address, address_of(server.id));
    }
    EXPECT_EQ(update.snapshot.offset, 0u);
    copy->snapshot_last = update.snapshot.last;
    copy->snapshot_data.assign(static_cast<const char*>(update.snapshot.chunk.base),
                               update.snapshot.chunk.len);
    raft_free(update.snapshot.chunk.base);
  }

  raft_id id_;
  struct raft raft_ {};
};

// Nodes that store at once and whose messages arrive in order, until a filter drops them.
class Cluster {
 public:
  explicit Cluster(std::vector<Role> roles) : roles_(std::move(roles)) {
    for (const Role& role : roles_) add(role.id);
    for (const Role& role : roles_) handle(role.id, node(role.id).bootstrap(roles_));
  }

  Node& add(raft_id id) {
    nodes_[id] = std::make_unique<Node>(id);
    return *nodes_[id];
  }
  Node& node(raft_id id) { return *nodes_.at(id); }

  // Does what the update says, and delivers until nothing is under way.
  void handle(raft_id id, const Update& update) {
    take(id, update);
    settle();
  }
  void settle() {
    for (int i = 0; !queue_.empty(); i++) {
      ASSERT_LT(i, 100000) << "messages without end";
      const Packet packet = std::move(queue_.front());
      queue_.pop_front();
      if (nodes_.count(packet.to) == 0 || (drops && drops(packet.from, packet.to, packet.message))) continue;
      deliver(packet);
    }
  }
  void elect(raft_id id) {
    for (auto& [other, member] : nodes_) member->now = std::max(member->now, raft_timeout(node(id).get()));
    node(id).now = raft_timeout(node(id).get());
    handle(id, node(id).timeout());
    ASSERT_EQ(raft_state(node(id).get()), RAFT_LEADER);
  }
  // Time passes for all, and what is due is fed.
  void pass(raft_time ms) {
    for (auto& [id, member] : nodes_) {
      member->now += ms;
      if (raft_state(member->get()) == RAFT_UNAVAILABLE || raft_timeout(member->get()) > member->now)
        continue;
      struct raft_event timeout = member->event(RAFT_TIMEOUT);
      take(id, member->step(timeout));
    }
    settle();
  }
  void heartbeat(raft_id leader) {
    node(leader).now = raft_timeout(node(leader).get());
    for (auto& [id, member] : nodes_) member->now = std::max(member->now, node(leader).now);
    struct raft_event timeout = node(leader).event(RAFT_TIMEOUT);
    handle(leader, node(leader).step(timeout));
  }

  // True for a message that is lost.
  std::function<bool(raft_id from, raft_id to, const struct raft_message&)> drops;
  std::string snapshot_data = "state";
  // Of the last snapshot that the cluster's program took, with its members.
  raft_index snapshot_index = 0;
  raft_term snapshot_term = 0;
  raft_index snapshot_configuration_index = 0;

 private:
  struct Packet {
    raft_id from;
    raft_id to;
    struct raft_message message;
    std::vector<StoredEntry> entries;
  };

  void take(raft_id id, const Update& update) {
    Node& self = node(id);
    for (const struct raft_message& message : update.messages) {
      Packet packet{id, message.server_id, message, {}};
      if (message.type == RAFT_APPEND_ENTRIES) {
        EXPECT_EQ(message.append_entries.entries, nullptr);
        const raft_index first = message.append_entries.prev_log_index + 1;
        for (unsigned i = 0; i < message.append_entries.n_entries; i++)
          packet.entries.push_back(self.log.at(first + i - self.first_index));
      }
      queue_.push_back(std::move(packet));
    }
    if (update.has(RAFT_UPDATE_ENTRIES)) take(id, self.persisted(update.first + update.entries.size() - 1));
    if (update.has(RAFT_UPDATE_SNAPSHOT)) {
      self.log.clear();
      self.first_index = update.snapshot_index + 1;
      Configuration members(update.snapshot_members);
      struct raft_event persisted = self.event(RAFT_PERSISTED_SNAPSHOT);
      persisted.persisted_snapshot.metadata = {update.snapshot_index, update.snapshot_term, *members.get(),
                                               update.snapshot_configuration_index};
      persisted.persisted_snapshot.last = true;
      take(id, self.step(persisted));
    }
  }
  void deliver(const Packet& packet) {
    if (packet.message.type == RAFT_APPEND_ENTRIES) {
      const struct raft_append_entries& append = packet.message.append_entries;
      take(packet.to,
           node(packet.to).receive_entries(packet.from, append.term, append.prev_log_index,
                                           append.prev_log_term, packet.entries, append.leader_commit));
      return;
    }
    struct raft_message message = packet.message;
    Configuration members(roles_);
    if (message.type == RAFT_INSTALL_SNAPSHOT) {
      EXPECT_EQ(message.install_snapshot.conf.n, 0u);
      EXPECT_EQ(message.install_snapshot.data.base, nullptr);
      EXPECT_EQ(message.install_snapshot.conf_index, snapshot_configuration_index);
      message.install_snapshot.conf = *members.get();
      message.install_snapshot.data = {raft_malloc(snapshot_data.size()), snapshot_data.size()};
      memcpy(message.install_snapshot.data.base, snapshot_data.data(), snapshot_data.size());
    }
    take(packet.to, node(packet.to).receive(packet.from, message));
  }

  std::vector<Role> roles_;
  std::map<raft_id, std::unique_ptr<Node>> nodes_;
  std::deque<Packet> queue_;
};

inline const std::vector<Role> kThree = {{1, RAFT_VOTER}, {2, RAFT_VOTER}, {3, RAFT_VOTER}};

inline std::vector<StoredEntry> commands(int count, const std::string& text = "command") {
  return std::vector<StoredEntry>(static_cast<size_t>(count), {0, RAFT_COMMAND, text});
}

}  // namespace craft_test

#endif  // POLYRAFT_TEST_CRAFT_HARNESS_H_
