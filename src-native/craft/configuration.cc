// raft_configuration: servers in memory of raft_malloc, and the bytes of a RAFT_CHANGE entry.
#include <craft/raft.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "craft/members.h"

namespace {

void put_little_endian(uint8_t* target, uint64_t value) {
  for (int i = 0; i < 8; i++) target[i] = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace

extern "C" {

void raft_configuration_init(struct raft_configuration* c) {
  c->servers = nullptr;
  c->n = 0;
}

void raft_configuration_close(struct raft_configuration* c) {
  for (unsigned i = 0; i < c->n; i++) raft_free(c->servers[i].address);
  raft_free(c->servers);
  raft_configuration_init(c);
}

int raft_configuration_add(struct raft_configuration* c, raft_id id, const char* address, int role) {
  if (id == 0) return RAFT_BADID;
  if (address == nullptr) return RAFT_INVALID;
  if (role != RAFT_STANDBY && role != RAFT_VOTER && role != RAFT_SPARE) return RAFT_BADROLE;
  for (unsigned i = 0; i < c->n; i++) {
    if (c->servers[i].id == id) return RAFT_DUPLICATEID;
    if (strcmp(c->servers[i].address, address) == 0) return RAFT_DUPLICATEADDRESS;
  }
  const size_t bytes = strlen(address) + 1;
  auto* const copy = static_cast<char*>(raft_malloc(bytes));
  if (copy == nullptr) return RAFT_NOMEM;
  auto* const servers =
      static_cast<struct raft_server*>(raft_realloc(c->servers, (size_t{c->n} + 1) * sizeof *c->servers));
  if (servers == nullptr) {
    raft_free(copy);
    return RAFT_NOMEM;
  }
  memcpy(copy, address, bytes);
  servers[c->n] = {id, copy, role};
  c->servers = servers;
  c->n++;
  return 0;
}

int raft_configuration_encode(const struct raft_configuration* c, struct raft_buffer* buf) {
  if (c->n == 0) return RAFT_INVALID;
  size_t size = 1 + 8;
  for (unsigned i = 0; i < c->n; i++) size += 8 + strlen(c->servers[i].address) + 1 + 1;
  size = (size + 7) / 8 * 8;
  auto* const bytes = static_cast<uint8_t*>(raft_calloc(1, size));
  if (bytes == nullptr) return RAFT_NOMEM;
  uint8_t* at = bytes;
  *at++ = 1;
  put_little_endian(at, c->n);
  at += 8;
  for (unsigned i = 0; i < c->n; i++) {
    const struct raft_server& server = c->servers[i];
    const size_t address_bytes = strlen(server.address) + 1;
    put_little_endian(at, server.id);
    memcpy(at + 8, server.address, address_bytes);
    at += 8 + address_bytes;
    *at++ = static_cast<uint8_t>(server.role);
  }
  buf->base = bytes;
  buf->len = size;
  return 0;
}

int raft_configuration_decode(const struct raft_buffer* buf, struct raft_configuration* c) {
  raft_configuration_init(c);
  polyraft::craft::Members members;
  try {
    const int error = polyraft::craft::decode_members(buf->base, buf->len, &members);
    if (error != 0) return error;
  } catch (const std::bad_alloc&) {
    return RAFT_NOMEM;
  }
  const size_t count = members.list.size();
  c->servers = static_cast<struct raft_server*>(raft_malloc(count * sizeof *c->servers));
  if (c->servers == nullptr) return RAFT_NOMEM;
  for (const polyraft::craft::Member& member : members.list) {
    auto* const address = static_cast<char*>(raft_malloc(member.address.size() + 1));
    if (address == nullptr) {
      raft_configuration_close(c);
      return RAFT_NOMEM;
    }
    memcpy(address, member.address.c_str(), member.address.size() + 1);
    c->servers[c->n++] = {member.id, address, member.role};
  }
  return 0;
}
}
