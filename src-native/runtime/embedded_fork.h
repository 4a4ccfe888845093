// What a process that the host forked does about the embedded runtime, whose threads it has not got.
#ifndef POLYRAFT_RUNTIME_EMBEDDED_FORK_H_
#define POLYRAFT_RUNTIME_EMBEDDED_FORK_H_

namespace polyraft::runtime {

// For an exit handler, in a forked process only: libuv's own end, which waits for threads, is taken out of
// what comes after the exit handlers. Without effect where libuv has no such end.
void leave_libuv_at_exit();

}  // namespace polyraft::runtime

#endif  // POLYRAFT_RUNTIME_EMBEDDED_FORK_H_
