// RaftConfig as the engine takes it: addresses are resolved and named, and times keep their relations. Its rules are
// checked by the host: test/native/libraft/config_test.cc.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { validateConfig } from '../../src-ts/core/validate-config.ts';
import { idOfAddress } from '../../src-ts/facade/libraft-address.ts';
import {
  isLibraftConfig,
  parseLibraftConfig,
  ticksOf,
  type LibraftConfig,
} from '../../src-ts/facade/libraft-config.ts';
import { ServerError, type ServerConfig } from '../../src-ts/server/api.ts';

const MS = 1_000_000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** What raft_default_config sets, with a directory. */
const DEFAULTS: LibraftConfig = {
  directory: '/data',
  advertise: '',
  listen_port: 9001,
  peers: '',
  max_command_bytes: 64 * 1024 * 1024,
  HeartbeatTimeout: 1000 * MS,
  ElectionTimeout: 1000 * MS,
  CommitTimeout: 50 * MS,
  MaxAppendEntries: 64,
  TrailingLogs: 10_240,
  SnapshotInterval: 120_000 * MS,
  SnapshotThreshold: 8192,
  EnableSingleNode: false,
  LeaderLeaseTimeout: 500 * MS,
  RetainSnapshots: 8,
};

type Changes = Partial<LibraftConfig>;

function textOf(changes: Changes = {}): string {
  return JSON.stringify({ libraft: { ...DEFAULTS, ...changes } });
}

async function configOf(changes: Changes = {}): Promise<ServerConfig> {
  return (await parseLibraftConfig(textOf(changes))).config;
}

async function refusal(changes: Changes): Promise<ServerError> {
  const error: unknown = await parseLibraftConfig(textOf(changes)).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error, JSON.stringify(changes)).toBeInstanceOf(ServerError);
  return error as ServerError;
}

it.each(['localhost', 'localhost:9002;localhost:9003', 'localhost:0', ':9002'])(
  'peers "%s" are refused, and named',
  async (peers) => {
    const error = await refusal({ peers });
    expect(error.code).toBe(ErrorCode.CONFIG);
    expect(error.message).toContain('RaftConfig: peers');
  },
);

it.each<Changes>([
  {},
  { HeartbeatTimeout: 5 * MS, ElectionTimeout: 5 * MS, LeaderLeaseTimeout: 5 * MS, CommitTimeout: MS },
  { SnapshotInterval: 5 * MS, SnapshotThreshold: 1, TrailingLogs: 0, RetainSnapshots: 1 },
  { SnapshotInterval: DAY_MS * MS, MaxAppendEntries: 1024, listen_port: 65_535 },
  { MaxAppendEntries: 1, LeaderLeaseTimeout: 1000 * MS },
])('what the rules allow is a configuration: %j', async (changes) => {
  await expect(configOf(changes)).resolves.toBeDefined();
});

it('a peer that has no address is RESOLVE, and named', async () => {
  const error = await refusal({ peers: 'localhost:9002,no-such-host.invalid:9' });
  expect(error.code).toBe(ErrorCode.RESOLVE);
  expect(error.message).toContain('RaftConfig: peers: "no-such-host.invalid" has no IPv4 address');
});

describe('times', () => {
  const settings = fc
    .record({
      heartbeatUs: fc.integer({ min: 5000, max: DAY_MS * 1000 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    .map(({ heartbeatUs, share }) => ({
      HeartbeatTimeout: heartbeatUs * 1000,
      LeaderLeaseTimeout: Math.max(5 * MS, Math.round(heartbeatUs * share) * 1000),
    }));

  it('become ticks that the core takes, within a tick of what was asked for', () => {
    fc.assert(
      fc.property(settings, (raw) => {
        const ticks = ticksOf(raw);
        expect(() => {
          validateConfig({ id: 1, maxInflightMsgs: 1, ...ticks } as never);
        }).not.toThrow();
        expect(Number.isInteger(ticks.tickMs) && ticks.tickMs >= 1).toBe(true);
        const heartbeatMs = raw.HeartbeatTimeout / MS;
        expect(Math.abs(ticks.electionTick * ticks.tickMs - heartbeatMs)).toBeLessThanOrEqual(ticks.tickMs);
        const leaseMs = raw.LeaderLeaseTimeout / MS;
        expect(Math.abs(ticks.quorumTick * ticks.tickMs - leaseMs)).toBeLessThanOrEqual(ticks.tickMs);
        // A leader is heard of several times before it is missed.
        expect(ticks.electionTick / ticks.heartbeatTick).toBeGreaterThanOrEqual(5);
        expect(ticks.tickMs).toBeLessThanOrEqual(Math.max(1, leaseMs / 2));
      }),
    );
  });
});

describe('members', () => {
  const [own, second, third] = [9001, 9002, 9003].map((port) => idOfAddress({ ip: '127.0.0.1', port }));

  it('are the peers and this node, in the same order on each of them, under any name of theirs', async () => {
    const one = await configOf({ listen_port: 9001, peers: 'localhost:9002,localhost:9003' });
    const two = await configOf({ listen_port: 9002, peers: '127.0.0.1:9003, localhost:9001' });
    const three = await configOf({ listen_port: 9003, peers: 'localhost:9002,,127.0.0.1:9001,' });
    expect(one.peers.map(({ id }) => id)).toEqual([own, second, third]);
    expect(two.peers).toEqual(one.peers);
    expect(three.peers).toEqual(one.peers);
    expect([one.id, two.id, three.id]).toEqual([own, second, third]);
    expect(one.peers[0]!.url).toBe('http://127.0.0.1:9001');
    expect([one.join, two.join, three.join]).toEqual([false, false, false]);
  });

  it('that are told twice, or are this node itself, are one', async () => {
    const { peers } = await configOf({ peers: 'localhost:9002,127.0.0.1:9002,localhost:9001' });
    expect(peers.map(({ id }) => id)).toEqual([own, second]);
  });

  it('of a node alone: it leads when it may, else it waits to be added', async () => {
    expect((await configOf({ EnableSingleNode: true })).join).toBe(false);
    expect((await configOf({ EnableSingleNode: false })).join).toBe(true);
  });

  it('see this node under POLYRAFT_ADVERTISE: a host, or host and port', async () => {
    const host = await configOf({ advertise: ' 192.0.2.1 ' });
    expect(host.peers[0]!.url).toBe('http://192.0.2.1:9001');
    expect(host.id).toBe(idOfAddress({ ip: '192.0.2.1', port: 9001 }));
    expect((await configOf({ advertise: '192.0.2.1:7000' })).peers[0]!.url).toBe('http://192.0.2.1:7000');
    expect((await configOf({ advertise: 'localhost' })).id).toBe(own);
    for (const advertise of ['a:b:c', '192.0.2.1:', ':1', '192.0.2.1:70000']) {
      const error = await refusal({ advertise });
      expect(error.code).toBe(ErrorCode.CONFIG);
      expect(error.message).toContain('POLYRAFT_ADVERTISE');
    }
    expect((await refusal({ advertise: 'no-such-host.invalid' })).code).toBe(ErrorCode.RESOLVE);
  });
});

it('the rest is carried over: snapshots, log, sizes, and what makes a server one of libraft', async () => {
  const config = await configOf({ SnapshotThreshold: 77, TrailingLogs: 5, SnapshotInterval: 1500 * MS });
  expect(config).toMatchObject({
    walDirectory: '/data/wal',
    snapDirectory: '/data/snap',
    snapCount: 77,
    snapshotEntries: 5,
    snapshotIntervalMs: 1500,
    maxSnapFiles: 8,
    maxProposalBytes: 64 * 1024 * 1024,
    manualSnap: false,
    leaderOnly: true,
    outcomesWithEntries: true,
    reusableIds: true,
  });
  expect((await configOf({ RetainSnapshots: 1 })).maxSnapFiles).toBe(2);
  // Larger than any number of entries: no snapshots by themselves, but no number that is not exact either.
  const huge = await configOf({ SnapshotThreshold: 2 ** 64, TrailingLogs: 2 ** 64 });
  expect(Number.isSafeInteger(huge.snapCount) && Number.isSafeInteger(huge.snapshotEntries)).toBe(true);
});

it('is told from the other interface by how it begins', () => {
  expect(isLibraftConfig(textOf())).toBe(true);
  expect(isLibraftConfig('{"id":1,"waldir":"w"}')).toBe(false);
  expect(isLibraftConfig('')).toBe(false);
});
