#include "craft/members.h"

#include <cstring>
#include <string_view>
#include <unordered_set>

namespace polyraft::craft {

namespace {

// 1 byte of format, 8 bytes of count; then a server: 8 bytes of id, an address with its end, 1 byte of role.
constexpr uint8_t kFormat = 1;
constexpr size_t kHeaderBytes = 9;
constexpr size_t kServerBytesMin = 10;

uint64_t read_little_endian(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; i--) value = value << 8 | bytes[i];
  return value;
}

bool is_role(int role) {
  return role == RAFT_STANDBY || role == RAFT_VOTER || role == RAFT_SPARE;
}

}  // namespace

const Member* Members::find(raft_id id) const {
  for (const Member& member : list)
    if (member.id == id) return &member;
  return nullptr;
}

size_t Members::voters() const {
  size_t count = 0;
  for (const Member& member : list) count += member.role == RAFT_VOTER ? 1 : 0;
  return count;
}

int copy_members(const struct raft_configuration& source, Members* target) {
  if (source.n == 0 || source.servers == nullptr) return RAFT_INVALID;
  std::unordered_set<raft_id> ids;
  std::unordered_set<std::string_view> addresses;
  target->list.clear();
  target->list.reserve(source.n);
  for (unsigned i = 0; i < source.n; i++) {
    const struct raft_server& server = source.servers[i];
    if (server.id == 0) return RAFT_BADID;
    if (server.address == nullptr) return RAFT_INVALID;
    if (!is_role(server.role)) return RAFT_BADROLE;
    if (!ids.insert(server.id).second) return RAFT_DUPLICATEID;
    if (!addresses.insert(server.address).second) return RAFT_DUPLICATEADDRESS;
    target->list.push_back({server.id, server.address, server.role});
  }
  return 0;
}

int decode_members(const void* data, size_t size, Members* target) {
  const auto* const bytes = static_cast<const uint8_t*>(data);
  if (bytes == nullptr || size < kHeaderBytes || bytes[0] != kFormat) return RAFT_MALFORMED;
  const uint64_t count = read_little_endian(bytes + 1);
  if (count == 0 || count > (size - kHeaderBytes) / kServerBytesMin) return RAFT_MALFORMED;
  std::unordered_set<raft_id> ids;
  std::unordered_set<std::string> addresses;
  target->list.clear();
  target->list.reserve(count);
  size_t at = kHeaderBytes;
  for (uint64_t i = 0; i < count; i++) {
    if (size - at < kServerBytesMin) return RAFT_MALFORMED;
    const raft_id id = read_little_endian(bytes + at);
    at += 8;
    const auto* const end = static_cast<const uint8_t*>(memchr(bytes + at, 0, size - at));
    if (end == nullptr) return RAFT_MALFORMED;
    std::string address(reinterpret_cast<const char*>(bytes + at), static_cast<size_t>(end - (bytes + at)));
    at += address.size() + 1;
    if (at == size) return RAFT_MALFORMED;
    const int role = bytes[at++];
    if (id == 0 || !is_role(role) || !ids.insert(id).second || !addresses.insert(address).second)
      return RAFT_MALFORMED;
    target->list.push_back({id, std::move(address), role});
  }
  return 0;
}

const Members& MembersLog::effective() const {
  static const Members kNone;
  return list_.empty() ? kNone : list_.back();
}

const Members& MembersLog::at(raft_index index) const {
  static const Members kNone;
  const Members* found = &kNone;
  for (const Members& members : list_)
    if (members.index <= index) found = &members;
  return *found;
}

void MembersLog::truncate(raft_index index) {
  while (!list_.empty() && list_.back().index >= index) list_.pop_back();
}

void MembersLog::restart(Members members) {
  list_.clear();
  list_.push_back(std::move(members));
}

void MembersLog::settle(raft_index commit) {
  while (list_.size() > 1 && list_[1].index <= commit) list_.pop_front();
}

}  // namespace polyraft::craft
