#include "api/libraft_config.h"

#include <getopt.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "api/libraft_arena.h"

namespace polyraft::libraft {

namespace {

template <size_t N>
bool ends(const char (&text)[N]) {
  return std::memchr(text, '\0', N) != nullptr;
}

constexpr char kBackends[][16] = {"boltdb", "mdb", "inmem"};

}  // namespace

bool is_in_memory(const RaftConfig& config) {
  return config.base_dir[0] == '\0' || std::strcmp(config.backend_type, "inmem") == 0;
}

bool check_config(const RaftConfig& config, std::string* error) {
  const char* unended = nullptr;
  if (!ends(config.shm_path)) unended = "shm_path";
  if (!ends(config.backend_type)) unended = "backend_type";
  if (!ends(config.base_dir)) unended = "base_dir";
  if (!ends(config.peers)) unended = "peers";
  if (!ends(config.LogOutput)) unended = "LogOutput";
  if (unended != nullptr) {
    *error = std::string("RaftConfig: ") + unended + " does not end with NUL inside its array";
    return false;
  }
  if (config.shm_size < Arena::kBytesMin || config.shm_size > Arena::kBytesMax) {
    *error = "RaftConfig: shm_size is " + std::to_string(config.shm_size) + ", outside " +
             std::to_string(Arena::kBytesMin) + ".." + std::to_string(Arena::kBytesMax);
    return false;
  }
  if (config.api_workers < 1) {
    *error = "RaftConfig: api_workers is 0, must be at least 1";
    return false;
  }
  if (std::none_of(std::begin(kBackends), std::end(kBackends),
                   [&](const char* name) { return std::strcmp(config.backend_type, name) == 0; })) {
    *error = std::string("RaftConfig: backend_type is \"") + config.backend_type +
             "\"; use \"boltdb\", \"mdb\" or \"inmem\"";
    return false;
  }
  return true;
}

std::string config_text(const RaftConfig& config, const std::string& directory) {
  const char* const advertise = std::getenv("POLYRAFT_ADVERTISE");
  const nlohmann::ordered_json members = {
      {"directory", directory},
      {"advertise", advertise != nullptr ? advertise : ""},
      {"listen_port", config.listen_port},
      {"peers", config.peers},
      {"max_command_bytes", kCommandBytesMax},
      {"HeartbeatTimeout", config.HeartbeatTimeout},
      {"ElectionTimeout", config.ElectionTimeout},
      {"CommitTimeout", config.CommitTimeout},
      {"MaxAppendEntries", config.MaxAppendEntries},
      {"TrailingLogs", config.TrailingLogs},
      {"SnapshotInterval", config.SnapshotInterval},
      {"SnapshotThreshold", config.SnapshotThreshold},
      {"EnableSingleNode", config.EnableSingleNode},
      {"LeaderLeaseTimeout", config.LeaderLeaseTimeout},
      {"RetainSnapshots", config.RetainSnapshots},
  };
  const nlohmann::ordered_json whole = {{"libraft", members}};
  return whole.dump();
}

namespace {

enum Option {
  kShmPath = 0x100,
  kShmSize,
  kBackendType,
  kDirectory,
  kPort,
  kSingle,
  kPeers,
  kVerbose,
  kOptionEnd,
};

const option kOptions[] = {
    {"shm-path", required_argument, nullptr, kShmPath},
    {"shm-size", required_argument, nullptr, kShmSize},
    {"backend-type", required_argument, nullptr, kBackendType},
    {"dir", required_argument, nullptr, kDirectory},
    {"port", required_argument, nullptr, kPort},
    {"single", no_argument, nullptr, kSingle},
    {"peers", required_argument, nullptr, kPeers},
    {"verbose", no_argument, nullptr, kVerbose},
    {"", 0, nullptr, 0},
};

int refuse(int value, const std::string& why) {
  std::fprintf(stderr, "--%s: %s\n", kOptions[value - kShmPath].name, why.c_str());
  return 1;
}

template <size_t N>
int copy_text(int value, const char* text, char (&target)[N]) {
  const size_t length = std::strlen(text);
  if (length >= N) return refuse(value, "longer than " + std::to_string(N - 1) + " bytes");
  std::memcpy(target, text, length + 1);
  return 0;
}

// A whole number, then at most one letter of `suffixes`, each of which multiplies by 1024 once more than the
// one before.
bool read_number(const char* text, const char* suffixes, uint64_t* number) {
  if (*text < '0' || *text > '9') return false;
  char* end = nullptr;
  errno = 0;
  unsigned long long value = std::strtoull(text, &end, 10);
  if (errno != 0) return false;
  if (*end != '\0') {
    const char* const suffix = std::strchr(suffixes, *end | 0x20);
    if (suffix == nullptr || end[1] != '\0') return false;
    for (const char* step = suffixes; step <= suffix; step++) {
      if (value > ULLONG_MAX / 1024) return false;
      value *= 1024;
    }
  }
  *number = value;
  return true;
}

}  // namespace

}  // namespace polyraft::libraft

using namespace polyraft::libraft;

void raft_default_config(RaftConfig* config) {
  if (config == nullptr) return;
  constexpr uint64_t kMillisecond = 1000000;
  RaftConfig defaults{};
  std::strcpy(defaults.shm_path, "/tmp/raft_shm");
  defaults.shm_size = uint64_t{64} << 20;
  std::strcpy(defaults.backend_type, "boltdb");
  defaults.api_workers = 4;
  defaults.listen_port = 9001;
  defaults.HeartbeatTimeout = 1000 * kMillisecond;
  defaults.ElectionTimeout = 1000 * kMillisecond;
  defaults.CommitTimeout = 50 * kMillisecond;
  defaults.MaxAppendEntries = 64;
  defaults.ShutdownOnRemove = true;
  defaults.DisableBootstrapAfterElect = true;
  defaults.TrailingLogs = 10240;
  defaults.SnapshotInterval = 120000 * kMillisecond;
  defaults.SnapshotThreshold = 8192;
  defaults.LeaderLeaseTimeout = 500 * kMillisecond;
  defaults.RetainSnapshots = 8;
  *config = defaults;
}

const struct option* raft_getopt_long_opts(void) {
  return kOptions;
}

bool is_raft_option(int value) {
  return value >= kShmPath && value < kOptionEnd;
}

int raft_apply_option(RaftConfig* config, int value, const char* arg) {
  if (config == nullptr || !is_raft_option(value)) {
    std::fprintf(stderr,
                 config == nullptr ? "raft_apply_option: config is NULL\n"
                                   : "raft_apply_option: %d is none of its options\n",
                 value);
    return 1;
  }
  if (arg == nullptr && kOptions[value - kShmPath].has_arg == required_argument)
    return refuse(value, "needs an argument");
  uint64_t number = 0;
  switch (value) {
    case kShmPath:
      return copy_text(value, arg, config->shm_path);
    case kShmSize:
      if (!read_number(arg, "kmg", &number))
        return refuse(value, "must be a number, with k, m or g after it");
      config->shm_size = number;
      return 0;
    case kBackendType:
      return copy_text(value, arg, config->backend_type);
    case kDirectory:
      return copy_text(value, arg, config->base_dir);
    case kPort:
      if (!read_number(arg, "", &number) || number < 1 || number > UINT16_MAX)
        return refuse(value, "must be a port, 1 to 65535");
      config->listen_port = static_cast<uint16_t>(number);
      return 0;
    case kSingle:
      config->EnableSingleNode = true;
      return 0;
    case kPeers:
      return copy_text(value, arg, config->peers);
    default:
      config->verbose = true;
      return 0;
  }
}
