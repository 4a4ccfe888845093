// A host that something bad happens to: `survivor CASE [ARGUMENT]`, in a directory of its own. Prints
// "survived" and ends with code 0 when it found everything as it has to be.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>

#include "survivor_host.h"
#include "survivor_peers.h"

namespace survivor {
namespace {

constexpr int kFirst = 20;

std::string describe_signals() {
  std::string text;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal < NSIG; signal++) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) != 0) continue;
    text += std::to_string(signal) + ":" + std::to_string(reinterpret_cast<uintptr_t>(action.sa_handler)) +
            "/" + std::to_string(action.sa_flags) + (sigismember(&mask, signal) ? "b " : " ");
  }
  return text;
}

int count_inherited_descriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int flags = fcntl(std::atoi(entry.path().filename().c_str()), F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) count++;
  }
  return count;
}

// `deed` as of make_engine. What SERVER_FAILED or ENGINE_DIED has to say.
void engine_ends(Host& host, const std::string& deed, const std::string& reason) {
  Load load(host);
  REQUIRE(eventually([&] { return load.committed() > 100; }));
  make_engine(deed);
  if (is_embedded()) {
    const bool told = eventually([&] { return host.count_events(RAFT_EVENT_SERVER_FAILED, reason) == 1; });
    if (!told) host.print_events();
    REQUIRE(told);
    const int code = RAFT_ProposeWait(host.handle, "x", 1, kWaitMs, nullptr, nullptr);
    REQUIRE(code == RAFT_ERR_STOPPED || code == RAFT_ERR_ENGINE_DIED);
    load.expect_outcomes();
    host.expect_state();
    REQUIRE(RAFT_StopServer(host.handle) == RAFT_OK);
    REQUIRE(eventually([] {
      Host another;
      return another.start(config_with(free_port(), "another")) == RAFT_ERR_RUNTIME && another.handle == 0;
    }));
    return;
  }
  const bool told = eventually([&] { return host.count_events(RAFT_EVENT_ENGINE_RESTARTED) == 1; }, 40000);
  if (!told || host.count_events(RAFT_EVENT_ENGINE_DIED, reason) != 1) host.print_events();
  REQUIRE(told);
  REQUIRE(host.count_events(RAFT_EVENT_ENGINE_DIED) == 1);
  REQUIRE(host.count_events(RAFT_EVENT_ENGINE_DIED, reason) == 1);
  const uint64_t before = load.committed();
  REQUIRE(eventually([&] { return load.committed() > before + 100; }));
  host.go_on(kFirst);
  load.expect_outcomes();
  host.expect_state();
  REQUIRE(host.count_events(RAFT_EVENT_SERVER_FAILED) == 0);
  REQUIRE(RAFT_StopServer(host.handle) == RAFT_OK);
}

pid_t main_thread = 0;
volatile sig_atomic_t handled[NSIG];
volatile sig_atomic_t handled_elsewhere = 0;

void on_signal(int signal) {
  handled[signal] = handled[signal] + 1;
  if (gettid() != main_thread) handled_elsewhere = handled_elsewhere + 1;
}

void run_signals(Host& host) {
  // The group is this process and, in the process runtime, the engine's.
  REQUIRE(setpgid(0, 0) == 0);
  main_thread = gettid();
  constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
  for (const int signal : kSignals) {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    REQUIRE(sigaction(signal, &action, nullptr) == 0);
  }
  const std::string before = describe_signals();
  REQUIRE(host.start(config_with(free_port())) == RAFT_OK);
  host.go_on(kFirst);
  REQUIRE(before == describe_signals());
  for (const int receiver : {getpid(), 0}) {
    for (const int signal : kSignals) {
      const int had = handled[signal];
      for (int round = 1; round <= 50; round++) {
        REQUIRE(kill(receiver, signal) == 0);
        REQUIRE(eventually([&] { return handled[signal] == had + round; }));
      }
      host.go_on(1);
    }
  }
  host.go_on(kFirst);
  REQUIRE(host.count_events(RAFT_EVENT_ENGINE_DIED) == 0);
  REQUIRE(host.count_events(RAFT_EVENT_SERVER_FAILED) == 0);
  REQUIRE(RAFT_StopServer(host.handle) == RAFT_OK);
  REQUIRE(handled_elsewhere == 0);
  REQUIRE(before == describe_signals());
}

void run_started_by_a_thread_that_ended(Host& host) {
  const std::string config = config_with(free_port());
  std::thread starts([&] { REQUIRE(host.start(config) == RAFT_OK); });
  starts.join();
  // What ends a child together with the thread that started it would do so now.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  host.go_on(kFirst);
  REQUIRE(host.count_events(RAFT_EVENT_ENGINE_DIED) == 0);
  std::thread stops([&] { REQUIRE(RAFT_StopServer(host.handle) == RAFT_OK); });
  stops.join();
}

void reap_children(int) {
  const int error = errno;
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  errno = error;
}

// A host that takes the library's children away, in three ways.
void run_children(Host& host, const std::string& how) {
  if (how == "ignored") signal(SIGCHLD, SIG_IGN);
  if (how == "reaped-by-handler") {
    struct sigaction action {};
    action.sa_handler = reap_children;
    action.sa_flags = SA_RESTART;
    sigaction(SIGCHLD, &action, nullptr);
  }
  if (how == "reaped-by-thread") {
    std::thread([] {
      for (;;) {
        if (waitpid(-1, nullptr, 0) < 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }).detach();
  }
  const std::string before = describe_signals();
  REQUIRE(host.start(config_with(free_port())) == RAFT_OK);
  REQUIRE(before == describe_signals());
  host.go_on(kFirst);
  engine_ends(host, "exit", is_embedded() ? "process.exit(7)" : "its process ended");
}

void in_forked_child(Host& host) {
  const RAFT_Handle handle = host.handle;
  char text[1024];
  uint64_t number = 0;
  RAFT_Options options{};
  options.struct_size = sizeof options;
  options.callbacks.struct_size = sizeof options.callbacks;
  const std::string config = config_with(free_port(), "child");
  options.config = config.c_str();
  const RAFT_Buffer buffer = {"x", 1};
  RAFT_Handle another = 0;
  REQUIRE(RAFT_NewRaftServerWith(&options, &another) == RAFT_ERR_FORKED && another == 0);
  REQUIRE(RAFT_ProposeAsync(handle, "x", 1, 0, nullptr, nullptr) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_ProposeBatch(handle, &buffer, 1, 0, nullptr, nullptr, nullptr) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_ProposeWait(handle, "x", 1, 1000, nullptr, nullptr) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_ReadIndex(handle, RAFT_READ_SAFE, 1000, &number) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_ChangeMember(handle, RAFT_MEMBER_REMOVE, 2, nullptr, 1000, &number) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_TransferLeadership(handle, 2, 1000) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_SaveSnapshot(handle, 1000, &number) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_GetAppliedIndex(handle, &number) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_GetStatus(handle, text, sizeof text) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_GetPeersStatus(handle, text, sizeof text) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_GetMetrics(handle, text, sizeof text) == RAFT_ERR_FORKED);
  REQUIRE(RAFT_StopServer(handle) == RAFT_ERR_FORKED);
}

void run_fork(Host& host) {
  const int inherited = count_inherited_descriptors();
  REQUIRE(host.start(config_with(free_port())) == RAFT_OK);
  host.go_on(kFirst);
  REQUIRE(count_inherited_descriptors() == inherited);
  Load load(host);
  for (int round = 0; round < 20; round++) {
    const auto begin = std::chrono::steady_clock::now();
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      in_forked_child(host);
      // Handlers that run at exit belong to the parent's engine.
      if (round % 2 == 0) std::exit(0);
      _exit(0);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (status != 0) std::printf("round %d: child ended with status %d\n", round, status);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::seconds(3));
    host.go_on(1);
  }
  host.go_on(kFirst);
  load.expect_outcomes();
  REQUIRE(host.count_events(RAFT_EVENT_ENGINE_DIED) == 0);
  REQUIRE(host.count_events(RAFT_EVENT_SERVER_FAILED) == 0);
  REQUIRE(RAFT_StopServer(host.handle) == RAFT_OK);
}

void run_second_server(Host& host, const char* self) {
  REQUIRE(host.start(config_with(free_port())) == RAFT_OK);
  host.go_on(kFirst);
  for (int round = 0; round < 3; round++) {
    Host second;
    REQUIRE(second.start(config_with(free_port())) == RAFT_ERR_IN_USE);
    REQUIRE(second.handle == 0);
    REQUIRE(std::string(RAFT_LastError()).find("data-") != std::string::npos);
    const std::string command = std::string("'") + self + "' in-use";
    REQUIRE(std::system(command.c_str()) == 0);
    host.go_on(kFirst);
  }
  REQUIRE(RAFT_StopServer(host.handle) == RAFT_OK);
  Host next;
  REQUIRE(next.start(config_with(free_port())) == RAFT_OK);
  REQUIRE(eventually([&] { return next.applied() == host.applied(); }));
  REQUIRE(RAFT_StopServer(next.handle) == RAFT_OK);
}

void run_peers(Host& host) {
  const int port = free_port();
  REQUIRE(host.start(config_with(port)) == RAFT_OK);
  host.go_on(kFirst);
  Load load(host);
  {
    // The member's id and its cluster's open the way to the decoders.
    FaultyPeer peer;
    REQUIRE(RAFT_ChangeMember(host.handle, RAFT_MEMBER_ADD_LEARNER, 2, peer.url().c_str(), kWaitMs,
                              nullptr) == RAFT_OK);
    run_malformed_requests(port, 1000);
    host.go_on(kFirst);
    run_broken_streams(port, peer);
    // Too much for the buffers of a socket: the connection ends amid a write.
    const std::string large(8 << 20, 'x');
    for (int round = 0; round < 5; round++)
      REQUIRE(RAFT_ProposeWait(host.handle, large.data(), large.size(), kWaitMs, nullptr, nullptr) ==
              RAFT_OK);
    host.go_on(kFirst);
    REQUIRE(RAFT_ChangeMember(host.handle, RAFT_MEMBER_REMOVE, 2, nullptr, kWaitMs, nullptr) == RAFT_OK);
  }
  host.go_on(kFirst);
  load.expect_outcomes();
  REQUIRE(host.count_events(RAFT_EVENT_ENGINE_DIED) == 0);
  REQUIRE(host.count_events(RAFT_EVENT_SERVER_FAILED) == 0);
  REQUIRE(RAFT_StopServer(host.handle) == RAFT_OK);
}

// Ends the process with code 3 while the server runs under load; callbacks still come to what is never freed.
int end_while_running(const std::string& how) {
  auto* const host = new Host;
  REQUIRE(host->start(config_with(free_port())) == RAFT_OK);
  host->go_on(kFirst);
  auto* const load = new Load(*host);
  REQUIRE(eventually([&] { return load->committed() > 100; }));
  std::printf("survived\n");
  std::fflush(stdout);
  if (how == "exit") std::exit(3);
  if (how == "exit-on-thread") std::thread([] { std::exit(3); }).join();
  return 3;
}

int run(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  const std::string first = argc > 2 ? argv[2] : "";
  const std::string second = argc > 3 ? argv[3] : "";
  Host host;
  if (name == "engine-ends") {
    REQUIRE(host.start(config_with(free_port())) == RAFT_OK);
    host.go_on(kFirst);
    engine_ends(host, first, second);
  } else if (name == "signals") {
    run_signals(host);
  } else if (name == "thread") {
    run_started_by_a_thread_that_ended(host);
  } else if (name == "children") {
    run_children(host, first);
  } else if (name == "fork") {
    run_fork(host);
  } else if (name == "second-server") {
    run_second_server(host, argv[0]);
  } else if (name == "in-use") {
    REQUIRE(host.start(config_with(free_port())) == RAFT_ERR_IN_USE);
    return 0;
  } else if (name == "peers") {
    run_peers(host);
  } else if (name == "end") {
    return end_while_running(first);
  } else {
    std::printf("no such case: %s\n", name.c_str());
    return 2;
  }
  std::printf("survived\n");
  return 0;
}

}  // namespace
}  // namespace survivor

int main(int argc, char** argv) {
  return survivor::run(argc, argv);
}
