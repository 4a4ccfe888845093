/* What this peer takes of a polyraft configuration file. */
#ifndef BENCH_CRAFT_CONFIG_H
#define BENCH_CRAFT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_PEERS_MAX = 16, CONFIG_PATH_BYTES = 1024, CONFIG_ADDRESS_BYTES = 64, CONFIG_ERROR_BYTES = 256 };

struct config_peer {
  uint64_t id;
  /* Host and port, as the library's TCP transport takes it. */
  char address[CONFIG_ADDRESS_BYTES];
};

struct config {
  uint64_t id;
  char log_directory[CONFIG_PATH_BYTES];
  struct config_peer peers[CONFIG_PEERS_MAX];
  size_t peers_count;
  uint64_t tick_ms;
  uint64_t election_ticks;
  uint64_t heartbeat_ticks;
  /* Applied entries between snapshots, 0 for none, and entries that stay behind one. */
  uint64_t snapshot_count;
  uint64_t snapshot_entries;
};

/* Reads a file; false with a text that names what is wrong. Missing counts have polyraft's defaults. */
bool config_read(const char* path, struct config* config, char error[CONFIG_ERROR_BYTES]);

/* The address of a member; NULL when it is none. */
const char* config_address(const struct config* config, uint64_t id);

#endif
