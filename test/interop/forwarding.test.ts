/**
 * What a follower of ours forwards to a leader of etcd has no answer: a completion is `committed` only where that is
 * certain, else `unknown`, and what is refused for certain never shows up in the log. One member is a server of ours in
 * this process, on the data directories of a member of etcd, so that every outcome is seen.
 */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { proposalsOf } from '../../src-ts/core/entry-batch.ts';
import type { RaftServer, ServerConfig, ServerEnvironment } from '../../src-ts/server/api.ts';
import { startServer } from '../../src-ts/server/start-server.ts';
import { NodeDisk } from '../../src-ts/storage/node-disk.ts';
import { createTransport, ListenerTable } from '../../src-ts/transport/rafthttp.ts';
import { figure } from '../scenario/figures.ts';
import { FakeHost } from '../server/fake-host.ts';
import { MixedCluster, PATIENCE_MS, waitUntil, type MixedMember } from './mixed-cluster.ts';
import { skipReason, titled } from './programs.ts';

const WRITES = figure(500, 5_000);
const PROPOSALS = 100;
const SET = 1;
const CLIENT = 7n;

const clock = {
  now: () => performance.now(),
  setTimer: (delayMs: number, callback: () => void) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** As examples-c/kv/kv_command.h lays it out; all bytes are ASCII, so that FakeHost's text is the same. */
function command(sequence: number): Uint8Array {
  const key = `key-${sequence}`;
  const bytes = Buffer.alloc(29 + key.length * 2);
  bytes[0] = SET;
  bytes.writeBigUInt64LE(CLIENT, 1);
  bytes.writeBigUInt64LE(BigInt(sequence), 9);
  bytes.writeBigUInt64LE(BigInt(sequence), 17);
  bytes.writeUInt32LE(key.length, 25);
  bytes.write(key + key, 29, 'latin1');
  return bytes;
}

class OwnServer {
  readonly host = new FakeHost();
  server!: RaftServer;
  private proposed = 0;

  async start(cluster: MixedCluster, member: MixedMember): Promise<void> {
    const config: ServerConfig = {
      id: member.id,
      clusterId: 1n,
      walDirectory: join(cluster.directory, `wal${member.id}`),
      snapDirectory: join(cluster.directory, `snap${member.id}`),
      peers: cluster.members.map((one) => ({ id: one.id, url: cluster.url(one) })),
      join: false,
      tickMs: 100,
      electionTick: 10,
      heartbeatTick: 1,
      bootstrapTimeoutMs: 10_000,
      snapCount: 0,
      snapshotEntries: 1000,
      manualSnap: true,
      maxSizePerMsg: 1024 * 1024,
      maxInflightMsgs: 256,
      maxProposalBytes: 1024 * 1024,
      maxSnapFiles: 0,
      maxWalFiles: 0,
      purgeFileIntervalMs: 60_000,
      preVote: true,
      checkQuorum: true,
    };
    const quiet = (): void => undefined;
    const logger = { debug: quiet, info: quiet, warning: quiet, error: quiet };
    const random = (bound: number): number => randomInt(bound);
    const listeners = new ListenerTable();
    const environment: ServerEnvironment = {
      disk: new NodeDisk(null),
      binding: null,
      clock,
      random,
      logger,
      createTransport: ({ clusterId, id }, peers, events) => {
        const localUrl = cluster.url(member);
        return createTransport({ clusterId, id, localUrl, peers, events, clock, random, logger, listeners });
      },
    };
    this.server = await startServer(config, environment, this.host, { appliedIndex: 0 });
    this.host.server = this.server;
  }

  get lead(): number {
    return (JSON.parse(this.server.statusJson()) as { leader: number }).leader;
  }

  /** Proposes some; returns the numbers that their outcomes have. */
  propose(count: number): number[] {
    const sequences = Array.from({ length: count }, () => ++this.proposed);
    this.server.propose(proposalsOf(sequences.map(command)), Float64Array.from(sequences));
    return sequences;
  }

  async outcomesOf(sequences: readonly number[]): Promise<Map<number, ErrorCode>> {
    const { results } = this.host;
    await waitUntil('every outcome', () => sequences.every((sequence) => results.has(sequence)));
    const codes = new Map<number, ErrorCode>();
    for (const sequence of sequences) {
      const outcomes = results.get(sequence)!;
      expect(outcomes, `outcomes of ${sequence}`).toHaveLength(1);
      codes.set(sequence, outcomes[0]!.code);
    }
    return codes;
  }

  /** Where the log has this proposal; undefined when it has not. */
  indexOf(sequence: number): number | undefined {
    const text = new TextDecoder().decode(command(sequence));
    return this.host.applied.find((entry) => entry.text === text)?.index;
  }

  /** No outcome says what the log does not. */
  expectHonest(): void {
    for (const [sequence, [outcome]] of this.host.results) {
      const index = this.indexOf(sequence);
      if (outcome!.code === ErrorCode.OK)
        expect(index, `committed ${sequence} in the log`).toBe(outcome!.index);
      else if (outcome!.code !== ErrorCode.UNKNOWN_OUTCOME) {
        expect(index, `proposal ${sequence}, ended with code ${outcome!.code}, in the log`).toBeUndefined();
      }
    }
    expect(this.host.violations).toEqual([]);
  }
}

describe.skipIf(skipReason !== null)(titled('proposals forwarded to a leader of etcd'), () => {
  let cluster: MixedCluster;
  let own: OwnServer | null = null;
  afterEach(async () => {
    await own?.server.stop(false);
    own = null;
    await cluster.end();
  });

  it(
    'end as unknown although they are carried out, are never committed falsely, and are known when we lead',
    async () => {
      cluster = await MixedCluster.start(['etcd', 'etcd', 'etcd'], { config: { snap_count: 0 } });
      const [first, second, third] = cluster.members as [MixedMember, MixedMember, MixedMember];
      await cluster.transferTo(first);
      await cluster.stop(third, 'SIGTERM');
      own = new OwnServer();
      await own.start(cluster, third);
      await waitUntil('the leader is known', () => own!.lead === first.id);

      // The leader carries out what it is sent, and cannot say so.
      const forwarded = own.propose(PROPOSALS);
      const codes = await own.outcomesOf(forwarded);
      await waitUntil('all are carried out', () =>
        forwarded.every((sequence) => own!.indexOf(sequence) !== undefined),
      );
      expect([...new Set(codes.values())]).toEqual([ErrorCode.UNKNOWN_OUTCOME]);
      own.expectHonest();

      // The leader dies with what it was sent, and so does the majority: nothing of it may count as committed.
      await Promise.all([cluster.stop(first, 'SIGKILL'), cluster.stop(second, 'SIGKILL')]);
      const lost = await own.outcomesOf(own.propose(PROPOSALS));
      expect([...lost.values()]).not.toContain(ErrorCode.OK);
      await Promise.all([cluster.startMember(first), cluster.startMember(second)]);
      await cluster.command('set', 'after', 'the crash');
      await waitUntil('the entry arrives', () =>
        own!.host.applied.some((entry) => entry.text.includes('the crash')),
      );
      own.expectHonest();

      // When we lead, every outcome is known.
      await waitUntil('ours leads', async () => {
        const leader = cluster.running.find((member) => member.id === own!.lead);
        if (leader !== undefined) await cluster.ask(leader, 'transfer', String(third.id));
        return own!.lead === third.id;
      });
      const appended = await own.outcomesOf(own.propose(PROPOSALS));
      expect([...new Set(appended.values())]).toEqual([ErrorCode.OK]);
      own.expectHonest();
    },
    PATIENCE_MS * 5,
  );

  it(
    'are answered by the state machine: a client of our follower loses nothing and writes nothing twice',
    async () => {
      cluster = await MixedCluster.start(['polyraft', 'etcd', 'etcd']);
      const [ours, leader] = cluster.members as [MixedMember, MixedMember];
      await cluster.transferTo(leader);
      await cluster.load(WRITES, 20, undefined, ours);
      const { keys, writes } = await cluster.agreed();
      expect([keys, writes]).toEqual([WRITES, WRITES]);
      // The other way: their follower forwards to ours.
      await cluster.transferTo(ours);
      await cluster.load(WRITES, 24, undefined, leader);
      expect((await cluster.agreed()).writes).toBe(2 * WRITES);
    },
    PATIENCE_MS * 5,
  );
});
