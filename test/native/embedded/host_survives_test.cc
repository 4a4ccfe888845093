// Whatever the engine does, the host lives on and finds itself unchanged.
#include <gtest/gtest.h>

#include "embedded/host_process.h"

namespace polyraft::test {
namespace {

constexpr char kUnchanged[] = "host unchanged\n";

void expect_end(const HostResult& result, const std::string& in_death) {
  EXPECT_TRUE(result.exited_with(0)) << result.status << "\n" << result.output;
  const size_t death = result.output.find("died: ");
  ASSERT_NE(death, std::string::npos) << result.output;
  EXPECT_NE(result.output.find(in_death, death), std::string::npos) << result.output;
  EXPECT_NE(result.output.find(kUnchanged), std::string::npos) << result.output;
}

TEST(HostSurvives, ProcessExit) {
  expect_end(run_host("setTimeout(() => process.exit(7), 10);", "run"),
             "7 the engine has called process.exit(7)");
}

TEST(HostSurvives, ProcessExitWhileTheScriptLoads) {
  expect_end(run_host("process.exit(8); report('went on');", "run"),
             "8 the engine has called process.exit(8)");
}

TEST(HostSurvives, ProcessExitWithFileWorkInFlight) {
  expect_end(run_host(R"js(
    const fs = require('fs');
    const fd = fs.openSync('log', 'w+');
    const bytes = Buffer.alloc(8 << 20, 1);
    for (let i = 0; i < 8; i++) binding.writeAndSync(fd, bytes, 0, bytes.length, 0, true, () => {});
    setTimeout(() => process.exit(0), 1);
  )js",
                      "run"),
             "process.exit(0)");
}

TEST(HostSurvives, ProcessExitAmongConnections) {
  expect_end(run_host(R"js(
    const net = require('net');
    const server = net.createServer(() => process.exit(9)).listen(0, '127.0.0.1', () => {
      for (let i = 0; i < 50; i++) net.connect(server.address().port, '127.0.0.1').on('error', () => {});
    });
    const other = net.createServer((socket) => socket.end()).listen(0, '127.0.0.1', () => {
      for (let i = 0; i < 50; i++) net.connect(other.address().port, '127.0.0.1').on('error', () => {});
    });
  )js",
                      "run"),
             "9 the engine has called process.exit(9)");
}

TEST(HostSurvives, UncaughtException) {
  const HostResult result = run_host("setTimeout(() => { throw new Error('thrown later'); }, 10);", "run");
  expect_end(result, "1 Error: thrown later\n    at");
}

TEST(HostSurvives, ExceptionWhileTheScriptLoads) {
  expect_end(run_host("throw new TypeError('at once');", "run"), "1 TypeError: at once");
}

TEST(HostSurvives, SyntaxErrorInTheScript) {
  expect_end(run_host("const = 1;", "run"), "SyntaxError: Unexpected token");
}

TEST(HostSurvives, ThrownThingsThatHaveNoText) {
  expect_end(run_host("throw { toString() { throw 1; } };", "run"), "1 an exception that is no text");
}

TEST(HostSurvives, UnhandledRejection) {
  expect_end(run_host("Promise.reject(new Error('nobody waits'));", "run"), "1 Error: nobody waits");
}

TEST(HostSurvives, ExceptionInACallbackOfTheBinding) {
  expect_end(run_host(R"js(
    const bytes = Buffer.alloc(1);
    const fd = require('fs').openSync('log', 'w+');
    binding.writeAndSync(fd, bytes, 0, 1, 0, true, () => { throw new Error('in the callback'); });
  )js",
                      "run"),
             "1 Error: in the callback");
}

TEST(HostSurvives, WarningsAreNotPrinted) {
  const HostResult result = run_host("process.emitWarning('careful'); new Buffer(1);", "run");
  EXPECT_EQ(result.output, "died: 0 the engine has ended\nhost unchanged\n");
}

TEST(HostSurvives, StandardStreamsAreNotTouched) {
  expect_end(
      run_host(
          "process.stdout.write('x'); process.stderr.write('y'); console.log('z'); process.stdin.resume();",
          "run"),
      "0 the engine has ended");
}

TEST(HostSurvives, WriteToAClosedSocket) {
  const HostResult result = run_host(R"js(
    const net = require('net');
    const server = net.createServer((socket) => socket.resetAndDestroy()).listen(0, '127.0.0.1', () => {
      const socket = net.connect(server.address().port, '127.0.0.1');
      let errors = 0;
      socket.on('error', (error) => { errors++; report('error ' + error.code); });
      socket.on('close', () => { server.close(); });
      const more = setInterval(() => { if (socket.destroyed) clearInterval(more); else socket.write('x'.repeat(1000)); }, 1);
    });
    // The plainest form: a pipe without a reader, written to by a system call.
    const fs = require('fs');
    const reader = fs.openSync('pipe', fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const writer = fs.openSync('pipe', fs.constants.O_WRONLY);
    fs.closeSync(reader);
    try { fs.writeSync(writer, 'nobody'); } catch (error) { report(error.code); }
    fs.write(writer, 'nobody', (error) => report(error.code + ' on the pool'));
  )js",
                                     "run");
  expect_end(result, "0 the engine has ended");
  EXPECT_NE(result.output.find("EPIPE\n"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("EPIPE on the pool\n"), std::string::npos) << result.output;
}

TEST(HostSurvives, TheEngineIsToldThatItsHeapIsNearlyFull) {
  const HostResult result = run_host(R"js(
    const kept = [];
    process.on('heapNearlyFull', () => { kept.length = 0; report('told'); process.exit(5); });
    const grow = () => { for (let i = 0; i < 1000; i++) kept.push(new Array(100).fill(i)); setImmediate(grow); };
    grow();
  )js",
                                     "run", {"POLYRAFT_ENGINE_HEAP_MB=48"});
  expect_end(result, "5 the engine has called process.exit(5)");
  EXPECT_EQ(result.output.find("told\n"), 0u) << result.output;
}

TEST(HostSurvives, AHeapThatOneLoopFills) {
  expect_end(run_host("const kept = []; for (;;) kept.push(new Array(100).fill(1));", "run",
                      {"POLYRAFT_ENGINE_HEAP_MB=48"}),
             "1 the engine's heap is full");
}

TEST(HostSurvives, NodeOptionsOfTheHostAreIgnored) {
  expect_end(run_host("report('runs');", "run", {"NODE_OPTIONS=--no-such-option --require /nonexistent.js"}),
             "0 the engine has ended");
}

TEST(HostSurvives, SignalsToTheProcessAreTheHosts) {
  const HostResult result = run_host("binding.onDoorbell(() => {}); report('running');", "signals");
  expect_end(result, "0 the engine has been stopped");
  EXPECT_EQ(result.output.find("handled 100, elsewhere 0\n"), 0u) << result.output;
}

TEST(HostSurvives, ReturnFromMainWithARunningEngine) {
  const HostResult result = run_host(R"js(
    const tls = require('tls'); tls.createSecureContext({});
    const fs = require('fs'), net = require('net');
    const again = () => fs.promises.writeFile('file', 'text').then(again);
    again();
    const fd = fs.openSync('log', 'w+'), bytes = Buffer.alloc(4096);
    const write = () => binding.writeAndSync(fd, bytes, 0, 4096, 0, false, write);
    write();
    binding.onDoorbell(() => {});
    const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1', () => {
      const socket = net.connect(server.address().port, '127.0.0.1');
      socket.on('data', (data) => socket.write(data));
      socket.write('round and round');
      setTimeout(() => report('running'), 20);
    });
  )js",
                                     "return");
  EXPECT_TRUE(result.exited_with(0)) << result.status << result.output;
  EXPECT_EQ(result.output, "");
}

TEST(HostSurvives, ReturnFromMainWhileTheEngineStarts) {
  for (int round = 0; round < 5; ++round) {
    const HostResult result = run_host("binding.onDoorbell(() => {});", "return-at-once");
    EXPECT_TRUE(result.exited_with(0)) << result.status << result.output;
    EXPECT_EQ(result.output, "");
  }
}

TEST(HostSurvives, ExitOnAnotherThreadWithABusyEngine) {
  const HostResult result = run_host("report('running'); for (;;) new Array(100).fill(1);", "exit-on-thread");
  EXPECT_TRUE(result.exited_with(0)) << result.status << result.output;
  EXPECT_EQ(result.output, "");
}

}  // namespace
}  // namespace polyraft::test
