/*
 * The line protocol. A request is one line, its answer another:
 *
 *   <client>.<sequence>[.<oldest>] VERB [argument ...]
 *   <client>.<sequence> OK [result]
 *   <client>.<sequence> ERR <code> <text>
 *
 *   SET key value       the value is the rest of the line     OK
 *   DEL key                                                   OK 1, or OK 0 when there was no such key
 *   GET key                                                   OK value, or ERR NOKEY
 *   MEMBERS             the others                            OK JSON, as of RAFT_GetPeersStatus
 *   ADD id url, REMOVE id                                     OK index
 *   TRANSFER id         makes that server the leader          OK id
 *   SNAPSHOT                                                  OK index
 *   STATUS              members, role, term, ...              OK JSON, as of RAFT_GetStatus
 *   LEADER                                                    OK leader=id (0: none) role=own role
 *   DIGEST                                                    OK applied=N keys=N writes=N repeats=N digest=H
 *
 * Client is a number that no other client uses, sequence counts its requests from 1 on. Whoever gets no
 * answer, or ERR RETRY or ERR BUSY, sends the same line again, to any server: a write is carried out once.
 * `oldest` is the client's first sequence that it has no answer to, by default the request's own (it sends
 * one after another); at most KV_WINDOW above it may be open.
 *
 * Codes: BAD the line is wrong; RETRY the write may or may not take effect, or the server has no leader; BUSY
 * no room now; NOKEY; WINDOW the sequence is too far above the oldest; FAILED it will not work this way.
 */
#ifndef KV_REQUEST_H
#define KV_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kv_verb {
  KV_VERB_SET,
  KV_VERB_DEL,
  KV_VERB_GET,
  KV_VERB_MEMBERS,
  KV_VERB_ADD,
  KV_VERB_REMOVE,
  KV_VERB_TRANSFER,
  KV_VERB_SNAPSHOT,
  KV_VERB_STATUS,
  KV_VERB_LEADER,
  KV_VERB_DIGEST
};

struct kv_request {
  uint64_t client;
  uint64_t sequence;
  uint64_t oldest;
  enum kv_verb verb;
  /* Key, or id; then value, or URL. Inside the line; NULL when the verb has none. */
  char* first;
  char* second;
};

/* Splits a line in place. NULL when it is right, else what is wrong; client and sequence are 0 when they
 * could not be read. */
const char* kv_request_parse(struct kv_request* request, char* line);

/* A whole number of decimal digits; false when it is none, or does not fit 64 bits. */
bool kv_parse_number(const char* text, uint64_t* number);

#endif
