/**
 * Types of the libraft interface (raft_c_if.h): configuration, states, log types, errors.
 */
#ifndef RAFT_DEFS_H
#define RAFT_DEFS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Configuration of raft_init. Begin with raft_default_config. Texts end with NUL inside their array.
 * Durations are nanoseconds. raft_init checks every rule below, and names the member that breaks one.
 */
typedef struct RaftConfig {
  /**
   * Accepted and not used: the memory shared with the engine is anonymous, so that programs with the same
   * path do not meet, and nothing is left behind. Default "/tmp/raft_shm".
   */
  char shm_path[256];
  /** Bytes that alloc_raft_buffer hands out, rounded up to pages: 64 KiB to 2 GiB. Default 64 MiB. */
  uint64_t shm_size;
  /**
   * "inmem": nothing outlives the program. "boltdb" and "mdb": the write-ahead log of polyraft in base_dir;
   * the name is noted in the log, once. Default "boltdb".
   */
  char backend_type[16];
  /**
   * Directory of log, snapshots and membership; created when missing. Empty: as "inmem". One node at a time
   * uses it. Default "".
   */
  char base_dir[256];
  /** Accepted and not used: no call waits for another. At least 1. Default 4. */
  uint32_t api_workers;
  /** Writes more to the log. Default false. */
  bool verbose;
  /** Where this node listens for its peers: 127.0.0.1, or the address in POLYRAFT_ADVERTISE. Default 9001. */
  uint16_t listen_port;
  /**
   * The other nodes, "host:port" with commas between. All nodes are started with the same set (each without
   * itself). Empty: a cluster of one (EnableSingleNode), or else a node that waits until a leader adds it.
   * Used at the first start; later the members come from the log. Default "".
   */
  char peers[256];

  /** How long a follower waits for its leader before it stands for election. At least 5 ms. Default 1 s. */
  uint64_t HeartbeatTimeout;
  /**
   * At least 5 ms and HeartbeatTimeout. Checked and not used: an election that nobody won is held again after
   * HeartbeatTimeout. Default 1 s.
   */
  uint64_t ElectionTimeout;
  /**
   * At least 1 ms. An upper bound that is always kept: followers are told of a commit at once.
   * Default 50 ms.
   */
  uint64_t CommitTimeout;
  /** 1 to 1024. Checked and not used: append messages are bounded in bytes. Default 64. */
  uint32_t MaxAppendEntries;
  /** A node that has been removed from the cluster shuts down; else it stays, as a follower. Default true. */
  bool ShutdownOnRemove;
  /** Accepted: a node that has been removed never elects itself here, whatever this says. Default true. */
  bool DisableBootstrapAfterElect;
  /** Log entries kept behind a snapshot, for followers that are a little behind. Default 10240. */
  uint64_t TrailingLogs;
  /** Least time between automatic snapshots. At least 5 ms. Default 2 min. */
  uint64_t SnapshotInterval;
  /** Entries since the last snapshot that make another one due. Default 8192. */
  uint64_t SnapshotThreshold;
  /** With no peers: elects itself. Default false. */
  bool EnableSingleNode;
  /**
   * How long a leader goes on without contact to a majority. At least 5 ms, at most HeartbeatTimeout.
   * Default 500 ms.
   */
  uint64_t LeaderLeaseTimeout;
  /** File that the log is appended to; empty: standard error. Default "". */
  char LogOutput[256];

  /** Snapshots kept in base_dir, at least 1 (two are kept then: one may be on its way). Default 8. */
  uint32_t RetainSnapshots;
} RaftConfig;

/** Position in the log; the first entry has 1. */
typedef uint64_t RaftIndex;

typedef enum raft_state {
  /** Not known: before raft_init, or an error. */
  RAFT_INVALID_STATE,
  RAFT_FOLLOWER,
  RAFT_CANDIDATE,
  RAFT_LEADER,
  /** Shut down, or removed from the cluster (ShutdownOnRemove), or failed for good. */
  RAFT_SHUTDOWN
} RaftState;

/** What a log entry is. The state machine gets RAFT_LOG_COMMAND only. */
typedef enum raft_log_type {
  RAFT_LOG_COMMAND,
  RAFT_LOG_NOOP,
  RAFT_LOG_ADD_PEER,
  RAFT_LOG_REMOVE_PEER,
  RAFT_LOG_BARRIER
} RaftLogType;

typedef enum raft_error {
  RAFT_SUCCESS,
  /** Reserved. */
  RAFT_E_LEADER,
  /** This node is not the leader; nothing was done. */
  RAFT_E_NOT_LEADER,
  /** Leadership was lost before the outcome was known: it may still take effect. */
  RAFT_E_LEADERSHIP_LOST,
  /** The engine ended before the outcome was known: it may still take effect. */
  RAFT_E_SHUTDOWN,
  /** It could not be handed to the engine in the time given; nothing was done. */
  RAFT_E_ENQUEUE_TIMEOUT,
  RAFT_E_KNOWN_PEER,
  RAFT_E_UNKNOWN_PEER,
  /** Reserved. */
  RAFT_E_LOG_NOT_FOUND,
  /** Reserved. */
  RAFT_E_PIPELINE_REPLICATION_NOT_SUPP,
  /** Reserved. */
  RAFT_E_TRANSPORT_SHUTDOWN,
  /** Reserved. */
  RAFT_E_PIPELINE_SHUTDOWN,
  /** Another error; the log says which. */
  RAFT_E_OTHER,
  /** The call makes no sense for this future, or with these arguments. */
  RAFT_E_INVALID_OP,
  /** A pointer that is NULL, or that does not come from where it should. */
  RAFT_E_INVALID_ADDRESS,
  /** A host name has no IPv4 address. */
  RAFT_E_RESOLVE,
  /** raft_shutdown was called before, or raft_init was not. */
  RAFT_E_IN_SHUTDOWN,
  /** How many there are; no error. */
  N_RAFT_ERRORS
} RaftError;

#ifdef __cplusplus
}
#endif

#endif /* RAFT_DEFS_H */
