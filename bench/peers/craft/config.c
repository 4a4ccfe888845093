#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 16 };

static const char* skip_space(const char* at) {
  while (isspace((unsigned char)*at)) at++;
  return at;
}

/* Behind a string whose opening quote is at `at`; NULL when it has no end. */
static const char* skip_string(const char* at) {
  for (at++; *at != '"'; at++) {
    if (*at == '\\' && at[1] != '\0') at++;
    if (*at == '\0') return NULL;
  }
  return at + 1;
}

/* Behind any JSON value; NULL when it has no end. */
static const char* skip_value(const char* at) {
  int depth = 0;
  do {
    if (*at == '\0') return NULL;
    if (*at == '"') {
      at = skip_string(at);
      if (at == NULL) return NULL;
    } else {
      if (*at == '{' || *at == '[') depth++;
      if (*at == '}' || *at == ']') depth--;
      at++;
    }
  } while (depth > 0 || (*at != ',' && *at != '}' && *at != ']' && *at != '\0'));
  return at;
}

/* The value of a key of the object that begins at `at`; NULL without one. */
static const char* member_of(const char* at, const char* key) {
  const size_t length = strlen(key);
  if (at == NULL || *(at = skip_space(at)) != '{') return NULL;
  at = skip_space(at + 1);
  while (*at == '"') {
    const char* const name = at + 1;
    at = skip_string(at);
    if (at == NULL) return NULL;
    const bool is_wanted = (size_t)(at - 1 - name) == length && strncmp(name, key, length) == 0;
    at = skip_space(at);
    if (*at != ':') return NULL;
    at = skip_space(at + 1);
    if (is_wanted) return at;
    at = skip_value(at);
    if (at == NULL || *at != ',') return NULL;
    at = skip_space(at + 1);
  }
  return NULL;
}

static bool read_number(const char* at, uint64_t* number) {
  char* end;
  if (at == NULL || !isdigit((unsigned char)*at)) return false;
  errno = 0;
  *number = strtoull(at, &end, 10);
  return errno == 0;
}

static bool read_text(const char* at, char* text, size_t bytes) {
  if (at == NULL || *at != '"') return false;
  const char* const end = skip_string(at);
  if (end == NULL || (size_t)(end - at - 1) > bytes) return false;
  memcpy(text, at + 1, (size_t)(end - at - 2));
  text[end - at - 2] = '\0';
  return true;
}

static bool read_peers(const char* at, struct config* config) {
  char url[CONFIG_ADDRESS_BYTES];
  if (at == NULL || *at != '[') return false;
  for (at = skip_space(at + 1); *at == '{'; at = skip_space(at + (*at == ','))) {
    if (config->peers_count == CONFIG_PEERS_MAX) return false;
    struct config_peer* const peer = &config->peers[config->peers_count++];
    if (!read_number(member_of(at, "id"), &peer->id) || !read_text(member_of(at, "url"), url, sizeof url))
      return false;
    if (sscanf(url, "http://%63[^/]", peer->address) != 1) return false;
    at = skip_value(at);
    if (at == NULL) return false;
  }
  return config->peers_count != 0;
}

static bool parse(const char* text, struct config* config, char error[CONFIG_ERROR_BYTES]) {
  struct {
    const char* key;
    uint64_t* number;
  } const counts[] = {
      {"tickms", &config->tick_ms},
      {"election_tick", &config->election_ticks},
      {"heartbeat_tick", &config->heartbeat_ticks},
      {"snap_count", &config->snapshot_count},
      {"snapshot_entries", &config->snapshot_entries},
  };
  const char* wrong = NULL;
  if (!read_number(member_of(text, "id"), &config->id)) wrong = "id: a whole number is required";
  if (!read_text(member_of(text, "waldir"), config->log_directory, sizeof config->log_directory))
    wrong = "waldir: a path of at most 1,023 bytes is required";
  if (!read_peers(member_of(text, "peers"), config))
    wrong = "peers: 1 to 16 members as {\"id\": 1, \"url\": \"http://127.0.0.1:9001\"} are required";
  else if (config_address(config, config->id) == NULL)
    wrong = "peers: the own id must be there";
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    const char* const at = member_of(text, counts[i].key);
    if (at == NULL || read_number(at, counts[i].number)) continue;
    snprintf(error, CONFIG_ERROR_BYTES, "%s: must be a whole number", counts[i].key);
    return false;
  }
  if (wrong == NULL) return true;
  snprintf(error, CONFIG_ERROR_BYTES, "%s", wrong);
  return false;
}

bool config_read(const char* path, struct config* config, char error[CONFIG_ERROR_BYTES]) {
  static char text[FILE_BYTES_MAX];
  FILE* const file = fopen(path, "re");
  if (file == NULL) {
    snprintf(error, CONFIG_ERROR_BYTES, "%.128s: %s", path, strerror(errno));
    return false;
  }
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  fclose(file);
  *config = (struct config){.tick_ms = 100,
                            .election_ticks = 10,
                            .heartbeat_ticks = 1,
                            .snapshot_count = 10000,
                            .snapshot_entries = 1000};
  return parse(text, config, error);
}

const char* config_address(const struct config* config, uint64_t id) {
  for (size_t i = 0; i < config->peers_count; i++)
    if (config->peers[i].id == id) return config->peers[i].address;
  return NULL;
}
