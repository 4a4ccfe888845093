/**
 * Whole servers under faults, by seed: kills (of processes and machines), partitions, loss, blocked hosts, snapshots,
 * member changes and transfers, with proposals all the time. Then faults stop, and everything must add up:
 * - every host has applied the same sequence; nothing twice;
 * - what ended as OK is in it, at the index that the outcome named; what ended as REJECTED is not;
 * - every proposal of a server that lived on has exactly one outcome, others at most one.
 * POLYRAFT_CHAOS_SEEDS=A-B runs other seeds, POLYRAFT_CHAOS_STEPS=N more steps a seed.
 */
import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { Cluster, urlOf } from './cluster.ts';
import { seeded } from './virtual-clock.ts';

const [from, to] = (process.env['POLYRAFT_CHAOS_SEEDS'] ?? '1-12').split('-').map(Number);
const STEPS = Number(process.env['POLYRAFT_CHAOS_STEPS'] ?? '150');
const IDS = [1, 2, 3];
const SPARE = 4;

class Chaos {
  readonly cluster: Cluster;
  readonly random: (bound: number) => number;
  readonly pending = new Set<number>();
  /** Proposals whose proposer died before their outcome. */
  readonly orphans = new Set<number>();
  readonly trace: string[] = [];
  private counter = 0;
  private spareUsed = false;
  private voterRemoved = false;
  /** Of the first members, those that are still members when faults have ended. */
  survivors: readonly number[] = IDS;

  constructor(cluster: Cluster, seed: number) {
    this.cluster = cluster;
    this.random = seeded(seed * 7919);
  }

  note(text: string): void {
    this.trace.push(`${this.cluster.clock.now()} ${text}`);
  }

  private pick<T>(from: readonly T[]): T | undefined {
    return from.length === 0 ? undefined : from[this.random(from.length)];
  }

  async step(): Promise<void> {
    this.propose();
    const dice = this.random(100);
    if (dice < 6) await this.kill();
    else if (dice < 18) await this.restart();
    else if (dice < 22) this.partition();
    else if (dice < 30) this.cluster.network.heal();
    else if (dice < 34)
      this.cluster.network.setConditions({ lossPermille: this.random(100), delayMaxMs: 1 + this.random(15) });
    else if (dice < 38) this.cluster.network.setConditions({ lossPermille: 0, delayMaxMs: 1 });
    else if (dice < 42) this.block();
    else if (dice < 50) this.unblock();
    else if (dice < 53) this.force();
    else if (dice < 56) this.transfer();
    else if (dice < 58) await this.changeMembers();
    else if (dice < 59) this.removeVoter();
    await this.cluster.run(1 + this.random(40));
  }

  private propose(): void {
    const member = this.pick(this.cluster.running);
    if (member === undefined) return;
    const count = 1 + this.random(4);
    const texts = Array.from({ length: count }, () => `p${this.counter++}`);
    for (const sequence of this.cluster.propose(member.id, texts)) this.pending.add(sequence);
  }

  private async kill(): Promise<void> {
    const member = this.pick(this.cluster.running);
    if (member === undefined) return;
    const power = this.random(2) === 0;
    const keepsState = !power && this.random(3) === 0;
    this.note(`kill ${member.id} power ${power} keeps ${keepsState}`);
    for (const sequence of this.pending) {
      if (this.cluster.proposed.get(sequence)!.id !== member.id) continue;
      if (this.cluster.outcome(sequence) === undefined) this.orphans.add(sequence);
      this.pending.delete(sequence);
    }
    await this.cluster.kill(member.id, { power, keepsState });
    if (!keepsState) member.host.blocked = false;
  }

  async restart(): Promise<void> {
    const down = this.pick([...this.cluster.members.values()].filter((member) => member.server === null));
    if (down === undefined) return;
    this.note(`start ${down.id}`);
    await this.cluster.start(down.id);
  }

  private partition(): void {
    const alone = this.pick(IDS)!;
    this.note(`partition ${alone}`);
    this.cluster.network.partition(
      [alone],
      [...IDS, SPARE].filter((id) => id !== alone),
    );
  }

  private block(): void {
    const member = this.pick(this.cluster.running);
    if (member !== undefined) member.host.blocked = true;
  }

  unblock(): void {
    for (const member of this.cluster.running) if (member.host.blocked) member.host.unblock();
  }

  private force(): void {
    const member = this.pick(this.cluster.running);
    member?.server?.snapshot().catch(() => undefined);
  }

  private transfer(): void {
    const member = this.pick(this.cluster.running);
    member?.server?.transferLeadership(this.pick(IDS)!).catch(() => undefined);
  }

  private async changeMembers(): Promise<void> {
    const member = this.pick(this.cluster.running);
    if (member === undefined) return;
    if (!this.spareUsed) {
      this.spareUsed = true;
      this.note('add the spare');
      this.cluster.define(SPARE, [...IDS, SPARE], { join: true, snapCount: 30, snapshotEntries: 10 });
      await this.cluster.start(SPARE);
    }
    const operation = this.pick(['add', 'add-learner', 'promote', 'update', 'remove'] as const)!;
    const url = operation === 'promote' ? null : urlOf(SPARE);
    member.server!.changeMember(operation, SPARE, url).catch(() => undefined);
  }

  /** One a run: two voters are left, or three with the spare. */
  private removeVoter(): void {
    const member = this.pick(this.cluster.running);
    if (member === undefined || this.voterRemoved) return;
    this.voterRemoved = true;
    const id = this.pick(IDS)!;
    this.note(`remove ${id}`);
    member.server!.changeMember('remove', id, null).catch(() => undefined);
  }

  /** Faults end. */
  async calm(): Promise<void> {
    const { cluster } = this;
    cluster.network.heal();
    cluster.network.setConditions({ lossPermille: 0, delayMaxMs: 1 });
    for (const member of cluster.members.values()) {
      member.host.blocked = false;
      if (member.server === null) await cluster.start(member.id);
    }
    for (const member of cluster.running) member.host.unblock();
    await cluster.run(3000);
    const leader = cluster.leader();
    expect(leader).not.toBe(0);
    const { members } = cluster.server(leader).members.current;
    this.survivors = IDS.filter((id) => members.has(id));
    const last = cluster.propose(leader, ['last']);
    await cluster.until(() => cluster.decided(last), 'a last commit');
    expect(cluster.outcome(last[0]!)).toBe(ErrorCode.OK);
    await cluster.until(
      () => this.survivors.every((id) => cluster.texts(id).at(-1) === 'last'),
      'the last commit everywhere',
      10_000,
    );
    await cluster.until(
      () => IDS.every((id) => members.has(id) || cluster.server(id).phase === 'removed'),
      'the news of the removal',
    );
  }

  check(): void {
    const { cluster } = this;
    const [first, ...others] = this.survivors.map((id) => cluster.host(id).applied);
    for (const other of others) expect(other).toEqual(first);
    for (const id of IDS) {
      const { applied } = cluster.host(id);
      expect(applied).toEqual(first!.slice(0, applied.length));
    }
    const at = new Map(first!.map(({ index, text }) => [text, index]));
    expect(at.size).toBe(first!.length);
    for (const [sequence, { id, text }] of cluster.proposed) {
      const outcomes = cluster.host(id).results.get(sequence) ?? [];
      expect(outcomes.length, `outcomes of ${text}`).toBe(
        this.orphans.has(sequence) ? outcomes.length & 1 : 1,
      );
      const [outcome] = outcomes;
      if (outcome?.code === ErrorCode.OK)
        expect(at.get(text), `${text} was acknowledged`).toBe(outcome.index);
      if (outcome?.code === ErrorCode.REJECTED || outcome?.code === ErrorCode.BUSY) {
        expect(at.has(text), `${text} was refused`).toBe(false);
      }
    }
  }
}

async function run(
  seed: number,
): Promise<{ readonly trace: string[]; readonly applied: number; readonly ok: number }> {
  const cluster = await Cluster.of(3, { snapCount: 30, snapshotEntries: 10, leaseReads: true }, seed);
  const chaos = new Chaos(cluster, seed);
  try {
    for (let i = 0; i < STEPS; i++) await chaos.step();
    await chaos.calm();
    chaos.check();
    let snapshots = 0;
    for (const member of cluster.running) {
      snapshots += member.host.snapshotsTaken.length;
      expect(member.host.violations).toEqual([]);
      expect(member.host.events.filter(({ code }) => code === 2)).toEqual([]);
    }
    expect(snapshots).toBeGreaterThan(0);
    const ok = [...cluster.proposed.keys()].filter(
      (sequence) => cluster.outcome(sequence) === ErrorCode.OK,
    ).length;
    return { trace: chaos.trace, applied: cluster.host(chaos.survivors[0]!).applied.length, ok };
  } catch (error) {
    console.log(
      `seed ${seed}:\n${chaos.trace.slice(-30).join('\n')}\n${cluster.log
        .filter((line) => !line.includes(' debug '))
        .slice(-60)
        .join('\n')}`,
    );
    throw error;
  } finally {
    await cluster.stop();
  }
}

describe('whole servers under faults', () => {
  for (let seed = from!; seed <= to!; seed++) {
    test(`seed ${seed}`, { timeout: 120_000 }, async () => {
      const { applied, ok } = await run(seed);
      expect(ok).toBeGreaterThan(0);
      expect(applied).toBeGreaterThanOrEqual(ok);
    });
  }

  test('a seed replays exactly', { timeout: 120_000 }, async () => {
    const first = await run(3);
    expect(await run(3)).toEqual(first);
  });
});
