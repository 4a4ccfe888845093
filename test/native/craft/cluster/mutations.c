#include "mutations.h"

#include <string.h>

const struct mutation mutations[] = {
    {"late-vote", DEFECT_LATE_VOTE, false, "votes for|goes back"},
    {"late-vote-elects-two", DEFECT_LATE_VOTE, true, "lead in term"},
    {"early-acknowledgement", DEFECT_EARLY_ACK, false, "its disk does not have|have on their disks"},
    {"early-acknowledgement-loses", DEFECT_EARLY_ACK, true, "lacks entry|others"},
    {"lost-entry", DEFECT_LOST_ENTRY, true, "lacks entry|others|replaces"},
    {"old-configuration", DEFECT_OLD_CONFIGURATION, false, "takes itself for"},
    {"kept-tail", DEFECT_KEPT_TAIL, true, "was another one|refuses"},
    {NULL, DEFECT_NONE, false, NULL}};

const struct mutation* mutation_of(const char* name) {
  for (const struct mutation* mutation = mutations; mutation->name != NULL; mutation++)
    if (strcmp(mutation->name, name) == 0) return mutation;
  return NULL;
}
