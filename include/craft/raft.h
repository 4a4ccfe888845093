/**
 * raft_step: one Raft server as a pure state machine, for programs that have their own event loop, disk and
 * network.
 *
 * Library libpolyraft-craft.so, pkg-config polyraft-craft; docs/craft.md has an example.
 *
 * The program feeds events (struct raft_event) and does what each step answers (struct raft_update). A step
 * makes no input or output, starts no thread and makes no system call but the memory management (and getpid)
 * of the engine it runs in (V8, loaded by the first raft_init). Time is an argument: the same events with the
 * same times and the same seed give the same updates. The interface is C-Raft's (its `raft_step`); messages
 * and configuration bytes are the same, so a cluster may mix servers of both.
 *
 * A typical program:
 *
 *     struct raft raft;
 *     struct raft_event event = {0};
 *     struct raft_update update;
 *     raft_init(&raft, 1, "10.0.0.1:9000");
 *     raft_seed(&raft, seed);
 *     event.type = RAFT_START;              // with what the disk holds
 *     event.time = now_ms();
 *     raft_step(&raft, &event, &update);
 *     for (;;) {
 *       // 1. RAFT_UPDATE_CURRENT_TERM, RAFT_UPDATE_VOTED_FOR: store raft_current_term() and
 *       //    raft_voted_for(), synced, before anything else of this update is acted on.
 *       // 2. RAFT_UPDATE_ENTRIES: cut the stored log before entries.index and store the entries;
 *       //    when they are durable, feed RAFT_PERSISTED_ENTRIES. Then raft_free() the array, and
 *       //    each entry's `batch` when no longer needed.
 *       // 3. RAFT_UPDATE_SNAPSHOT: store the snapshot, then feed RAFT_PERSISTED_SNAPSHOT.
 *       // 4. RAFT_UPDATE_MESSAGES: send them; fill in entries or snapshot from the own log.
 *       // 5. RAFT_UPDATE_COMMIT_INDEX: apply up to raft_commit_index(); feed RAFT_CONFIGURATION
 *       //    for each RAFT_CHANGE.
 *       // 6. RAFT_UPDATE_TIMEOUT: RAFT_TIMEOUT is due at raft_timeout() now.
 *       // Then wait for a message, a client, the disk or the time, and feed that.
 *     }
 *
 * Threads. One struct raft is used by one thread at a time. The rafts that a thread has made share one
 * isolate of V8: steps of theirs are one after the other, also when they are called from several threads;
 * rafts made by different threads run in parallel. Any thread may step a raft, with 128 KiB of stack at the
 * least below the call. The functions that take no struct raft may be called by any thread at any time, but
 * for raft_heap_set.
 *
 * Memory. What a call is given is copied, or only read, where nothing else is said. Whatever changes owner is
 * allocated with raft_malloc (see raft_heap_set), and each rule stands at its field. Where raft_step returns
 * an error, nothing has changed owner.
 *
 * Integers. Ids are any unsigned 64-bit number but 0. Terms and indexes go up to 2^53 - 1, times to 2^53 - 1
 * ms; larger ones are refused as RAFT_INVALID.
 */
#ifndef POLYRAFT_CRAFT_RAFT_H
#define POLYRAFT_CRAFT_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef RAFT_API
#define RAFT_API __attribute__((visibility("default")))
#endif

/** Server id: unsigned, at least 64 bits, never 0. */
typedef unsigned long long raft_id;
/** Term of an election; 0 before the first. */
typedef unsigned long long raft_term;
/** Position in the log, from 1 on; 0 is none. */
typedef unsigned long long raft_index;
/** Milliseconds since a point in time that the program chooses; must not go back. */
typedef unsigned long long raft_time;

/* ---- errors
 * ----------------------------------------------------------------------------------------------------- */

/** Every function that returns int returns 0 or one of these, but for raft_role. */
enum {
  RAFT_NOMEM = 1,        /* An allocation failed. */
  RAFT_BADID,            /* The id names no server that this can be done with. */
  RAFT_DUPLICATEID,      /* The configuration has a server with this id. */
  RAFT_DUPLICATEADDRESS, /* The configuration has a server with this address. */
  RAFT_BADROLE,          /* The role is none of RAFT_STANDBY, RAFT_VOTER, RAFT_SPARE. */
  RAFT_MALFORMED,        /* Encoded bytes are damaged or of an unknown format. */
  RAFT_NOTLEADER,        /* Only a leader that is not handing over can do this. */
  RAFT_LEADERSHIPLOST,   /* The leader stepped down before it was done. */
  RAFT_SHUTDOWN,      /* The logs contradict each other below the commit index, or the engine has failed. */
  RAFT_CANTBOOTSTRAP, /* There is state already. */
  RAFT_CANTCHANGE,    /* A configuration change or a catch-up is under way. */
  RAFT_CORRUPT,       /* Stored data is damaged. */
  RAFT_CANCELED,      /* Given up. */
  RAFT_NAMETOOLONG,   /* An address or a name is too long. */
  RAFT_TOOBIG,        /* Data is too large. */
  RAFT_NOCONNECTION,  /* The server cannot be reached. */
  RAFT_BUSY,          /* Cannot be done at this moment; try again later. */
  RAFT_IOERR,         /* Input or output failed. */
  RAFT_NOTFOUND,      /* There is no such thing. */
  RAFT_INVALID, /* An argument, or this event at this moment, is wrong; raft_errmsg says which and why. */
  RAFT_UNAUTHORIZED, /* Access was refused. */
  RAFT_NOSPACE,      /* A majority of voters reports too little disk capacity. */
  RAFT_TOOMANY       /* A limit is reached. */
};

/** Text for an error code, static. Any number gives a text. */
RAFT_API const char* raft_strerror(int errnum);

/* ---- memory
 * ------------------------------------------------------------------------------------------------------ */

/**
 * Functions that allocate what is handed out or taken over, each as the C library's of its name; `data` is
 * passed through as it is. All must be set. They are called by whatever thread calls the library.
 */
struct raft_heap {
  void* data;
  void* (*malloc)(void* data, size_t size);
  void (*free)(void* data, void* ptr);
  void* (*calloc)(void* data, size_t nmemb, size_t size);
  void* (*realloc)(void* data, void* ptr, size_t size);
  void* (*aligned_alloc)(void* data, size_t alignment, size_t size);
  void (*aligned_free)(void* data, size_t alignment, void* ptr);
};

/** `size` bytes, the caller's; NULL when there is no memory. */
RAFT_API void* raft_malloc(size_t size);
/** Frees what raft_malloc, raft_calloc or raft_realloc has given. NULL does nothing. */
RAFT_API void raft_free(void* ptr);
/** As raft_malloc, for `nmemb` times `size` bytes of zeros. */
RAFT_API void* raft_calloc(size_t nmemb, size_t size);
/** As raft_malloc, with what `ptr` held, which is freed; NULL when there is no memory: `ptr` stays then. */
RAFT_API void* raft_realloc(void* ptr, size_t size);
/** As raft_malloc, at a multiple of `alignment` bytes, a power of two; goes to raft_aligned_free. */
RAFT_API void* raft_aligned_alloc(size_t alignment, size_t size);
/** Frees what raft_aligned_alloc has given with the same alignment. NULL does nothing. */
RAFT_API void raft_aligned_free(size_t alignment, void* ptr);

/**
 * Uses `heap`, which must live as long as it is set. To be called before anything was allocated, or when all
 * of it has been freed and all rafts are closed; not while another thread uses the library. What a raft keeps
 * for itself, and V8's memory, do not come from it.
 */
RAFT_API void raft_heap_set(struct raft_heap* heap);
/** Uses the C library's functions again. */
RAFT_API void raft_heap_set_default(void);
/** The functions in use; not to be written to. */
RAFT_API const struct raft_heap* raft_heap_get(void);

/** A run of bytes. Whose they are stands where one is used. */
struct raft_buffer {
  void* base;
  size_t len; /* bytes */
};

/* ---- configurations
 * ---------------------------------------------------------------------------------------------- */

/** What a server does in its cluster. */
enum {
  RAFT_STANDBY, /* Gets the log, does not vote. */
  RAFT_VOTER,   /* Gets the log and votes. */
  RAFT_SPARE    /* Neither. */
};

/** A member. raft never looks into addresses, but that no two are the same. */
struct raft_server {
  raft_id id;
  char* address; /* What the program reaches it by, a C string that belongs to the configuration. */
  int role;      /* RAFT_STANDBY, RAFT_VOTER or RAFT_SPARE. */
};

/** All servers of a cluster, each id and each address once. */
struct raft_configuration {
  struct raft_server* servers;
  unsigned n;
};

/** Makes an empty configuration; needs no closing as long as nothing is added. */
RAFT_API void raft_configuration_init(struct raft_configuration* c);
/** Frees its servers and leaves it empty. */
RAFT_API void raft_configuration_close(struct raft_configuration* c);
/**
 * Adds a server; the address is copied. RAFT_BADID for id 0, RAFT_BADROLE, RAFT_DUPLICATEID,
 * RAFT_DUPLICATEADDRESS, RAFT_NOMEM; the configuration stays as it was on any of them.
 */
RAFT_API int raft_configuration_add(struct raft_configuration* c, raft_id id, const char* address, int role);
/**
 * The bytes that a RAFT_CHANGE entry carries: format 1 (a byte), the number of servers (64 bits), and for
 * each its id (64 bits), its address (with the closing 0) and its role (a byte), little-endian, filled with
 * zeros to a multiple of
 * 8. `buf->base` is raft_malloc'ed and the caller's. RAFT_INVALID for a configuration without servers,
 * RAFT_NOMEM.
 */
RAFT_API int raft_configuration_encode(const struct raft_configuration* c, struct raft_buffer* buf);
/**
 * Makes `c` (which need not be initialised) from such bytes. RAFT_MALFORMED for any bytes that are none; `c`
 * is empty then. The caller closes it.
 */
RAFT_API int raft_configuration_decode(const struct raft_buffer* buf, struct raft_configuration* c);

/** An id from a text and a number, such as an address and a time: the last 8 bytes of SHA-1 over both,
 * big-endian. */
RAFT_API unsigned long long raft_digest(const char* text, unsigned long long n);

/* ---- entries and messages
 * ---------------------------------------------------------------------------------------- */

enum raft_entry_type {
  RAFT_COMMAND = 1, /* For the state machine. */
  RAFT_BARRIER,     /* For nobody: the first entry of a leader, with 8 bytes of zeros. */
  RAFT_CHANGE       /* An encoded configuration. */
};

/**
 * An entry of the log. `buf` lies somewhere in `batch`, a raft_malloc'ed block that may hold several entries'
 * data; raft_free(batch) frees them all. raft looks into the bytes of RAFT_CHANGE entries only and keeps
 * none.
 */
struct raft_entry {
  raft_term term; /* In RAFT_SUBMIT: the current term, or 0 for that. */
  unsigned short type;
  struct raft_buffer buf;
  void* batch;
};

/**
 * From a candidate. `version` here and below: 0 in messages of the first form; raft fills in what it speaks
 * and takes any. Terms are the sender's, where nothing else is said.
 */
struct raft_request_vote {
  unsigned char version;
  raft_term term;            /* Of the candidate; in a pre-vote, the one that it would enter. */
  raft_id candidate_id;      /* The sender: RAFT_INVALID when it is not the message's server_id. */
  raft_index last_log_index; /* Last entry that is durable at the candidate, */
  raft_index last_log_term;  /* and its term. */
  bool disrupt_leader;       /* A leader has asked for this election: vote although there is one. */
  bool pre_vote;             /* Only asks. */
};

/** The answer to raft_request_vote. */
struct raft_request_vote_result {
  unsigned char version;
  raft_term term;
  bool vote_granted;
  bool pre_vote;
  unsigned short
      features; /* Bits. 1: `capacity` counts. 32768: a refused pre-vote's `term` is the sender's own. */
  unsigned short capacity;
};

/** Entries for a follower; without entries also the heartbeat. */
struct raft_append_entries {
  unsigned char version;
  raft_term term;
  raft_index prev_log_index; /* The entry before the first of these, */
  raft_term prev_log_term;   /* and its term; 0 and 0 before the first entry of all. */
  raft_index leader_commit;  /* Entries up to here are committed. */
  struct raft_entry*
      entries; /* Outgoing: NULL. The sender fills in entries prev_log_index + 1 and on from its log. */
  unsigned n_entries; /* Outgoing: how many of them to send; the log holds them. */
};

/** The answer to raft_append_entries and to raft_install_snapshot. */
struct raft_append_entries_result {
  unsigned char version;
  raft_term term;
  raft_index rejected;       /* 0, or the prev_log_index that does not match. */
  raft_index last_log_index; /* Success: durable and matching up to here. Rejection: try at or before this. */
  unsigned short features;   /* 1: `capacity` counts. */
  unsigned short capacity;
};

/** A leader's snapshot for a follower that lacks what the leader's log no longer has. */
struct raft_install_snapshot {
  unsigned char version;
  raft_term term;
  raft_index last_index;          /* Last entry that the snapshot has in it, */
  raft_term last_term;            /* and its term. */
  struct raft_configuration conf; /* As of last_index. Outgoing: empty; the sender fills it in. */
  raft_index conf_index;          /* The entry that `conf` comes from. */
  struct raft_buffer data;        /* Outgoing: empty; the sender fills it in. */
};

/** From a leader that hands over: start an election now. */
struct raft_timeout_now {
  unsigned char version;
  raft_term term;
  raft_index last_log_index; /* Of the leader's log, */
  raft_index last_log_term;  /* and its term. */
};

enum raft_message_type {
  RAFT_APPEND_ENTRIES = 1,
  RAFT_APPEND_ENTRIES_RESULT,
  RAFT_REQUEST_VOTE,
  RAFT_REQUEST_VOTE_RESULT,
  RAFT_INSTALL_SNAPSHOT,
  RAFT_TIMEOUT_NOW
};

/** The same numbers by their older names. */
#define RAFT_IO_APPEND_ENTRIES RAFT_APPEND_ENTRIES
#define RAFT_IO_APPEND_ENTRIES_RESULT RAFT_APPEND_ENTRIES_RESULT
#define RAFT_IO_REQUEST_VOTE RAFT_REQUEST_VOTE
#define RAFT_IO_REQUEST_VOTE_RESULT RAFT_REQUEST_VOTE_RESULT
#define RAFT_IO_INSTALL_SNAPSHOT RAFT_INSTALL_SNAPSHOT
#define RAFT_IO_TIMEOUT_NOW RAFT_TIMEOUT_NOW

/** A message between servers; what carries it, and its bytes, are the program's. */
struct raft_message {
  unsigned short type;        /* enum raft_message_type */
  raft_id server_id;          /* Received: the sender. Outgoing: the receiver. */
  const char* server_address; /* Its address. Received: may be NULL. */
  union {
    struct raft_request_vote request_vote;
    struct raft_request_vote_result request_vote_result;
    struct raft_append_entries append_entries;
    struct raft_append_entries_result append_entries_result;
    struct raft_install_snapshot install_snapshot;
    struct raft_timeout_now timeout_now;
  };
};

/** What is known of a snapshot. RAFT_INVALID for an index or a term of 0, or without servers. */
struct raft_snapshot_metadata {
  raft_index index;                        /* Last entry that the snapshot has in it, */
  raft_term term;                          /* and its term. */
  struct raft_configuration configuration; /* As of `index`, */
  raft_index configuration_index;          /* and the entry that it comes from. */
};

/* ---- events
 * ------------------------------------------------------------------------------------------------------ */

enum raft_event_type {
  RAFT_START = 1,          /* What is stored; once, first of all. */
  RAFT_RECEIVE,            /* A message has come. */
  RAFT_PERSISTED_ENTRIES,  /* Entries of an update are durable. */
  RAFT_PERSISTED_SNAPSHOT, /* The snapshot of an update is durable and the stored log before it is dropped. */
  RAFT_CONFIGURATION,      /* A committed RAFT_CHANGE entry has been applied. */
  RAFT_SNAPSHOT,           /* The program has taken a snapshot of its state machine. */
  RAFT_TIMEOUT,            /* The time raft_timeout() has come; earlier does no harm. */
  RAFT_SUBMIT,             /* New entries, at the leader. */
  RAFT_CATCH_UP, /* Bring a server that does not vote up to date, at the leader; see raft_catch_up(). */
  RAFT_TRANSFER  /* Hand the leadership over, at the leader; see raft_transferee(). */
};

/** What has happened: the program's, and only read by the step. */
struct raft_event {
  raft_time time;       /* Now; always. RAFT_INVALID when it is before that of the last event. */
  unsigned char type;   /* enum raft_event_type; always. */
  unsigned char unused; /* Not looked at, nor is `reserved`. */
  unsigned short
      capacity; /* Disk space that is reserved for entries, in a unit of the program's choice; always. */
  unsigned char reserved[4];
  union {
    /**
     * What a new cluster's server has stored is its first configuration, as entry 1 of term 1, the same
     * everywhere. With a snapshot at `index` its configuration counts, and the entries begin at 1 to
     * index + 1. RAFT_INVALID when that is not so, when terms fall, or are above `term`; RAFT_MALFORMED for a
     * RAFT_CHANGE that is none.
     */
    struct {
      raft_term term;                          /* Stored, or 0. */
      raft_id voted_for;                       /* Stored, or 0. */
      struct raft_snapshot_metadata* metadata; /* Of the last snapshot, or NULL. The caller's; copied. */
      raft_index start_index;     /* Of the first stored entry; 1, or at most the snapshot's index + 1. */
      struct raft_entry* entries; /* All stored entries; the caller's, with their batches; not kept. */
      unsigned n_entries;
    } start;
    struct {
      /**
       * The caller's. Entries of RAFT_APPEND_ENTRIES lie in one batch: when the step succeeds, the batch is
       * raft's (it comes out again in update.entries, or is freed), and so is `data` of RAFT_INSTALL_SNAPSHOT
       * (it comes out in update.snapshot.chunk, or is freed). The array of entries and `conf` stay the
       * caller's. A message that is out of date is ignored. RAFT_INVALID for an unknown type, no sender, this
       * server as the sender, a candidate that is not the sender, or numbers that contradict each other;
       * RAFT_MALFORMED for a RAFT_CHANGE that is none; RAFT_TOOMANY for a sender behind 65,536 others.
       */
      struct raft_message* message;
    } receive;
    struct {
      /**
       * All entries up to here, of the log as the newest update left it, are durable. Updates become durable
       * in their order, and count as a whole: at or behind the last of its entries an index acknowledges one,
       * with all before it, and nothing of it below that. What a later update has replaced is not waited for;
       * its indexes may be told only when what replaced it is durable. RAFT_INVALID behind the last entry.
       */
      raft_index index;
    } persisted_entries;
    struct {
      struct raft_snapshot_metadata metadata; /* As in the update; the caller's. Its index is looked at:
                                                 RAFT_INVALID when no such snapshot waits to be stored. */
      size_t offset;                          /* 0, */
      bool last;                              /* and true: RAFT_INVALID else. */
    } persisted_snapshot;
    struct {
      raft_index index; /* Of the entry: RAFT_INVALID when it is not committed. Until it has been told the
                           next RAFT_CHANGE is refused with RAFT_CANTCHANGE. */
      struct raft_configuration conf; /* Decoded from it; not looked at, since raft has seen the entry. */
    } configuration;
    /**
     * RAFT_INVALID for an index behind the commit index or behind what was acknowledged as stored here,
     * before the last snapshot's, or of another term; RAFT_BUSY while a leader's snapshot waits for its
     * RAFT_PERSISTED_SNAPSHOT, which replaces what this one was taken from: drop it.
     */
    struct {
      struct raft_snapshot_metadata metadata; /* The caller's, copied. */
      unsigned trailing; /* Entries up to metadata.index that the program keeps for followers that lag; the
                            others it may drop when the step has succeeded. */
    } snapshot;
    struct {
      /**
       * The array is the caller's; each entry's batch goes into update.entries when the step succeeds.
       * Nothing says when an entry is lost with the leadership: it is when another comes to stand at its
       * index. Errors: RAFT_NOTLEADER, RAFT_NOSPACE (see raft_set_capacity_threshold), RAFT_INVALID for
       * another term than the current or an unknown type; for a RAFT_CHANGE also RAFT_MALFORMED,
       * RAFT_CANTCHANGE (another change or a catch-up is under way, or nothing of this term is committed) and
       * RAFT_INVALID (the votes of more than one server change, or nobody has one).
       */
      struct raft_entry* entries;
      unsigned n;
    } submit;
    struct {
      raft_id server_id; /* RAFT_NOTLEADER; RAFT_BADID for no member or a voter; RAFT_CANTCHANGE. */
    } catch_up;
    struct {
      raft_id server_id; /* 0: raft chooses. RAFT_NOTLEADER; RAFT_BADID for no other voter; RAFT_NOTFOUND for
                            0. */
    } transfer;
  };
};

/* ---- updates
 * ----------------------------------------------------------------------------------------------------- */

#define RAFT_UPDATE_CURRENT_TERM (1u << 0) /* raft_current_term() changed: to be stored first. */
#define RAFT_UPDATE_VOTED_FOR (1u << 1) /* raft_voted_for() changed: to be stored together with the term. */
#define RAFT_UPDATE_ENTRIES (1u << 2)   /* There are entries to store. */
#define RAFT_UPDATE_SNAPSHOT (1u << 3)  /* There is a snapshot to store, which replaces the whole log. */
#define RAFT_UPDATE_MESSAGES (1u << 4)  /* There are messages to send. */
#define RAFT_UPDATE_STATE (1u << 5)     /* raft_state() changed. */
#define RAFT_UPDATE_COMMIT_INDEX (1u << 6) /* raft_commit_index() moved. */
#define RAFT_UPDATE_TIMEOUT (1u << 7)      /* raft_timeout() changed. */

/** What is to be done: the program's, written by each step. */
struct raft_update {
  unsigned flags; /* The fields below count only where their flag is set. */
  struct {
    raft_index index; /* Of the first. All that is stored from here on is replaced. */
    struct raft_entry*
        batch; /* raft_malloc'ed: the caller frees it, and each distinct `batch` in it when done. */
    unsigned n;
  } entries;
  struct {
    struct raft_snapshot_metadata metadata; /* Belongs to raft; valid until the next step or raft_close. */
    size_t offset;                          /* Always 0. */
    struct raft_buffer chunk; /* All of the data; base is raft_malloc'ed memory, now the caller's. */
    bool last;                /* Always true. */
  } snapshot;
  struct {
    /**
     * Belong to raft, with their addresses; valid until the next step or raft_close. RAFT_APPEND_ENTRIES
     * comes without entries and RAFT_INSTALL_SNAPSHOT without conf and data. Answers that promise that
     * something is stored are handed out only after it was acknowledged; a vote counts as stored because the
     * term and the vote go first.
     */
    struct raft_message* batch;
    unsigned n;
  } messages;
};

/* ---- the state machine
 * ------------------------------------------------------------------------------------------- */

enum raft_state {
  RAFT_UNAVAILABLE = 0, /* Not started, or failed. */
  RAFT_FOLLOWER = 1,
  RAFT_CANDIDATE = 2, /* Also while it asks for pre-votes. */
  RAFT_LEADER = 3
};

/** One server. Everything but `id` and `data` is the library's. */
struct raft {
  void* data; /* The program's; never looked at. */
  raft_id id; /* Read only. */
  void* implementation;
};

/** Of the older form of raft_close. */
typedef void (*raft_close_cb)(struct raft* r);

/**
 * Makes a server with this id and address, which is copied; it knows nothing until RAFT_START. The first call
 * in a process loads and starts V8, the first of a thread makes an isolate. RAFT_INVALID for id 0, a NULL
 * address or one of more than 1023 bytes; RAFT_NOMEM; RAFT_NOTFOUND when the library's other files are
 * missing; RAFT_SHUTDOWN when V8 cannot be started. raft_errmsg tells more; the struct needs no raft_close
 * then, and keeps that text until the same thread's next raft_init. Needs `r` neither zeroed nor its `data`
 * set, which is left as it is.
 */
RAFT_API int raft_init(struct raft* r, raft_id id, const char* address);

/** Frees everything, also what the last update refers to. 0 always. A second call does nothing. Any thread
 * may close a raft that no other uses. */
RAFT_API int raft_close(struct raft* r);

/**
 * Takes in an event and tells what is to be done. `update` is written from scratch. On an error
 * `update->flags` is 0 and nothing has changed owner; the state is as it was, but for RAFT_SHUTDOWN, after
 * which only raft_close and the accessors are of use. RAFT_INVALID for an event that makes no sense at this
 * moment (a second RAFT_START, one before it, an index that was never handed out, time that goes back);
 * RAFT_NOMEM; more stand at the events. RAFT_INVALID, too, while a setting is wrong, and without a raft_init
 * that has succeeded.
 */
RAFT_API int raft_step(struct raft* r, struct raft_event* event, struct raft_update* update);

/*
 * Settings. They count from the next step on; the seed and max_inflight_entries are read by RAFT_START and
 * do not change after it. A value that is no sensible one is told by the next raft_step: RAFT_INVALID, until
 * it is set right. Without a raft_init that has succeeded they do nothing.
 */

/** Seeds the random election timeouts; without it they come from the id. Before RAFT_START. */
RAFT_API void raft_seed(struct raft* r, unsigned random);
/** 1000 ms by default; above the heartbeat timeout. A server waits between once and twice this long, at
 * random; a wait that has begun stays as it is. A leader that hears of no majority for so long steps down. */
RAFT_API void raft_set_election_timeout(struct raft* r, unsigned msecs);
/** 100 ms by default, at least 1: a leader sends something to each member at least so often. */
RAFT_API void raft_set_heartbeat_timeout(struct raft* r, unsigned msecs);
/** 30000 ms by default: a snapshot that was sent and not acknowledged is sent again after this. */
RAFT_API void raft_set_install_snapshot_timeout(struct raft* r, unsigned msecs);
/** Off by default: with it a server that was cut off does not disturb the leader when it comes back. */
RAFT_API void raft_set_pre_vote(struct raft* r, bool enabled);
/** 10 by default, at least 1: rounds of a catch-up before it is given up. */
RAFT_API void raft_set_max_catch_up_rounds(struct raft* r, unsigned n);
/** 5000 ms by default: a round that takes longer ends the catch-up. */
RAFT_API void raft_set_max_catch_up_round_duration(struct raft* r, unsigned msecs);
/** 32 by default, at least 1: entries sent to one follower and not acknowledged. Before RAFT_START. */
RAFT_API void raft_set_max_inflight_entries(struct raft* r, unsigned n);
/**
 * 0 by default, which checks nothing. Else RAFT_SUBMIT fails with RAFT_NOSPACE while a majority of the voters
 * reports less than this as its capacity.
 */
RAFT_API void raft_set_capacity_threshold(struct raft* r, unsigned short min);

/*
 * What a server knows as of the last step that succeeded, by the thread that uses it. None of these allocates
 * or enters the engine. Before RAFT_START all is 0, RAFT_UNAVAILABLE, or -1.
 */

/** To be stored when RAFT_UPDATE_CURRENT_TERM is set. */
RAFT_API raft_term raft_current_term(const struct raft* r);
/** 0 when it has not voted in this term. */
RAFT_API raft_id raft_voted_for(const struct raft* r);
/** RAFT_UNAVAILABLE also after RAFT_SHUTDOWN. */
RAFT_API enum raft_state raft_state(const struct raft* r);
/** Entries up to here are committed, and may be applied as far as they are stored here. */
RAFT_API raft_index raft_commit_index(const struct raft* r);
/** When the next RAFT_TIMEOUT is due, ms, by the clock of raft_event.time. */
RAFT_API raft_time raft_timeout(const struct raft* r);
/** Of the own log; entries that are not stored yet count. */
RAFT_API raft_index raft_last_index(const struct raft* r);
/** RAFT_STANDBY, RAFT_VOTER or RAFT_SPARE in the configuration that counts now; -1 for not in it. */
RAFT_API int raft_role(const struct raft* r);
/** The leader as far as known: 0 and NULL for none. `*address` lives until the next step. Either may be NULL.
 */
RAFT_API void raft_leader(const struct raft* r, raft_id* id, const char** address);
/** Up to where that server's log is known to be the leader's. RAFT_NOTLEADER; RAFT_BADID for no member. */
RAFT_API int raft_match_index(const struct raft* r, raft_id id, raft_index* index);

enum {
  RAFT_CATCH_UP_NONE, /* Never asked for. */
  RAFT_CATCH_UP_RUNNING,
  RAFT_CATCH_UP_ABORTED, /* Too slow, or silent. */
  RAFT_CATCH_UP_FINISHED /* May be made a voter. */
};
/** How RAFT_CATCH_UP of that server stands. RAFT_NOTLEADER; RAFT_BADID for no member. */
RAFT_API int raft_catch_up(const struct raft* r, raft_id id, int* status);
/** Whom the leadership is being handed to; 0 for nobody. A transfer is given up after an election timeout. */
RAFT_API raft_id raft_transferee(const struct raft* r);

/** What the last error of this raft was about; "" before the first. Lives until the next call with this raft.
 */
RAFT_API const char* raft_errmsg(const struct raft* r);
/** "unavailable", "follower", "candidate", "leader"; "unknown" else. */
RAFT_API const char* raft_state_name(int state);
/** "stand-by", "voter", "spare"; "unknown" else. */
RAFT_API const char* raft_role_name(int role);

/* ---- programs written for the form with five arguments
 * ------------------------------------------------------------ */

#ifdef RAFT_CRAFT_FIVE_ARGS

/** raft_init(r, NULL, NULL, id, address); RAFT_INVALID for an io or fsm, which a pure state machine has no
 * use for. */
static inline int raft_init_five(struct raft* r, const void* io, const void* fsm, raft_id id,
                                 const char* address) {
  return io == NULL && fsm == NULL ? raft_init(r, id, address) : RAFT_INVALID;
}

/** raft_close(r, cb): calls `cb`, unless it is NULL, before it returns. */
static inline void raft_close_with(struct raft* r, raft_close_cb cb) {
  raft_close(r);
  if (cb != NULL) cb(r);
}

#define raft_init(r, io, fsm, id, address) raft_init_five((r), (io), (fsm), (id), (address))
#define raft_close(r, cb) raft_close_with((r), (cb))

#endif

#ifdef __cplusplus
}
#endif

#endif /* POLYRAFT_CRAFT_RAFT_H */
