/* What is to happen, by time and then in the order of asking. */
#ifndef POLYRAFT_CRAFT_CLUSTER_AGENDA_H
#define POLYRAFT_CRAFT_CLUSTER_AGENDA_H

#include <raft.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum action_kind {
  ACTION_DELIVER,       /* `packet` reaches its receiver */
  ACTION_TIMER,         /* of `server` */
  ACTION_WRITE_DONE,    /* the oldest write of `server` */
  ACTION_EARLY_ACK,     /* a defect: entries up to `number` are said to be stored */
  ACTION_CONFIGURATION, /* `server` has applied the change at `number` */
  ACTION_SNAPSHOT,      /* `server` has taken a snapshot */
  ACTION_TERM_STORED,   /* a defect: the term and the vote of `server` reach the disk */
  ACTION_CRASH,
  ACTION_RESTART,
  ACTION_FAULT,
  ACTION_HEAL, /* the partition of generation `number` */
  ACTION_ADMIN,
  ACTION_SUBMIT
};

struct packet;

struct action {
  raft_time at;
  uint64_t order;
  enum action_kind kind;
  unsigned server; /* 0 for none */
  unsigned life;   /* of the server; in another one nothing happens */
  raft_index number;
  struct packet* packet;
};

void agenda_reset(void);
void agenda_add(struct action action);
/** False when there is nothing up to `end`. */
bool agenda_take(raft_time end, struct action* action);

#endif
