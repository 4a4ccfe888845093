/** The npm package's class, on real files and sockets; test/bindings has the scenarios of several processes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePorts } from '../../scripts/tools/free-ports.ts';
import { FIELDS } from '../../src-ts/facade/config/fields.ts';
import { RaftError, RaftServer } from '../../src-ts/library/index.ts';
import type { Entry, Position, RaftConfig, RaftEvent, StartOptions } from '../../src-ts/library/types.ts';

const TIMEOUT_MS = 90_000;
const LONG = { timeoutMs: 60_000 };

/** Keeps what was applied. */
class Journal {
  entries: string[] = [];
  restores = 0;
  snapshotFails = false;
  /** Called in the middle of apply. */
  during: ((text: string) => void | Promise<void>) | null = null;

  apply({ data }: Entry): void | Promise<void> {
    const text = Buffer.from(data).toString();
    const work = this.during?.(text);
    if (work === undefined) {
      this.entries.push(text);
      return;
    }
    return work.then(() => {
      this.entries.push(text);
    });
  }

  snapshot(): Uint8Array {
    if (this.snapshotFails) throw new Error('no snapshot today');
    return Buffer.from(JSON.stringify(this.entries));
  }

  restore(data: Uint8Array): void {
    this.entries = JSON.parse(Buffer.from(data).toString()) as string[];
    this.restores++;
  }
}

let directory: string;
let ports: number[];
let servers: RaftServer[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'polyraft-library-'));
  ports = await freePorts(3);
  servers = [];
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop().catch(() => undefined)));
  rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
});

function config(id = 1, nodes = 1, more: Partial<RaftConfig> = {}): RaftConfig {
  return {
    id,
    tickms: 20,
    waldir: join(directory, `wal${id}`),
    snapdir: join(directory, `snap${id}`),
    peers: ports.slice(0, nodes).map((port, i) => ({ id: i + 1, url: `http://127.0.0.1:${port}` })),
    ...more,
  };
}

async function start(machine: Journal, given = config(), options: StartOptions = {}): Promise<RaftServer> {
  const server = await RaftServer.start(given, machine, options);
  servers.push(server);
  return server;
}

/** On a busy machine leaders come late, and change: what will not take effect is proposed again. */
async function propose(server: RaftServer, text: string): Promise<Position> {
  return insist(() => server.propose(Buffer.from(text), LONG), ['NO_LEADER', 'REJECTED']);
}

async function insist<T>(work: () => Promise<T>, codes: readonly string[]): Promise<T> {
  const end = performance.now() + 60_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RaftError) || !codes.includes(error.code) || performance.now() > end)
        throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function eventually(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + 60_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`${what} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('one server', { timeout: TIMEOUT_MS }, () => {
  test('what is proposed in one turn is applied in that order, and when the promise resolves', async () => {
    const journal = new Journal();
    const server = await start(journal);
    const first = await propose(server, 'first');
    expect(journal.entries).toEqual(['first']);
    const texts = Array.from({ length: 500 }, (_, i) => `entry ${i}`);
    const positions = await Promise.all(texts.map((text) => propose(server, text)));
    expect(journal.entries).toEqual(['first', ...texts]);
    expect(positions.map(({ index }) => index)).toEqual(texts.map((_, i) => first.index + 1 + i));
    const bytes = Buffer.from('before');
    const proposed = server.propose(bytes, LONG);
    bytes.fill('x');
    await proposed;
    expect(journal.entries.at(-1)).toBe('before');
    // Empty: an index, and nothing to apply.
    const empty = await server.propose(new Uint8Array(0), LONG);
    expect(empty.index).toBe(first.index + 502);
    expect(journal.entries).toHaveLength(502);
    expect(server.appliedIndex).toBe(empty.index);
    expect(await server.readIndex(LONG)).toBeGreaterThanOrEqual(empty.index);
    expect(server.status()).toMatchObject({ id: 1, role: 'leader', leader: 1, appliedIndex: empty.index });
    expect(server.members()).toMatchObject([{ id: 1, learner: false, active: true, lastContactSeconds: 0 }]);
    expect(await server.metrics()).toContain('polyraft_');
  });

  test('a restart replays the log, or restores the snapshot and what came after', async () => {
    const before = new Journal();
    const server = await start(before);
    for (let i = 0; i < 20; i++) await propose(server, `entry ${i}`);
    await server.stop();
    const replayed = new Journal();
    const again = await start(replayed);
    await again.readIndex(LONG);
    expect(replayed.entries).toEqual(before.entries);
    expect(replayed.restores).toBe(0);
    await again.snapshot(LONG);
    const later = await propose(again, 'later');
    await again.stop({ handOver: true });
    const restored = new Journal();
    const third = await start(restored);
    await third.readIndex(LONG);
    expect(restored.restores).toBe(1);
    expect(restored.entries).toEqual([...before.entries, 'later']);
    await third.stop();
    const kept = new Journal();
    await (await start(kept, config(), { appliedIndex: later.index })).readIndex(LONG);
    expect(kept.entries).toEqual([]);
  });

  test('an apply that takes its time holds back the next, not the server', async () => {
    const journal = new Journal();
    let inside = 0;
    journal.during = async (text) => {
      expect(inside++).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, text === 'slow' ? 300 : 1));
      inside--;
    };
    const server = await start(journal);
    await propose(server, 'first');
    const slow = propose(server, 'slow');
    const rest = Array.from({ length: 20 }, (_, i) => propose(server, `${i}`));
    await expect(server.propose(Buffer.from('x'), { timeoutMs: 20 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      mayTakeEffect: true,
    });
    await slow;
    await Promise.all(rest);
    expect(server.status().role).toBe('leader');
    await eventually('what was not waited for', () => journal.entries.length === 23);
  });

  test('entries beyond what may wait are handed over when there is room', async () => {
    const journal = new Journal();
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    journal.during = (text) => (text === 'hold' ? gate : undefined);
    const server = await start(journal);
    await propose(server, 'first');
    const held = propose(server, 'hold');
    const megabyte = 'x'.repeat(1 << 20);
    const many = Array.from({ length: 24 }, () => propose(server, megabyte));
    await eventually('the commit', () => server.status().committedIndex >= server.appliedIndex + 5);
    release();
    await held;
    await Promise.all(many);
    expect(journal.entries).toHaveLength(26);
  });

  test('signals and times end the waiting', async () => {
    const server = await start(new Journal(), config(1, 3));
    const abort = new AbortController();
    const waiting = [
      server.propose(Buffer.from('x'), { ...LONG, signal: abort.signal }),
      server.readIndex({ ...LONG, signal: abort.signal }),
    ];
    setTimeout(() => {
      abort.abort(new Error('not any more'));
    }, 50);
    for (const each of waiting) await expect(each).rejects.toThrow('not any more');
    await expect(server.propose(Buffer.from('x'), { signal: abort.signal })).rejects.toThrow('not any more');
    await expect(server.readIndex({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    await expect(server.readIndex({ timeoutMs: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const due = server.propose(Buffer.from('never'), LONG);
    const told = expect(due).rejects.toMatchObject({ name: 'RaftError' });
    await server.stop();
    await told;
  });

  test('events and roles', async () => {
    const events: RaftEvent[] = [];
    const roles: string[] = [];
    const server = await start(new Journal(), config(), {
      onEvent: (event) => events.push(event),
      onRole: (role) => roles.push(role),
    });
    await propose(server, 'one');
    const index = await server.snapshot(LONG);
    await eventually('the snapshot', () =>
      events.some(({ name, value }) => name === 'SNAPSHOT_SAVED' && value === index),
    );
    expect(events).toContainEqual({ name: 'LEADER_CHANGED', value: 1, text: expect.any(String) as string });
    expect(roles.at(-1)).toBe('leader');
  });

  test('members, of which one has an id of 64 bits', async () => {
    const server = await start(new Journal());
    await propose(server, 'one');
    const large = 2n ** 64n - 1n;
    await server.changeMembers([{ do: 'add-learner', id: large, url: 'http://127.0.0.1:9' }], LONG);
    expect(server.members().map(({ id, learner }) => [id, learner])).toEqual([
      [1, false],
      [large, true],
    ]);
    await server.changeMembers(
      [
        { do: 'add-learner', id: 7, url: 'http://127.0.0.1:10' },
        { do: 'remove', id: large },
      ],
      LONG,
    );
    expect(server.members().map(({ id }) => id)).toEqual([1, 7]);
    await server.removeMember(7, LONG);
    const wrong: [Promise<unknown>, string][] = [
      [server.addMember(7.5, 'http://127.0.0.1:9'), 'INVALID_ARGUMENT'],
      [server.addMember(0, 'http://127.0.0.1:9'), 'INVALID_ARGUMENT'],
      [server.addMember(8, 'gopher://x'), 'URL'],
      [server.removeMember(9), 'UNKNOWN_MEMBER'],
      [server.transferLeadership(9), 'UNKNOWN_MEMBER'],
      [server.changeMembers([]), 'INVALID_ARGUMENT'],
    ];
    for (const [each, code] of wrong) await expect(each).rejects.toMatchObject({ code });
  });
});

describe('faults', { timeout: TIMEOUT_MS }, () => {
  test.each(['throws', 'rejects'])('an apply that %s stops this server, and says why', async (kind) => {
    const journal = new Journal();
    const events: RaftEvent[] = [];
    journal.during = (text) => {
      if (text !== 'bad') return;
      const reason = new Error('not with me');
      if (kind === 'throws') throw reason;
      return Promise.reject(reason);
    };
    const server = await start(journal, config(), { onEvent: (event) => events.push(event) });
    await propose(server, 'good');
    await expect(propose(server, 'bad')).rejects.toMatchObject({ name: 'RaftError' });
    await eventually('the event', () => events.some(({ name }) => name === 'SERVER_FAILED'));
    expect(events.find(({ name }) => name === 'SERVER_FAILED')?.text).toContain('not with me');
    await expect(propose(server, 'late')).rejects.toMatchObject({ name: 'RaftError' });
    expect(server.status()).toMatchObject({ role: 'failed' });
    expect(journal.entries).toEqual(['good']);
  });

  test('a snapshot that throws, or is none, fails alone', async () => {
    const journal = new Journal();
    const server = await start(journal);
    await propose(server, 'one');
    journal.snapshotFails = true;
    await expect(server.snapshot(LONG)).rejects.toMatchObject({
      code: 'CALLBACK_FAILED',
      message: expect.stringContaining('no snapshot today') as string,
    });
    journal.snapshotFails = false;
    await propose(server, 'two');
    expect(await server.snapshot(LONG)).toBe(server.appliedIndex);
  });

  test('a wrong configuration, a directory in use, a proposal too large, a stopped server', async () => {
    const wrong = { ...config(), tickms: 'fast' } as unknown as RaftConfig;
    await expect(RaftServer.start(wrong, new Journal())).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining('tickms') as string,
    });
    await expect(RaftServer.start('{', new Journal())).rejects.toMatchObject({ code: 'CONFIG' });
    const given = config(1, 1, { max_proposal_bytes: 10 });
    const server = await start(new Journal(), given);
    await expect(RaftServer.start(given, new Journal())).rejects.toMatchObject({ code: 'IN_USE' });
    await propose(server, '0123456789');
    await expect(propose(server, '0123456789a')).rejects.toMatchObject({
      code: 'TOO_LARGE',
      mayTakeEffect: false,
    });
    await expect(server.propose('text' as unknown as Uint8Array)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await server.stop();
    await server.stop();
    await expect(propose(server, 'late')).rejects.toMatchObject({ code: 'STOPPED' });
    await expect(server.readIndex()).rejects.toMatchObject({ code: 'STOPPED' });
    expect(() => server.status()).toThrow('stopped');
  });
});

describe('three servers in one process', { timeout: TIMEOUT_MS }, () => {
  test('followers forward, leadership is handed over, a follower that was away catches up', async () => {
    const journals = [new Journal(), new Journal(), new Journal()];
    const of = (i: number): RaftConfig => config(i + 1, 3, { tickms: 50 });
    const three = await Promise.all(journals.map((journal, i) => start(journal, of(i))));
    // What may have taken effect, too: then it is there twice.
    const codes = ['NO_LEADER', 'REJECTED', 'UNKNOWN_OUTCOME', 'TIMEOUT'];
    const write = (server: RaftServer, text: string): Promise<Position> =>
      insist(() => server.propose(Buffer.from(text), LONG), codes);
    const read = (server: RaftServer): Promise<number> => insist(() => server.readIndex(LONG), codes);
    for (const [i, server] of three.entries()) await write(server, `from ${i}`);
    for (const [i, server] of three.entries()) {
      await read(server);
      expect([...new Set(journals[i]!.entries)].sort()).toEqual(['from 0', 'from 1', 'from 2']);
    }
    const next = three.find((server) => server.status().role !== 'leader')!;
    await insist(async () => {
      if (next.status().role !== 'leader')
        await three.find((server) => server !== next)!.transferLeadership(next.status().id, LONG);
    }, codes);
    await next.stop({ handOver: true });
    const away = three.indexOf(next);
    const other = three.find((server) => server !== next)!;
    await write(other, 'while away');
    const again = new Journal();
    const back = await start(again, of(away));
    await read(back);
    expect([...new Set(again.entries)].sort()).toEqual(['from 0', 'from 1', 'from 2', 'while away']);
    expect(again.entries.at(-1)).toBe('while away');
  });
});

test('the type of the configuration has every key', () => {
  // Does not compile where one is missing.
  const keys: Record<keyof RaftConfig, true> = {
    id: true,
    peers: true,
    waldir: true,
    snapdir: true,
    cluster_id: true,
    join: true,
    tickms: true,
    election_tick: true,
    heartbeat_tick: true,
    boostrap_timeout: true,
    snap_count: true,
    snapshot_entries: true,
    manual_snap: true,
    max_size_per_msg: true,
    max_inflight_msgs: true,
    max_proposal_bytes: true,
    max_snap_files: true,
    max_wal_files: true,
    purge_file_interval: true,
    pre_vote: true,
    check_quorum: true,
    lease_reads: true,
    peer_tls: true,
    admin_url: true,
    admin_remote: true,
    admin_token_file: true,
    admin_tls: true,
    strict: true,
    runtime: true,
    node_path: true,
  };
  expect(Object.keys(keys).sort()).toEqual(Object.keys(FIELDS).sort());
});
