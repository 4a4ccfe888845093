/** Hosts that block or fail, disks that fail, ends of life. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ErrorCode, EventCode } from '../../src-ts/core/codes.generated.ts';
import { proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { UNAPPLIED_BYTES, WAITING_BYTES } from '../../src-ts/server/limits.ts';
import { Cluster } from './cluster.ts';

// The real bound is reached only with time and memory that tests do not have.
vi.mock('../../src-ts/server/limits.ts', async (original) => ({
  ...(await original<typeof import('../../src-ts/server/limits.ts')>()),
  UNAPPLIED_BYTES: 4 * 1024 * 1024,
  SNAPSHOT_LOG_BYTES: 1024 * 1024,
  KEPT_LOG_BYTES: 256 * 1024,
}));

let cluster: Cluster;

afterEach(async () => {
  await cluster.stop();
});

async function commit(id: number, texts: string[]): Promise<void> {
  const sequences = cluster.propose(id, texts);
  await cluster.until(() => cluster.decided(sequences), 'outcomes');
  expect(sequences.map((sequence) => cluster.outcome(sequence))).toEqual(texts.map(() => ErrorCode.OK));
}

describe('hosts', () => {
  test('a blocked host costs no election and bounds the memory; it catches up', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const { term } = cluster.server(leader).node;
    const blocked = [1, 2, 3].find((id) => id !== leader)!;
    cluster.host(blocked).blocked = true;
    const text = 'x'.repeat(128 * 1024);
    const megabytes = UNAPPLIED_BYTES / 1024 / 1024 + 8;
    for (let i = 0; i < 4 * megabytes; i++) await commit(leader, [text, text]);
    await cluster.run(500);
    const { bytes } = cluster.server(blocked).log.ledger;
    expect(bytes).toBeGreaterThan(UNAPPLIED_BYTES / 2);
    expect(bytes).toBeLessThan(UNAPPLIED_BYTES + 3 * 1024 * 1024);
    expect(cluster.server(leader).node.term).toBe(term);
    cluster.host(blocked).unblock();
    await cluster.converged();
  });

  test("a leader's blocked host leads to back-pressure, and the end of it is told", async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const server = cluster.server(leader);
    let told = 0;
    server.onAcceptsProposals = () => told++;
    cluster.host(leader).blocked = true;
    const text = 'x'.repeat(1000 * 1000);
    let rounds = 0;
    while (rounds < 200) {
      if (server.acceptsProposals) cluster.propose(leader, [text]);
      rounds++;
      await cluster.step();
    }
    expect(server.acceptsProposals).toBe(false);
    expect(server.log.ledger.bytes).toBeLessThan(UNAPPLIED_BYTES + 8 * 1024 * 1024);
    const before = told;
    cluster.host(leader).unblock();
    await cluster.until(() => told > before, 'the news of room', 100);
    expect(server.acceptsProposals).toBe(true);
  });

  test('a host that takes entries one by one gets them all', async () => {
    cluster = await Cluster.of(1);
    await cluster.until(() => cluster.leader() === 1, 'leadership');
    const host = cluster.host(1);
    host.room = 1;
    const sequences = cluster.propose(1, ['a', 'b', 'c']);
    await cluster.run(2);
    for (let i = 0; i < 3; i++) {
      cluster.server(1).hostHasRoom();
      await cluster.step();
    }
    expect(cluster.decided(sequences)).toBe(true);
    expect(cluster.texts(1)).toEqual(['a', 'b', 'c']);
  });

  test('a host that fails to apply stops its server for good; the others go on', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    await commit(leader, ['a']);
    cluster.server(leader).hostFailed(5, 77, 'apply');
    const events = cluster.host(leader).events.filter(({ code }) => code === EventCode.SERVER_FAILED);
    expect(events).toEqual([
      {
        code: EventCode.SERVER_FAILED,
        value: ErrorCode.CALLBACK_FAILED,
        text: 'the host failed applying entry 5 with code 77',
      },
    ]);
    const late = cluster.propose(leader, ['late']);
    expect(cluster.outcome(late[0]!)).toBe(ErrorCode.STOPPED);
    await expect(cluster.server(leader).snapshot()).rejects.toMatchObject({ code: ErrorCode.STOPPED });
    await cluster.until(() => ![0, leader].includes(cluster.leader()), 'another leader');
    await commit(cluster.leader(), ['b']);
  });
});

describe('memory', () => {
  test('large entries lead to a snapshot before snap_count is reached, and few of them are kept', async () => {
    cluster = await Cluster.of(1, { snapCount: 1_000_000, snapshotEntries: 1_000_000 });
    await cluster.until(() => cluster.leader() === 1, 'leadership');
    for (let i = 0; i < 60; i++) {
      await commit(1, ['x'.repeat(64 * 1024)]);
      await cluster.run(5);
      expect(cluster.server(1).log.ledger.bytes).toBeLessThan(1600 * 1024);
    }
    expect(cluster.host(1).snapshotsTaken.length).toBeGreaterThanOrEqual(3);
  });
});

describe('disks', () => {
  test('a failed sync stops the server; nothing is acknowledged after it', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    await commit(leader, ['a']);
    cluster.member(leader).disk.fail('sync', /wal$/, 'EIO', 0, Infinity);
    const lost = cluster.propose(leader, ['lost?']);
    await cluster.until(
      () => cluster.host(leader).events.some(({ code }) => code === EventCode.SERVER_FAILED),
      'the failure',
    );
    const [event] = cluster.host(leader).events.filter(({ code }) => code === EventCode.SERVER_FAILED);
    expect(event!.value).toBe(ErrorCode.IO);
    expect(event!.text).toMatch(/\/data\/wal/);
    expect(cluster.decided(lost)).toBe(true);
    await cluster.until(() => ![0, leader].includes(cluster.leader()), 'another leader');
    await commit(cluster.leader(), ['b']);
    // Repaired and started again, it has what it acknowledged.
    await cluster.kill(leader, { power: true });
    cluster.member(leader).disk.clearFaults();
    await cluster.start(leader);
    await cluster.converged();
    expect(cluster.texts(leader)).toEqual(cluster.texts(cluster.leader()));
  });

  test.each([
    ['sync', 'EIO'],
    ['write', 'EIO'],
    ['write', 'ENOSPC'],
  ] as const)(
    'of a lone server that fail at %s (%s): nothing is committed or applied',
    async (operation, code) => {
      cluster = await Cluster.of(1);
      await cluster.until(() => cluster.leader() === 1, 'leadership');
      await commit(1, ['a']);
      const { disk } = cluster.member(1);
      disk.fail(operation, /wal$/, code, 0, Infinity);
      const lost = cluster.propose(1, ['lost?', 'this too']);
      await cluster.until(() => cluster.decided(lost), 'outcomes');
      for (const sequence of lost) expect(cluster.outcome(sequence)).toBe(ErrorCode.UNKNOWN_OUTCOME);
      expect(cluster.texts(1)).toEqual(['a']);
      const failures = cluster.host(1).events.filter((event) => event.code === EventCode.SERVER_FAILED);
      expect(failures).toMatchObject([{ value: ErrorCode.IO }]);
      // What comes later finds a server that has stopped.
      const late = cluster.propose(1, ['late']);
      expect(cluster.outcome(late[0]!)).toBe(ErrorCode.STOPPED);
      await cluster.run(200);
      expect(cluster.texts(1)).toEqual(['a']);
      await cluster.kill(1, { power: true });
      disk.clearFaults();
      await cluster.start(1);
      await cluster.until(() => cluster.texts(1).length > 0, 'what was acknowledged');
      expect(cluster.texts(1)[0]).toBe('a');
    },
  );

  test('of followers that do not sync keep a leader from acknowledging', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    await commit(leader, ['a']);
    const others = [1, 2, 3].filter((id) => id !== leader);
    for (const id of others) cluster.member(id).disk.fail('sync', /wal$/, 'EIO', 0, Infinity);
    const sequences = cluster.propose(leader, ['b']);
    await cluster.until(
      () =>
        others.every((id) => cluster.host(id).events.some(({ code }) => code === EventCode.SERVER_FAILED)),
      'the failures',
    );
    await cluster.run(50);
    expect(cluster.texts(leader)).toEqual(['a']);
    if (cluster.decided(sequences)) expect(cluster.outcome(sequences[0]!)).not.toBe(ErrorCode.OK);
  });

  test('a snapshot that cannot be written fails alone', async () => {
    cluster = await Cluster.of(1);
    await cluster.until(() => cluster.leader() === 1, 'leadership');
    await commit(1, ['a']);
    cluster.member(1).disk.fail('write', /snap/, 'ENOSPC', 0, 1);
    const failing = cluster.server(1).snapshot();
    failing.catch(() => undefined);
    await cluster.run(10);
    await expect(failing).rejects.toMatchObject({ code: ErrorCode.IO });
    expect(cluster.host(1).events.some(({ code }) => code === EventCode.SNAPSHOT_FAILED)).toBe(true);
    await commit(1, ['b']);
    const second = cluster.server(1).snapshot();
    await cluster.run(10);
    expect(await second).toBe(cluster.host(1).appliedTo);
  });
});

describe('ends', () => {
  test('stop ends everything that waits, once', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    for (const id of [1, 2, 3]) if (id !== leader) await cluster.kill(id);
    const open = cluster.propose(leader, ['open']);
    await cluster.run(5);
    const server = cluster.server(leader);
    const change = server.changeMember('remove', leader === 1 ? 2 : 1, null);
    const read = server.readIndex('safe');
    for (const work of [change, read]) work.catch(() => undefined);
    const stopped = server.stop(false);
    await cluster.run(5);
    await stopped;
    await expect(change).rejects.toMatchObject({ code: ErrorCode.STOPPED });
    await expect(read).rejects.toMatchObject({ code: ErrorCode.STOPPED });
    expect(cluster.outcome(open[0]!)).toBe(ErrorCode.UNKNOWN_OUTCOME);
    expect(cluster.host(leader).results.get(open[0]!)).toHaveLength(1);
    expect(JSON.parse(server.statusJson())).toMatchObject({ raftState: 'StateLeader' });
    await server.stop(true);
  });

  test('stop with hand-over leaves no gap without a leader', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    await commit(leader, ['a']);
    const stopping = cluster.server(leader).stop(true);
    await cluster.until(() => ![0, leader].includes(cluster.leader()), 'a successor', 60);
    await cluster.run(20);
    await stopping;
    await commit(cluster.leader(), ['b']);
  });

  test('proposals beyond the limits end with a reason', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const { maxProposalBytes } = cluster.member(leader).config;
    const fits = 'x'.repeat(maxProposalBytes);
    const [ok, tooLarge, small] = cluster.propose(leader, [fits, `${fits}y`, 'z']);
    await cluster.until(() => cluster.decided([ok!, tooLarge!, small!]), 'outcomes');
    expect([ok, tooLarge, small].map((sequence) => cluster.outcome(sequence!))).toEqual([
      ErrorCode.OK,
      ErrorCode.TOO_LARGE,
      ErrorCode.OK,
    ]);
    for (const id of [1, 2, 3]) if (id !== leader) await cluster.kill(id);
    await cluster.until(() => cluster.server(leader).node.lead === 0, 'loss of the leader');
    const payload = new Uint8Array(1024 * 1024);
    let sequence = 1000;
    for (let sum = 0; sum <= WAITING_BYTES; sum += payload.length) {
      cluster.server(leader).propose(proposalsOf([payload]), Float64Array.of(sequence++));
    }
    await cluster.step();
    expect(cluster.server(leader).acceptsProposals).toBe(false);
    expect(cluster.host(leader).results.get(sequence - 1)![0]!.code).toBe(ErrorCode.BUSY);
    await cluster.until(() => cluster.server(leader).acceptsProposals, 'room', 500);
    expect(cluster.host(leader).results.get(1000)![0]!.code).toBe(ErrorCode.REJECTED);
  });
});

describe('reads, transfers, messages', () => {
  test('a read index is not below what was committed before, from any server', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    for (const id of [1, 2, 3]) {
      await commit(leader, [`w${id}`]);
      const { committed } = cluster.server(leader).node;
      const read = cluster.server(id).readIndex('safe');
      await cluster.run(20);
      expect(await read).toBeGreaterThanOrEqual(committed);
    }
    await expect(cluster.server(leader).readIndex('lease')).rejects.toMatchObject({
      code: ErrorCode.UNSUPPORTED,
    });
  });

  test('a deposed leader serves no read', async () => {
    cluster = await Cluster.of(3, { leaseReads: true });
    const leader = await cluster.elected();
    await commit(leader, ['a']);
    const safe = cluster.server(leader).readIndex('safe');
    await cluster.run(20);
    await safe;
    // The round has given a lease: no message is needed for this one.
    await expect(cluster.server(leader).readIndex('lease')).resolves.toBe(
      cluster.server(leader).node.committed,
    );
    const others = [1, 2, 3].filter((id) => id !== leader);
    cluster.network.partition([leader], others);
    await cluster.until(() => others.includes(cluster.leader()), 'another leader');
    await commit(cluster.leader(), ['b']);
    const stale = [cluster.server(leader).readIndex('safe'), cluster.server(leader).readIndex('lease')];
    for (const read of stale) read.catch(() => undefined);
    await cluster.run(500);
    for (const read of stale) await expect(read).rejects.toBeInstanceOf(Error);
  });

  test('leadership is passed on', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const [to, from] = [1, 2, 3].filter((id) => id !== leader);
    const transfer = cluster.server(from!).transferLeadership(to!);
    await cluster.until(() => cluster.leader() === to, 'the transfer', 100);
    await cluster.run(10);
    await transfer;
    await expect(cluster.server(from!).transferLeadership(9)).rejects.toMatchObject({
      code: ErrorCode.UNKNOWN_MEMBER,
    });
  });

  test('host messages', async () => {
    cluster = await Cluster.of(2);
    await cluster.elected();
    const answer = cluster.server(1).sendHostMessage(2, new TextEncoder().encode('hello'));
    await cluster.run(10);
    expect(new TextDecoder().decode(await answer)).toBe('answer to hello');
    await expect(cluster.server(1).sendHostMessage(1, new Uint8Array(1))).rejects.toMatchObject({
      code: ErrorCode.INVALID_ARGUMENT,
    });
    await expect(cluster.server(1).sendHostMessage(9, new Uint8Array(1))).rejects.toMatchObject({
      code: ErrorCode.UNKNOWN_MEMBER,
    });
  });

  test('a pause of the whole process brings no burst of ticks', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    const { term } = cluster.server(leader).node;
    for (let i = 0; i < 10; i++) {
      cluster.clock.advance(2000);
      await cluster.run(20);
    }
    await cluster.run(200);
    expect(cluster.server(leader).node.term).toBe(term);
    expect(cluster.leader()).toBe(leader);
  });

  test('status has the keys of etcd and ours', async () => {
    cluster = await Cluster.of(3);
    const leader = await cluster.elected();
    await commit(leader, ['a']);
    await cluster.converged();
    const status = JSON.parse(cluster.server(leader).statusJson()) as Record<string, unknown>;
    expect(Object.keys(status).slice(0, 9)).toEqual([
      'id',
      'term',
      'vote',
      'commit',
      'lead',
      'raftState',
      'applied',
      'progress',
      'leadtransferee',
    ]);
    expect(status).toMatchObject({
      raftState: 'StateLeader',
      role: 'leader',
      leader,
      runtime: 'test',
      failure: null,
    });
    const peers = JSON.parse(cluster.server(leader).peersJson()) as {
      id: number;
      host: string;
      active: number;
    }[];
    expect(peers.map(({ id }) => id).sort()).toEqual([1, 2, 3].filter((id) => id !== leader));
    expect(peers[0]).toMatchObject({ host: `127.0.0.1:${20000 + peers[0]!.id}`, active: 0 });
  });
});
