// The process runtime: the engine runs in a child `node`, over a shared region.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "polyraft_codes.h"
#include "runtime/child_process.h"
#include "runtime/host_thread.h"
#include "runtime/library_files.h"
#include "runtime/node_locator.h"
#include "runtime/runtime.h"

namespace polyraft::runtime {

namespace {

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

// How long a child that has let go of its lifeline may take to end before it is killed.
constexpr int kGoneTimeoutMs = 2000;

std::string describe_status(int status) {
  if (WIFEXITED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "an unknown status";
}

class ProcessRuntime : public Runtime {
 public:
  ~ProcessRuntime() override {
    if (started_) end_child(SIGKILL);
    monitor_.join();
    if (lifeline_ >= 0) {
      forget_descriptor(lifeline_);
      close(lifeline_);
    }
    if (pidfd_ >= 0) close(pidfd_);
  }

  bool needs_shared_region() const override { return true; }
  bool can_restart() const override { return true; }

  int start(const StartRequest& request, Died died, std::string* error) override {
    ChildStart child;
    const int located = locate_node(request.node_path, &child.path, error);
    if (located != RAFT_OK) return located;
    const std::string bundle = engine_bundle();
    if (!is_readable_file(bundle)) {
      *error = "the engine is not where it was installed: " + bundle;
      return RAFT_ERR_RUNTIME;
    }
    int ends[2];
    // The child sees the end of this process, however it comes, as the hang-up of this pair.
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      *error = std::string("socketpair: ") + std::strerror(errno);
      return RAFT_ERR_RUNTIME;
    }
    lifeline_ = ends[0];
    close_in_forked_child(lifeline_);
    child.arguments = {child.path, bundle};
    child.descriptors = {request.region->fd(), request.doorbell_fd, ends[1]};
    child.working_directory = request.working_directory;
    std::vector<std::string> variables = {
        "POLYRAFT_REGION_FD=" + std::to_string(kFirstChildDescriptor),
        "POLYRAFT_REGION_BYTES=" + std::to_string(bridge::kRegionBytes),
        "POLYRAFT_DOORBELL_FD=" + std::to_string(kFirstChildDescriptor + 1),
        "POLYRAFT_LIFELINE_FD=" + std::to_string(kFirstChildDescriptor + 2),
        "POLYRAFT_ADDON=" + library_file(kEngineAddon),
    };
    if (request.arena_fd >= 0) {
      child.descriptors.push_back(request.arena_fd);
      variables.push_back("POLYRAFT_ARENA_FD=" + std::to_string(kFirstChildDescriptor + 3));
    }
    child.environment = child_environment(variables);
    const int spawn_error = spawn_child(child, &pid_);
    close(ends[1]);
    if (spawn_error != 0) {
      *error = child.path + " cannot be started: " + std::strerror(spawn_error);
      return RAFT_ERR_RUNTIME;
    }
    started_ = true;
    pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    died_ = std::move(died);
    if (!monitor_.start("polyraft-child", false, [this] { watch(); })) {
      *error = std::string("no thread can be started: ") + std::strerror(errno);
      end_child(SIGKILL);
      while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
      started_ = false;
      return RAFT_ERR_NO_MEMORY;
    }
    return RAFT_OK;
  }

  pid_t process_id() const override { return started_ ? pid_ : -1; }

  void kill() override {
    if (started_) end_child(SIGKILL);
  }

 private:
  void watch() {
    // Both tell: the pidfd even when the host ignores SIGCHLD or reaps the child itself, the lifeline on old
    // kernels.
    pollfd watched[2] = {{lifeline_, POLLIN, 0}, {pidfd_, POLLIN, 0}};
    while (poll(watched, 2, -1) < 0 && errno == EINTR) {
    }
    std::string reason;
    if (!wait_for_end(kGoneTimeoutMs, &reason)) {
      end_child(SIGKILL);
      wait_for_end(-1, &reason);
    }
    ended_.store(true);
    died_(reason);
  }

  // False: it still runs. A host that has reaped it leaves ECHILD to us: then it has ended, too.
  bool wait_for_end(int timeout_ms, std::string* reason) {
    if (pidfd_ >= 0) {
      pollfd watched = {pidfd_, POLLIN, 0};
      int ready = 0;
      while ((ready = poll(&watched, 1, timeout_ms)) < 0 && errno == EINTR) {
      }
      if (ready == 0) return false;
    }
    constexpr int kStepMs = 5;
    for (int waited = 0; timeout_ms < 0 || waited <= timeout_ms; waited += kStepMs) {
      int status = 0;
      const pid_t result = waitpid(pid_, &status, WNOHANG);
      if (result == pid_) {
        *reason = "its process ended with " + describe_status(status);
        return true;
      }
      if (result < 0 && errno != EINTR) {
        *reason = "its process ended";
        return true;
      }
      usleep(kStepMs * 1000);
    }
    return false;
  }

  // By pidfd the signal cannot reach another process that has got the number since.
  void end_child(int signal) {
    if (ended_.load()) return;
    if (pidfd_ >= 0) {
      syscall(SYS_pidfd_send_signal, pidfd_, signal, nullptr, 0);
    } else {
      ::kill(pid_, signal);
    }
  }

  HostThread monitor_;
  Died died_;
  std::atomic<bool> ended_{false};
  bool started_ = false;
  pid_t pid_ = -1;
  int pidfd_ = -1;
  int lifeline_ = -1;
};

}  // namespace

std::unique_ptr<Runtime> make_process_runtime() {
  return std::make_unique<ProcessRuntime>();
}

}  // namespace polyraft::runtime
