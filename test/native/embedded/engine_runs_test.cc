// The engine's script has what it needs from Node, and the binding works inside the host.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "embedded/host_process.h"

namespace polyraft::test {
namespace {

constexpr char kUnchanged[] = "host unchanged\n";

TEST(EmbeddedEngine, RunsAScriptToItsEnd) {
  const HostResult result = run_host("report('hello ' + process.version.split('.')[0]);", "run");
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_EQ(result.output, std::string("hello v18\ndied: 0 the engine has ended\n") + kUnchanged);
}

TEST(EmbeddedEngine, HasTimersFilesNetworkAndCryptography) {
  const HostResult result = run_host(R"js(
    const fs = require('node:fs'), net = require('net'), crypto = require('node:crypto'), zlib = require('zlib');
    const tls = require('tls'), http = require('http');
    (async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      report('timer');
      await fs.promises.writeFile('a.txt', 'abc');
      report('file ' + await fs.promises.readFile('a.txt', 'utf8'));
      const server = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.on('listening', resolve));
      const echo = await new Promise((resolve, reject) => {
        const socket = net.connect(server.address().port, '127.0.0.1');
        socket.on('data', (data) => { resolve(String(data)); socket.destroy(); });
        socket.on('error', reject);
        socket.write('over the loopback');
      });
      server.close();
      report('net ' + echo);
      const web = http.createServer((request, response) => response.end('page')).listen(0, '127.0.0.1');
      await new Promise((resolve) => web.on('listening', resolve));
      const page = await new Promise((resolve) => http.get(web.address(), (r) => r.on('data', (d) => resolve(String(d)))));
      web.close();
      report('http ' + page);
      report('hash ' + crypto.createHash('sha1').update('abc').digest('hex').slice(0, 8));
      report('random ' + crypto.randomUUID().length);
      report('gzip ' + zlib.gunzipSync(zlib.gzipSync('zzz')));
      report('tls ' + typeof tls.createSecureContext({}).context);
      report('text ' + new TextDecoder('utf-8').decode(new Uint8Array([0xc3, 0xa4])));
    })();
  )js",
                                     "run");
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_EQ(result.output,
            std::string("timer\nfile abc\nnet over the loopback\nhttp page\nhash a9993e36\nrandom 36\n"
                        "gzip zzz\ntls object\ntext \xc3\xa4\ndied: 0 the engine has ended\n") +
                kUnchanged);
}

TEST(EmbeddedEngine, HasTheBinding) {
  const HostResult result = run_host(R"js(
    const fs = require('fs');
    report(binding.runtime() + ' ' + region.length);
    const bytes = Buffer.from('123456789');
    report('crc ' + binding.crc32c(0, bytes, 0, 9).toString(16));
    const fd = fs.openSync('log', 'w+');
    report('lock ' + binding.lockFile(fd) + ' ' + binding.lockFile(fs.openSync('log', 'r+')));
    binding.preallocateInBackground(fd, 8192, (errno) => {
      report('preallocated ' + errno + ' ' + fs.statSync('log').size);
      binding.writeAndSync(fd, bytes, 0, 9, 4, true, (error, call) => {
        report('written ' + error + ' [' + call + '] ' + fs.readFileSync('log').toString('latin1', 4, 13));
        binding.writeAndSync(9999, bytes, 0, 9, 0, true, (e, c) => report('bad descriptor ' + e + ' ' + c));
      });
    });
    for (const wrong of [
      () => binding.crc32c(0, bytes, 0, 10), () => binding.crc32c(0, 'text', 0, 1), () => binding.wakeHost(2),
      () => binding.copyToRegion(region.length, bytes, 0, 1), () => binding.writeAndSync(1, bytes, 0, 1, 0, true),
      () => binding.frameRecords(bytes, 0, 2, bytes, new Uint32Array(1), new Uint32Array([5]), 1, new Uint32Array(1)),
    ]) try { wrong(); report('accepted ' + wrong); } catch (error) { report(error.constructor.name); }
  )js",
                                     "run");
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_EQ(result.output,
            std::string("embedded 16777216\ncrc e3069283\nlock 0 11\n"
                        "RangeError\nTypeError\nRangeError\nRangeError\nTypeError\nRangeError\n"
                        "preallocated 0 8192\nwritten 0 [] 123456789\nbad descriptor 9 pwrite\n"
                        "died: 0 the engine has ended\n") +
                kUnchanged);
}

TEST(EmbeddedEngine, HearsTheDoorbell) {
  const HostResult result = run_host(R"js(
    binding.onDoorbell(() => { report('rung'); binding.closeDoorbell(); });
    report('listening');
  )js",
                                     "ring");
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_EQ(result.output, std::string("listening\nrung\ndied: 0 the engine has ended\n") + kUnchanged);
}

TEST(EmbeddedEngine, OutlivesTheThreadThatStartedIt) {
  const HostResult result = run_host("setTimeout(() => report('later'), 200);", "thread");
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_EQ(result.output, std::string("later\ndied: 0 the engine has ended\n") + kUnchanged);
}

TEST(EmbeddedEngine, StopsWhenAsked) {
  const HostResult result = run_host("binding.onDoorbell(() => {}); report('running');", "stop");
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_EQ(result.output, std::string("running\ndied: 0 the engine has been stopped\n") + kUnchanged);
}

TEST(EmbeddedEngine, StopsInAnEndlessLoop) {
  const HostResult result = run_host("report('running'); for (;;) {}", "stop");
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_EQ(result.output, std::string("running\ndied: 0 the engine has been stopped\n") + kUnchanged);
}

TEST(EmbeddedEngine, StopsBeforeItHasBegun) {
  const HostResult result = run_host("binding.onDoorbell(() => {});", "stop-at-once");
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_EQ(result.output, std::string("died: 0 the engine has been stopped\n") + kUnchanged);
}

TEST(EmbeddedEngine, RunsOnceInAProcess) {
  const HostResult result = run_host("report('first');", "twice");
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_NE(result.output.find("start failed: 16 the embedded engine has been started before"),
            std::string::npos)
      << result.output;
}

TEST(EmbeddedEngine, RunsInAHostThatHasLibuvItself) {
  const HostResult result = run_host("report('beside another libuv');", "run", {"LD_PRELOAD=libuv.so.1"});
  EXPECT_TRUE(result.exited_with(0)) << result.status;
  EXPECT_EQ(result.output, std::string("beside another libuv\ndied: 0 the engine has ended\n") + kUnchanged);
}

// The plugin alone, moved to where the scripts of its libnode are not.
TEST(EmbeddedEngine, SaysWhichFileOfLibnodeIsMissing) {
  namespace files = std::filesystem;
  if (files::exists("/usr/share/nodejs/acorn/dist/acorn.js"))
    GTEST_SKIP() << "libnode's files are installed here";
  char directory[] = "/tmp/polyraft-plugin-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  for (const auto& entry : files::directory_iterator(std::string(POLYRAFT_BUILD_DIR) + "/lib/polyraft")) {
    if (entry.is_regular_file())
      files::create_hard_link(entry.path(), files::path(directory) / entry.path().filename());
  }
  const HostResult result =
      run_host("report('runs');", "run", {}, std::string(directory) + "/libpolyraft-node.so");
  files::remove_all(directory);
  EXPECT_TRUE(result.exited_with(1)) << result.status;
  EXPECT_EQ(
      result.output.find("start failed: 16 libnode needs the file /usr/share/nodejs/acorn/dist/acorn.js"), 0u)
      << result.output;
}

TEST(EmbeddedEngine, LoadsNothingFromOutside) {
  const HostResult result = run_host(R"js(
    try { require('./other.js'); } catch (error) { report(error.message); }
    import('fs').catch((error) => report('import: ' + error.code));
  )js",
                                     "run");
  EXPECT_NE(result.output.find("can load Node's own modules only, not './other.js'"), std::string::npos);
  EXPECT_NE(result.output.find("import: ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING"), std::string::npos)
      << result.output;
}

}  // namespace
}  // namespace polyraft::test
