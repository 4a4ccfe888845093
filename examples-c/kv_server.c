/*
 * A replicated key-value store: kv_server CONFIG.json CLIENT_PORT
 *
 * CONFIG.json is the configuration of one raft server (docs/CONFIGURATION.md); clients speak the line
 * protocol of kv/kv_request.h on 127.0.0.1:CLIENT_PORT. What happens to the server (its role, its leader, its
 * end) is told line by line on standard output.
 *
 * Threads: main polls the connections and proposes writes. The server's apply thread carries them out and
 * answers them, its event thread answers those that failed. Two workers carry out what waits: one the reads,
 * so that many share one RAFT_ReadIndex, the other everything else.
 */
#include <errno.h>
#include <inttypes.h>
#include <polyraft.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv/kv_net.h"
#include "kv/kv_pending.h"
#include "kv/kv_request.h"
#include "kv/kv_state.h"
#include "kv/kv_worker.h"

enum {
  READ_TIMEOUT_MS = 3000,
  CHANGE_TIMEOUT_MS = 10000,
  SNAPSHOT_TIMEOUT_MS = 60000,
  STATUS_BYTES = 64 * 1024
};

/* A chore that nobody asks for: the end. */
enum { STOP = -1 };

struct server {
  RAFT_Handle raft;
  pthread_mutex_t mutex;
  /* Under the mutex: the state machine, and the index up to which it has applied. */
  struct kv_state state;
  uint64_t applied;
  struct kv_pending pending;
  struct kv_net* net;
  struct kv_worker* reads;
  struct kv_worker* chores;
  atomic_ullong leader;
  atomic_int role;
  atomic_int failed;
};

/* For the signal handler. */
static struct kv_net* stopped_by_signal;

/* ---- Answers */

__attribute__((format(printf, 5, 6))) static void answer(struct server* server, uint64_t connection,
                                                         uint64_t client, uint64_t sequence,
                                                         const char* format, ...) {
  char line[512];
  const int id = snprintf(line, sizeof line, "%" PRIu64 ".%" PRIu64 " ", client, sequence);
  va_list arguments;
  va_start(arguments, format);
  const int text = vsnprintf(line + id, sizeof line - (size_t)id, format, arguments);
  va_end(arguments);
  size_t size = (size_t)id + (size_t)text;
  if (size >= sizeof line) size = sizeof line - 1;
  kv_net_answer(server->net, connection, line, size);
}

/* An answer that ends with `data`, which may be long. */
static void answer_data(struct server* server, const struct kv_job* job, const char* data, size_t size) {
  char head[64];
  const int head_size =
      snprintf(head, sizeof head, "%" PRIu64 ".%" PRIu64 " OK ", job->client, job->sequence);
  struct kv_bytes line = {0};
  kv_bytes_add(&line, head, (size_t)head_size);
  kv_bytes_add(&line, data, size);
  kv_net_answer(server->net, job->connection, line.data, line.size);
  kv_bytes_free(&line);
}

static void answer_outcome(struct server* server, const struct kv_ticket* ticket, enum kv_outcome outcome) {
  const char* text = "OK";
  if (outcome == KV_DONE_DELETED) text = "OK 1";
  if (outcome == KV_DONE_NOTHING) text = "OK 0";
  if (outcome == KV_BEYOND_WINDOW) text = "ERR WINDOW too many writes are open";
  answer(server, ticket->connection, ticket->client, ticket->sequence, "%s", text);
}

/* What a client should do about a code: the same again, or something else. */
static const char* advice(int code) {
  switch (code) {
    case RAFT_ERR_BUSY:
      return "BUSY";
    case RAFT_ERR_TOO_LARGE:
    case RAFT_ERR_INVALID_ARGUMENT:
    case RAFT_ERR_URL:
    case RAFT_ERR_DUPLICATE_MEMBER:
    case RAFT_ERR_UNKNOWN_MEMBER:
    case RAFT_ERR_CALLBACK_FAILED:
    case RAFT_ERR_UNSUPPORTED:
      return "FAILED";
    default:
      return "RETRY";
  }
}

/* ---- The state machine's callbacks, on the apply thread */

static int on_apply(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  struct server* const server = context;
  struct kv_command command;
  (void)term;
  if (!kv_command_decode(&command, data, size)) {
    fprintf(stderr, "kv_server: entry %" PRIu64 " is no command of this program\n", index);
    return 1;
  }
  pthread_mutex_lock(&server->mutex);
  const enum kv_outcome outcome = kv_state_apply(&server->state, index, &command);
  server->applied = index;
  pthread_mutex_unlock(&server->mutex);
  struct kv_ticket ticket = {command.client, command.sequence, 0};
  if (kv_pending_take(&server->pending, command.client, command.sequence, &ticket.connection))
    answer_outcome(server, &ticket, outcome);
  return 0;
}

/* Answers a write that the state machine holds already although its entry was not applied here: it came with
 * a snapshot. */
static void answer_if_done(struct server* server, const struct kv_ticket* ticket) {
  pthread_mutex_lock(&server->mutex);
  const enum kv_outcome outcome = kv_state_outcome(&server->state, ticket->client, ticket->sequence);
  pthread_mutex_unlock(&server->mutex);
  if (outcome == KV_NOT_DONE || outcome == KV_BEYOND_WINDOW) return;
  if (kv_pending_take_ticket(&server->pending, ticket)) answer_outcome(server, ticket, outcome);
}

static int on_restore(void* context, uint64_t index, uint64_t term, const void* data, uint64_t size) {
  struct server* const server = context;
  (void)term;
  pthread_mutex_lock(&server->mutex);
  const bool decoded = kv_state_decode(&server->state, data, size);
  if (decoded) server->applied = index;
  pthread_mutex_unlock(&server->mutex);
  if (!decoded) {
    fprintf(stderr, "kv_server: the snapshot of index %" PRIu64 " is damaged\n", index);
    return 1;
  }
  printf("restored %" PRIu64 "\n", index);
  size_t count = 0;
  struct kv_ticket* const tickets = kv_pending_list(&server->pending, &count);
  for (size_t i = 0; i < count; i++) answer_if_done(server, &tickets[i]);
  free(tickets);
  return 0;
}

static int on_take_snapshot(void* context, uint64_t index, void** data, uint64_t* size) {
  struct server* const server = context;
  struct kv_bytes encoded = {0};
  (void)index;
  pthread_mutex_lock(&server->mutex);
  kv_state_encode(&server->state, &encoded);
  pthread_mutex_unlock(&server->mutex);
  *data = encoded.data;
  *size = encoded.size;
  return 0;
}

static void on_free_memory(void* context, void* data) {
  (void)context;
  free(data);
}

/* ---- What happens to the server, on the event thread */

static const char* role_name(int role) {
  static const char* const names[] = {"follower", "candidate", "leader", "pre-candidate"};
  return role >= 0 && role <= STATE_PRE_CANDIDATE ? names[role] : "unknown";
}

static void on_state_change(void* context, int state) {
  struct server* const server = context;
  atomic_store(&server->role, state);
  printf("role %s\n", role_name(state));
}

static void on_event(void* context, int event, uint64_t value, const char* text) {
  struct server* const server = context;
  switch (event) {
    case RAFT_EVENT_LEADER_CHANGED:
      atomic_store(&server->leader, value);
      printf("leader %" PRIu64 "\n", value);
      return;
    case RAFT_EVENT_REMOVED: {
      /* Behind the REMOVE that is carried out now, so that it is answered first. */
      const struct kv_job stop = {.verb = STOP};
      printf("removed %" PRIu64 "\n", value);
      if (!kv_worker_add(server->chores, &stop)) kv_net_stop(server->net);
      return;
    }
    case RAFT_EVENT_SERVER_FAILED:
      fprintf(stderr, "kv_server: %s: %s\n", RAFT_StrError((int)value), text);
      atomic_store(&server->failed, 1);
      kv_net_stop(server->net);
      return;
    case RAFT_EVENT_ENGINE_DIED:
      printf("engine died\n");
      return;
    case RAFT_EVENT_ENGINE_RESTARTED:
      printf("engine restarted %" PRIu64 "\n", value);
      return;
    case RAFT_EVENT_SNAPSHOT_SAVED:
      printf("snapshot %" PRIu64 "\n", value);
      return;
    default:
      return;
  }
}

struct proposal {
  struct server* server;
  struct kv_ticket ticket;
};

/* A write that was applied is answered by on_apply, mostly before this comes. */
static void on_completion(void* user, int code, uint64_t index, uint64_t term) {
  struct proposal* const proposal = user;
  struct server* const server = proposal->server;
  const struct kv_ticket* const ticket = &proposal->ticket;
  (void)index;
  (void)term;
  if (code == RAFT_OK) {
    answer_if_done(server, ticket);
  } else if (kv_pending_take_ticket(&server->pending, ticket)) {
    answer(server, ticket->connection, ticket->client, ticket->sequence, "ERR RETRY %s", RAFT_StrError(code));
  }
  free(proposal);
}

/* ---- Requests, on the main thread */

static void propose(struct server* server, uint64_t connection, const struct kv_request* request) {
  const bool is_set = request->verb == KV_VERB_SET;
  const struct kv_command command = {
      .kind = is_set ? KV_SET : KV_DEL,
      .client = request->client,
      .sequence = request->sequence,
      .oldest = request->oldest,
      .key = request->first,
      .key_size = strlen(request->first),
      .value = request->second,
      .value_size = is_set ? strlen(request->second) : 0,
  };
  struct kv_bytes encoded = {0};
  kv_command_encode(&command, &encoded);
  struct proposal* const proposal = kv_allocate(sizeof *proposal);
  proposal->server = server;
  proposal->ticket = (struct kv_ticket){request->client, request->sequence, connection};
  /* The answer may be due before RAFT_ProposeAsync returns. */
  kv_pending_add(&server->pending, &proposal->ticket);
  const int code = RAFT_ProposeAsync(server->raft, encoded.data, encoded.size, 0, on_completion, proposal);
  kv_bytes_free(&encoded);
  if (code == RAFT_OK) return;
  if (kv_pending_take_ticket(&server->pending, &proposal->ticket)) {
    answer(server, connection, request->client, request->sequence, "ERR %s %s", advice(code),
           RAFT_StrError(code));
  }
  free(proposal);
}

static void on_line(void* context, uint64_t connection, char* line, size_t size) {
  struct server* const server = context;
  struct kv_request request;
  (void)size;
  const char* const mistake = kv_request_parse(&request, line);
  if (mistake != NULL) {
    answer(server, connection, request.client, request.sequence, "ERR BAD %s", mistake);
    return;
  }
  if (request.verb == KV_VERB_SET || request.verb == KV_VERB_DEL) {
    propose(server, connection, &request);
    return;
  }
  if (request.verb == KV_VERB_LEADER) {
    answer(server, connection, request.client, request.sequence, "OK leader=%llu role=%s",
           atomic_load(&server->leader), role_name(atomic_load(&server->role)));
    return;
  }
  const struct kv_job job = {connection,        request.client, request.sequence,
                             (int)request.verb, request.first,  request.second};
  struct kv_worker* const worker = request.verb == KV_VERB_GET ? server->reads : server->chores;
  if (!kv_worker_add(worker, &job))
    answer(server, connection, request.client, request.sequence, "ERR BUSY too many requests");
}

/* ---- Requests that wait, on the workers */

static void run_reads(void* context, const struct kv_job* jobs, size_t count) {
  struct server* const server = context;
  const int code = RAFT_ReadIndex(server->raft, RAFT_READ_SAFE, READ_TIMEOUT_MS, NULL);
  for (size_t i = 0; i < count; i++) {
    const struct kv_job* const job = &jobs[i];
    if (code != RAFT_OK) {
      answer(server, job->connection, job->client, job->sequence, "ERR %s %s", advice(code),
             RAFT_StrError(code));
      continue;
    }
    size_t size = 0;
    pthread_mutex_lock(&server->mutex);
    const char* const value = kv_state_get(&server->state, job->first, strlen(job->first), &size);
    if (value != NULL) answer_data(server, job, value, size);
    pthread_mutex_unlock(&server->mutex);
    if (value == NULL) answer(server, job->connection, job->client, job->sequence, "ERR NOKEY no such key");
  }
}

static void answer_status(struct server* server, const struct kv_job* job) {
  char* const status = kv_allocate(STATUS_BYTES);
  const int code = job->verb == KV_VERB_STATUS ? RAFT_GetStatus(server->raft, status, STATUS_BYTES)
                                               : RAFT_GetPeersStatus(server->raft, status, STATUS_BYTES);
  if (code == RAFT_OK)
    answer_data(server, job, status, strlen(status));
  else
    answer(server, job->connection, job->client, job->sequence, "ERR %s %s", advice(code),
           RAFT_StrError(code));
  free(status);
}

static void answer_digest(struct server* server, const struct kv_job* job) {
  pthread_mutex_lock(&server->mutex);
  const uint64_t applied = server->applied;
  const uint64_t digest = kv_state_digest(&server->state);
  const size_t keys = server->state.pairs.count;
  const uint64_t writes = server->state.writes;
  const uint64_t repeats = server->state.repeats;
  pthread_mutex_unlock(&server->mutex);
  answer(server, job->connection, job->client, job->sequence,
         "OK applied=%" PRIu64 " keys=%zu writes=%" PRIu64 " repeats=%" PRIu64 " digest=%016" PRIx64, applied,
         keys, writes, repeats, digest);
}

static int change_member(struct server* server, const struct kv_job* job, uint64_t* index) {
  uint64_t id = 0;
  if (!kv_parse_number(job->first, &id)) return RAFT_ERR_INVALID_ARGUMENT;
  const int change = job->verb == KV_VERB_ADD ? RAFT_MEMBER_ADD : RAFT_MEMBER_REMOVE;
  return RAFT_ChangeMember(server->raft, change, id, job->second, CHANGE_TIMEOUT_MS, index);
}

static int transfer_leadership(struct server* server, const struct kv_job* job, uint64_t* id) {
  if (!kv_parse_number(job->first, id)) return RAFT_ERR_INVALID_ARGUMENT;
  return RAFT_TransferLeadership(server->raft, *id, CHANGE_TIMEOUT_MS);
}

static void run_chore(struct server* server, const struct kv_job* job) {
  uint64_t index = 0;
  int code = RAFT_OK;
  switch (job->verb) {
    case STOP:
      kv_net_stop(server->net);
      return;
    case KV_VERB_STATUS:
    case KV_VERB_MEMBERS:
      answer_status(server, job);
      return;
    case KV_VERB_DIGEST:
      answer_digest(server, job);
      return;
    case KV_VERB_SNAPSHOT:
      code = RAFT_SaveSnapshot(server->raft, SNAPSHOT_TIMEOUT_MS, &index);
      break;
    case KV_VERB_TRANSFER:
      code = transfer_leadership(server, job, &index);
      break;
    default:
      code = change_member(server, job, &index);
      break;
  }
  if (code == RAFT_OK)
    answer(server, job->connection, job->client, job->sequence, "OK %" PRIu64, index);
  else
    answer(server, job->connection, job->client, job->sequence, "ERR %s %s", advice(code), RAFT_LastError());
}

static void run_chores(void* context, const struct kv_job* jobs, size_t count) {
  for (size_t i = 0; i < count; i++) run_chore(context, &jobs[i]);
}

/* ---- Start and end */

static char* read_file(const char* path) {
  FILE* const file = fopen(path, "re");
  if (file == NULL) return NULL;
  struct kv_bytes text = {0};
  char part[4096];
  size_t got = 0;
  while ((got = fread(part, 1, sizeof part, file)) != 0) kv_bytes_add(&text, part, got);
  fclose(file);
  kv_bytes_add_u8(&text, 0);
  return text.data;
}

static void on_signal(int number) {
  (void)number;
  kv_net_stop(stopped_by_signal);
}

static void stop_on_signals(struct kv_net* net) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  stopped_by_signal = net;
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
}

static int serve(struct server* server, const char* config) {
  const struct RAFT_Options options = {
      .struct_size = sizeof options,
      .config = config,
      .callbacks = {.struct_size = sizeof options.callbacks,
                    .apply = on_apply,
                    .restore = on_restore,
                    .take_snapshot = on_take_snapshot,
                    .free_memory = on_free_memory,
                    .state_change = on_state_change,
                    .event = on_event},
      .context = server,
  };
  server->reads = kv_worker_start(run_reads, server);
  server->chores = kv_worker_start(run_chores, server);
  if (server->reads == NULL || server->chores == NULL) {
    fprintf(stderr, "kv_server: no threads: %s\n", strerror(errno));
    return 1;
  }
  const int code = RAFT_NewRaftServerWith(&options, &server->raft);
  if (code == RAFT_OK) {
    stop_on_signals(server->net);
    printf("ready\n");
    kv_net_run(server->net);
    RAFT_StopServer(server->raft);
  } else {
    fprintf(stderr, "kv_server: %s\n", RAFT_LastError());
  }
  kv_worker_stop(server->reads);
  kv_worker_stop(server->chores);
  return code != RAFT_OK || atomic_load(&server->failed) != 0;
}

int main(int count, char** arguments) {
  static struct server server;
  uint64_t port = 0;
  if (count != 3 || !kv_parse_number(arguments[2], &port) || port == 0 || port > 65535) {
    fprintf(stderr, "usage: kv_server CONFIG.json CLIENT_PORT\n");
    return 2;
  }
  char* const config = read_file(arguments[1]);
  if (config == NULL) {
    fprintf(stderr, "kv_server: %s: %s\n", arguments[1], strerror(errno));
    return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  pthread_mutex_init(&server.mutex, NULL);
  kv_state_init(&server.state);
  kv_pending_init(&server.pending);
  server.net = kv_net_open((uint16_t)port, on_line, &server);
  if (server.net == NULL) {
    fprintf(stderr, "kv_server: port %s: %s\n", arguments[2], strerror(errno));
    return 1;
  }
  const int status = serve(&server, config);
  kv_net_close(server.net);
  kv_pending_free(&server.pending);
  kv_state_free(&server.state);
  free(config);
  return status;
}
