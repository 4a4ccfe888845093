// A map that three servers hold together, over libpolyraft. Writes go through the log, reads behind a barrier.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogLevel, RaftServer, setLogLevel } from '../src/index.js';

class ReplicatedMap {
  pairs = new Map();

  apply({ data }) {
    const { key, value } = JSON.parse(Buffer.from(data));
    this.pairs.set(key, value);
  }

  snapshot() {
    return Buffer.from(JSON.stringify([...this.pairs]));
  }

  restore(data) {
    this.pairs = new Map(JSON.parse(Buffer.from(data)));
  }
}

async function freePorts(count) {
  const sockets = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('listening', resolve))));
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.close(resolve))));
  return ports;
}

setLogLevel(LogLevel.ERROR);
const top = await mkdtemp(join(tmpdir(), 'replicated-map-'));
const peers = (await freePorts(3)).map((port, i) => ({ id: i + 1, url: `http://127.0.0.1:${port}` }));
const nodes = await Promise.all(
  peers.map(async ({ id }) => {
    const map = new ReplicatedMap();
    const config = { id, peers, waldir: join(top, `wal${id}`), snapdir: join(top, `snap${id}`) };
    return { map, server: await RaftServer.start(config, map) };
  }),
);
for (const [i, { server }] of nodes.entries()) {
  const entry = { key: `key ${i}`, value: `written on server ${i + 1}` };
  console.log(await server.propose(Buffer.from(JSON.stringify(entry)), { timeoutMs: 30_000 }));
}
for (const { map, server } of nodes) {
  await server.readIndex({ timeoutMs: 30_000 });
  console.log(map.pairs);
}
await Promise.all(nodes.map(({ server }) => server.stop()));
await rm(top, { recursive: true });
