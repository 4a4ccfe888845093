#include "runtime/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/node_locator.h"

namespace polyraft::runtime {

namespace {

// Above all descriptors of the child, so that no dup2 overwrites the source of a later one.
constexpr int kAboveAll = 64;

class Actions {
 public:
  Actions() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  ~Actions() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    for (const int fd : copies) close(fd);
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  std::vector<int> copies;
};

}  // namespace

int spawn_child(const ChildStart& start, pid_t* pid) {
  Actions with;
  int error = 0;
  const auto keep = [&error](int result) {
    if (error == 0) error = result;
  };
  keep(posix_spawn_file_actions_addopen(&with.actions, 0, "/dev/null", O_RDONLY, 0));
  std::vector<std::pair<int, int>> moves;
  for (size_t each = 0; each < start.descriptors.size(); each++) {
    moves.emplace_back(start.descriptors[each], kFirstChildDescriptor + static_cast<int>(each));
  }
  if (start.stdout_fd >= 0) moves.emplace_back(start.stdout_fd, 1);
  for (const auto& [from, to] : moves) {
    const int copy = fcntl(from, F_DUPFD_CLOEXEC, kAboveAll);
    if (copy < 0) return errno;
    with.copies.push_back(copy);
    keep(posix_spawn_file_actions_adddup2(&with.actions, copy, to));
  }
  if (start.stdout_fd < 0) keep(posix_spawn_file_actions_addopen(&with.actions, 1, "/dev/null", O_WRONLY, 0));
#if defined(__GLIBC_PREREQ) && __GLIBC_PREREQ(2, 34)
  // Else a listening socket of the host that lacks close-on-exec would stay open in the engine.
  keep(posix_spawn_file_actions_addclosefrom_np(
      &with.actions, kFirstChildDescriptor + static_cast<int>(start.descriptors.size())));
#endif
  if (!start.working_directory.empty()) {
    keep(posix_spawn_file_actions_addchdir_np(&with.actions, start.working_directory.c_str()));
  }
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  keep(posix_spawnattr_setsigdefault(&with.attributes, &all));
  keep(posix_spawnattr_setsigmask(&with.attributes, &none));
  keep(posix_spawnattr_setflags(&with.attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
  if (error != 0) return error;
  std::vector<std::string> arguments = start.arguments;
  std::vector<std::string> environment = start.environment;
  return posix_spawn(pid, start.path.c_str(), &with.actions, &with.attributes, pointers_to(arguments).data(),
                     pointers_to(environment).data());
}

}  // namespace polyraft::runtime
