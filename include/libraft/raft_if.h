/** Another name of raft_c_if.h. */
#ifndef RAFT_IF_H
#define RAFT_IF_H

#include "raft_c_if.h"

#endif /* RAFT_IF_H */
