#include "api/libraft_config.h"

#include <getopt.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "api/json_object.h"
#include "api/libraft_arena.h"

namespace polyraft::libraft {

namespace {

template <size_t N>
bool ends(const char (&text)[N]) {
  return std::memchr(text, '\0', N) != nullptr;
}

constexpr char kBackends[][16] = {"boltdb", "mdb", "inmem"};
constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kLongest = uint64_t{24} * 60 * 60 * 1000 * kMillisecond;
constexpr uint32_t kAppendEntriesMax = 1024;

std::string number_outside(const char* member, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return {};
  return std::string(member) + " is " + std::to_string(value) + ", outside " + std::to_string(min) + ".." +
         std::to_string(max);
}

std::string duration_outside(const char* member, uint64_t value, uint64_t min_ms) {
  const std::string is = std::string(member) + " is " + std::to_string(value) + " ns, ";
  if (value < min_ms * kMillisecond) return is + "must be at least " + std::to_string(min_ms) + " ms";
  return value > kLongest ? is + "more than a day" : std::string();
}

std::string unended_text(const RaftConfig& config) {
  const char* member = nullptr;
  if (!ends(config.shm_path)) member = "shm_path";
  if (!ends(config.backend_type)) member = "backend_type";
  if (!ends(config.base_dir)) member = "base_dir";
  if (!ends(config.peers)) member = "peers";
  if (!ends(config.LogOutput)) member = "LogOutput";
  return member == nullptr ? std::string() : std::string(member) + " does not end with NUL inside its array";
}

std::string unknown_backend(const RaftConfig& config) {
  for (const char* const name : kBackends)
    if (std::strcmp(config.backend_type, name) == 0) return {};
  return std::string("backend_type is \"") + config.backend_type + "\"; use \"boltdb\", \"mdb\" or \"inmem\"";
}

std::string broken_relation(const RaftConfig& config) {
  const std::string heartbeat = " HeartbeatTimeout, " + std::to_string(config.HeartbeatTimeout);
  if (config.ElectionTimeout < config.HeartbeatTimeout)
    return "ElectionTimeout is " + std::to_string(config.ElectionTimeout) + ", below" + heartbeat;
  if (config.LeaderLeaseTimeout > config.HeartbeatTimeout)
    return "LeaderLeaseTimeout is " + std::to_string(config.LeaderLeaseTimeout) + ", above" + heartbeat;
  return {};
}

// What is wrong, beginning with the member; empty: nothing. Names are looked up by the engine.
std::string broken_rule(const RaftConfig& config) {
  // Before anything looks at a text.
  const std::string unended = unended_text(config);
  if (!unended.empty()) return unended;
  for (const std::string& why : {
           number_outside("shm_size", config.shm_size, Arena::kBytesMin, Arena::kBytesMax),
           number_outside("api_workers", config.api_workers, 1, UINT32_MAX),
           unknown_backend(config),
           number_outside("listen_port", config.listen_port, 1, UINT16_MAX),
           duration_outside("HeartbeatTimeout", config.HeartbeatTimeout, 5),
           duration_outside("ElectionTimeout", config.ElectionTimeout, 5),
           duration_outside("CommitTimeout", config.CommitTimeout, 1),
           number_outside("MaxAppendEntries", config.MaxAppendEntries, 1, kAppendEntriesMax),
           duration_outside("SnapshotInterval", config.SnapshotInterval, 5),
           number_outside("SnapshotThreshold", config.SnapshotThreshold, 1, UINT64_MAX),
           duration_outside("LeaderLeaseTimeout", config.LeaderLeaseTimeout, 5),
           broken_relation(config),
           number_outside("RetainSnapshots", config.RetainSnapshots, 1, UINT32_MAX),
       }) {
    if (!why.empty()) return why;
  }
  return {};
}

}  // namespace

bool is_in_memory(const RaftConfig& config) {
  return config.base_dir[0] == '\0' || std::strcmp(config.backend_type, "inmem") == 0;
}

bool check_config(const RaftConfig& config, std::string* error) {
  const std::string why = broken_rule(config);
  if (why.empty()) return true;
  *error = "RaftConfig: " + why;
  return false;
}

std::string config_text(const RaftConfig& config, const std::string& directory) {
  const char* const advertise = std::getenv("POLYRAFT_ADVERTISE");
  JsonObject members;
  members.set_text("directory", directory);
  members.set_text("advertise", advertise != nullptr ? advertise : "");
  members.set_whole("listen_port", config.listen_port);
  members.set_text("peers", config.peers);
  members.set_whole("max_command_bytes", kCommandBytesMax);
  members.set_whole("HeartbeatTimeout", config.HeartbeatTimeout);
  members.set_whole("ElectionTimeout", config.ElectionTimeout);
  members.set_whole("CommitTimeout", config.CommitTimeout);
  members.set_whole("MaxAppendEntries", config.MaxAppendEntries);
  members.set_whole("TrailingLogs", config.TrailingLogs);
  members.set_whole("SnapshotInterval", config.SnapshotInterval);
  members.set_whole("SnapshotThreshold", config.SnapshotThreshold);
  members.set_truth("EnableSingleNode", config.EnableSingleNode);
  members.set_whole("LeaderLeaseTimeout", config.LeaderLeaseTimeout);
  members.set_whole("RetainSnapshots", config.RetainSnapshots);
  JsonObject whole;
  whole.set_object("libraft", members);
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
    // For programs that hand the list to getopt_long as it is.
    {nullptr, 0, nullptr, 0},
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
