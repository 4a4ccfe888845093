#include "kv_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char* name;
  enum kv_verb verb;
  /* Arguments; the last takes the rest of the line. */
  int arguments;
} verbs[] = {
    {"SET", KV_VERB_SET, 2},           {"DEL", KV_VERB_DEL, 1},           {"GET", KV_VERB_GET, 1},
    {"MEMBERS", KV_VERB_MEMBERS, 0},   {"ADD", KV_VERB_ADD, 2},           {"REMOVE", KV_VERB_REMOVE, 1},
    {"TRANSFER", KV_VERB_TRANSFER, 1}, {"SNAPSHOT", KV_VERB_SNAPSHOT, 0}, {"STATUS", KV_VERB_STATUS, 0},
    {"LEADER", KV_VERB_LEADER, 0},     {"DIGEST", KV_VERB_DIGEST, 0},
};

bool kv_parse_number(const char* text, uint64_t* number) {
  if (text == NULL || text[0] == '\0' || strspn(text, "0123456789") != strlen(text)) return false;
  errno = 0;
  *number = strtoull(text, NULL, 10);
  return errno == 0;
}

/* Cuts the line at the next space, and returns what follows it; NULL when nothing does. */
static char* cut(char* text) {
  char* const space = strchr(text, ' ');
  if (space == NULL) return NULL;
  *space = '\0';
  return space + 1;
}

/* Cuts a dot off the same way. */
static char* cut_dot(char* text) {
  char* const dot = strchr(text, '.');
  if (dot == NULL) return NULL;
  *dot = '\0';
  return dot + 1;
}

static bool parse_id(struct kv_request* request, char* text) {
  char* const sequence = cut_dot(text);
  char* const oldest = sequence == NULL ? NULL : cut_dot(sequence);
  uint64_t numbers[3] = {0, 0, 0};
  if (!kv_parse_number(text, &numbers[0]) || !kv_parse_number(sequence, &numbers[1])) return false;
  numbers[2] = numbers[1];
  if (oldest != NULL && !kv_parse_number(oldest, &numbers[2])) return false;
  if (numbers[1] == 0 || numbers[2] > numbers[1]) return false;
  request->client = numbers[0];
  request->sequence = numbers[1];
  request->oldest = numbers[2];
  return true;
}

const char* kv_request_parse(struct kv_request* request, char* line) {
  memset(request, 0, sizeof *request);
  char* const verb = cut(line);
  if (!parse_id(request, line)) return "a line begins with its id: <client>.<sequence>[.<oldest>]";
  if (verb == NULL)
    return "a verb follows the id: SET, DEL, GET, MEMBERS, ADD, REMOVE, TRANSFER, SNAPSHOT, STATUS";
  char* const rest = cut(verb);
  for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
    if (strcmp(verb, verbs[i].name) != 0) continue;
    request->verb = verbs[i].verb;
    request->first = rest;
    if (verbs[i].arguments == 2 && rest != NULL) request->second = cut(rest);
    if (verbs[i].arguments > 0 && (rest == NULL || rest[0] == '\0')) return "an argument is missing";
    if (verbs[i].arguments == 2 && request->second == NULL) return "the second argument is missing";
    if (verbs[i].arguments == 0 && rest != NULL) return "this verb has no arguments";
    return NULL;
  }
  return "this verb is not known";
}
