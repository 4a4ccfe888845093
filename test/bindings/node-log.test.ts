/** The log of the binding for Node: a callback on Node's thread, which neither waits for itself nor keeps the process. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';

const directory = mkdtempSync(join(tmpdir(), 'polyraft-node-log-'));
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

const PROGRAM = `
import { LogFormat, LogLevel, RaftServer, setLogCallback, setLogFormat, setLogLevel } from '${process.cwd()}/examples-ffi/node/src/index.js';
const first = [];
await setLogCallback((line) => first.push(line));
setLogLevel(LogLevel.DEBUG);
setLogFormat(LogFormat.JSON);
const server = await RaftServer.start(JSON.parse(process.argv[1]), { apply() {}, snapshot: () => Buffer.alloc(0), restore() {} });
await server.propose(Buffer.from('x'));
const second = [];
await setLogCallback((line) => second.push(line));
await server.stop();
await setLogCallback(null);
const leader = first.find(({ message }) => message.includes('is the leader at term'));
console.log(leader.source, leader.clusterId, leader.nodeId, leader.level, leader.time.getTime() > 1.7e12);
await setLogCallback(() => { throw new Error('nobody minds'); });
`;

test('lines come to a callback, and the program ends', async () => {
  const [port] = await freePorts(1);
  const config = {
    id: 1,
    cluster_id: 9,
    runtime: 'process',
    tickms: 20,
    waldir: join(directory, 'wal'),
    snapdir: join(directory, 'snap'),
    peers: [{ id: 1, url: `http://127.0.0.1:${port}` }],
  };
  const parameters = ['--input-type=module', '-e', PROGRAM, JSON.stringify(config)];
  const { stdout } = await promisify(execFile)(process.execPath, parameters, { timeout: 60_000 });
  expect(stdout).toBe('raft 9n 1n 3 true\n');
}, 90_000);
