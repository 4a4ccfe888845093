/**
 * How many entries a second pass from one process to followers in others, and what CPU that takes:
 * `npx tsx test/transport/throughput.ts [entry bytes] [window] [followers] [seconds] [entries an append]`.
 * The leader encodes new entries as the core does and sends appends while the window has room; followers acknowledge.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { encodeEntries, type EntryBatch } from '../../src-ts/core/entry-batch.ts';
import { makeMessage, MessageType } from '../../src-ts/core/types.ts';
import { freeUrl, makeNode, until } from './harness.ts';

const [role = 'main', ...rest] = process.argv.slice(2);
interface Cpu {
  readonly user: number;
  readonly system: number;
}
const cpu = (since?: NodeJS.CpuUsage): Cpu => process.cpuUsage(since);

async function follower(id: number, urls: string[]): Promise<void> {
  const node = makeNode(
    id,
    urls[id - 1]!,
    urls.map((url, i) => ({ id: i + 1, urls: [url] })),
  );
  let bytes = 0;
  node.events.onReceive = (messages) => {
    let index = 0;
    for (const message of messages) {
      if (message.type !== MessageType.App) continue;
      index = message.index;
      for (const batch of message.entries) {
        index += batch.count;
        bytes += batch.encodedSize;
      }
    }
    if (index > 0)
      node.transport.send([makeMessage({ type: MessageType.AppResp, from: id, to: 1, term: 1, index })]);
  };
  await node.transport.start();
  process.send!('ready');
  let start = cpu();
  process.on('message', (text) => {
    if (text === 'start') start = cpu();
    else if (text === 'stop') {
      process.send!({ cpu: cpu(start), bytes });
      void node.transport.stop().then(() => process.disconnect());
    }
  });
}

async function leader(args: number[]): Promise<void> {
  const [entryBytes = 512, windowEntries = 4096, followers = 2, seconds = 5, appendEntries = 128] = args;
  const urls: string[] = [];
  for (let i = 0; i <= followers; i++) urls.push(await freeUrl());
  const children = urls.slice(1).map((_, i) => {
    const child = fork(fileURLToPath(import.meta.url), ['follower', String(i + 2), ...urls], {
      execArgv: process.execArgv,
    });
    return { child, ready: new Promise((resolve) => child.once('message', resolve)) };
  });
  await Promise.all(children.map((each) => each.ready));
  const node = makeNode(
    1,
    urls[0]!,
    urls.map((url, i) => ({ id: i + 1, urls: [url] })),
  );
  const acknowledged = new Array<number>(followers + 2).fill(0);
  let index = 0;
  const payload = new Uint8Array(entryBytes * appendEntries).fill(7);
  const starts = Uint32Array.from({ length: appendEntries }, (_, i) => i * entryBytes);
  const ends = Uint32Array.from({ length: appendEntries }, (_, i) => (i + 1) * entryBytes);
  const proposals = { count: appendEntries, bytes: payload, starts, ends, types: null };
  let running = false;
  const pump = (): void => {
    while (running && index - Math.min(...acknowledged.slice(2)) + appendEntries <= windowEntries) {
      const entries: EntryBatch[] = [encodeEntries(index + 1, 1, proposals)];
      const fields = { type: MessageType.App, from: 1, term: 1, logTerm: 1, index, entries, commit: index };
      node.transport.send(Array.from({ length: followers }, (_, i) => makeMessage({ ...fields, to: i + 2 })));
      index += appendEntries;
    }
  };
  node.events.onReceive = (messages) => {
    for (const message of messages)
      acknowledged[message.from] = Math.max(acknowledged[message.from]!, message.index);
    pump();
  };
  await node.transport.start();
  const opened = (): number => node.logger.lines.filter((line) => line.includes('opened its')).length;
  await until(() => opened() === 2 * followers, 'streams');
  for (const { child } of children) child.send('start');
  const cpuStart = cpu();
  const start = performance.now();
  running = true;
  pump();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  running = false;
  const done = Math.min(...acknowledged.slice(2));
  const elapsed = (performance.now() - start) / 1_000;
  const cpuLeader = cpu(cpuStart);
  const reports = await Promise.all(
    children.map(
      ({ child }) =>
        new Promise<{ cpu: Cpu }>((resolve) => {
          child.once('message', (report) => resolve(report as { cpu: Cpu }));
          child.send('stop');
        }),
    ),
  );
  await node.transport.stop();
  const text = ({ user, system }: Cpu): string =>
    `${(user / done).toFixed(2)} user + ${(system / done).toFixed(2)} system`;
  console.log(
    `${entryBytes} B, window ${windowEntries}, ${appendEntries} an append, ${followers} followers: ` +
      `${Math.round(done / elapsed)} entries/s; CPU µs an entry: leader ${text(cpuLeader)}, ` +
      `follower ${text(reports[0]!.cpu)}`,
  );
}

if (role === 'follower') await follower(Number(rest[0]), rest.slice(1));
else await leader((role === 'main' ? rest : process.argv.slice(2)).map(Number));
