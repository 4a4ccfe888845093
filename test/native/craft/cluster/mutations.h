/* What the harness does wrong on purpose, to see that it is found. */
#ifndef POLYRAFT_CRAFT_CLUSTER_MUTATIONS_H
#define POLYRAFT_CRAFT_CLUSTER_MUTATIONS_H

#include <stdbool.h>

enum defect {
  DEFECT_NONE,
  DEFECT_LATE_VOTE,  /* Messages leave before the term and the vote are stored, and a crash forgets those. */
  DEFECT_EARLY_ACK,  /* Entries are acknowledged before they are stored. */
  DEFECT_LOST_ENTRY, /* The last stored entry is gone after a crash. */
  DEFECT_OLD_CONFIGURATION, /* A restart starts from the first configuration. */
  DEFECT_KEPT_TAIL          /* The stored log is not cut where entries are replaced. */
};

struct mutation {
  const char* name;
  enum defect defect;
  /* Only what a cluster shows from outside is looked at, not each server's disk. */
  bool is_blind;
  /* One of these must be in the text of the failure; separated by |. */
  const char* found_as;
};

const struct mutation* mutation_of(const char* name);
extern const struct mutation mutations[];

#endif
