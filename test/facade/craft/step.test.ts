import { describe, expect, it } from 'vitest';
import { CatchUp, Code, Flag, MessageCode, Role } from '../../../src-ts/facade/craft/layout.ts';
import { bootstrap, emptyDisk, Program } from './program.ts';
import { StepCluster } from './step-cluster.ts';

const { voter, standby, spare } = Role;

describe('a single server', () => {
  it('leads when it has started, and commits what is on its disk', () => {
    const program = new Program(1, bootstrap([1]));
    const started = program.start(5000);
    expect(started.code).toBe(0);
    expect(program.known).toMatchObject({ term: 2, vote: 1, state: 3, commit: 1, lastIndex: 2, lead: 1 });
    expect(started.flags & (Flag.currentTerm | Flag.votedFor | Flag.entries | Flag.state)).toBe(
      Flag.currentTerm | Flag.votedFor | Flag.entries | Flag.state,
    );
    expect(program.log.at(2)).toMatchObject({ term: 2, kind: 2 });
    expect(program.command('a', 'b').code).toBe(0);
    expect(program.known.commit).toBe(1);
    expect(program.completeWrite()!.flags & Flag.commitIndex).not.toBe(0);
    expect(program.known.commit).toBe(2);
    program.completeWrite();
    expect(program.known).toMatchObject({ commit: 4, lastIndex: 4 });
  });

  it('knows nothing without a disk, and waits', () => {
    const program = new Program(1, emptyDisk());
    expect(program.start(0).code).toBe(0);
    expect(program.known).toMatchObject({ term: 0, state: 1, commit: 0, lastIndex: 0 });
    for (let i = 0; i < 3; i++) {
      const due = program.known.timeout;
      expect(due).toBeGreaterThanOrEqual(program.now + 1000);
      program.now = due;
      expect(program.timeout().messages).toEqual([]);
    }
    expect(program.known).toMatchObject({ term: 0, state: 1 });
  });
});

describe.each([{ preVote: false }, { preVote: true }])('three servers %o', (settings) => {
  it('elect a leader, which all follow', () => {
    const cluster = new StepCluster([1, 2, 3], settings);
    cluster.run(4000);
    const { id, known } = cluster.leader;
    for (const { program } of cluster.servers.values()) {
      expect(program.known).toMatchObject({ term: known.term, lead: id, commit: 2, lastIndex: 2 });
    }
    const asks = cluster.sent.filter(({ type }) => type === MessageCode.requestVote);
    expect(asks.some(({ words }) => words[3] === 1)).toBe(settings.preVote);
  });

  it('replicate, also to one that was cut off, and from behind a loss', () => {
    const cluster = new StepCluster([1, 2, 3], settings);
    cluster.elect(1);
    cluster.cut(3);
    for (let i = 0; i < 50; i++) expect(cluster.command(1, `a${i}`, `b${i}`)).toBe(0);
    expect(cluster.server(2).applied).toHaveLength(100);
    expect(cluster.server(3).applied).toEqual([]);
    cluster.heal();
    cluster.run(500, (id) => id === 1);
    for (const { applied } of cluster.servers.values()) expect(applied).toHaveLength(100);
    let kept = 0;
    cluster.passes = ({ type }) => type !== MessageCode.appendEntries || kept++ % 3 !== 0;
    for (let i = 0; i < 30; i++) cluster.command(1, `c${i}`);
    cluster.heal();
    cluster.run(500, (id) => id === 1);
    expect(cluster.server(3).applied).toEqual(cluster.server(1).applied);
    expect(cluster.server(1).applied).toHaveLength(130);
  });

  it('replace what a deposed leader has added', () => {
    const cluster = new StepCluster([1, 2, 3], settings);
    cluster.elect(1);
    cluster.cut(1);
    cluster.command(1, 'lost', 'lost, too');
    expect(cluster.of(1).known.lastIndex).toBe(4);
    cluster.run(4000, (id) => id !== 1);
    const { id } = cluster.leader;
    expect(id).not.toBe(1);
    cluster.command(id, 'kept');
    cluster.heal();
    cluster.run(4000);
    expect(cluster.server(1).applied).toEqual(['kept']);
    expect(cluster.of(1).log.entries).toEqual(cluster.of(id).log.entries);
  });

  it('go on from their disks', () => {
    const cluster = new StepCluster([1, 2, 3], settings);
    cluster.elect(1);
    cluster.command(1, 'a', 'b');
    for (const id of [1, 2, 3]) cluster.restart(id);
    expect(cluster.of(2).known).toMatchObject({ commit: 1, lastIndex: 4, state: 1 });
    cluster.run(4000);
    expect(cluster.server(cluster.leader.id).applied).toEqual(['a', 'b']);
    expect(cluster.leader.known.commit).toBe(5);
  });

  it('leave alone a leader that a quorum hears', () => {
    const cluster = new StepCluster([1, 2, 3], settings);
    const { known } = cluster.elect(1);
    cluster.passes = ({ to }) => to !== 3;
    cluster.run(10_000);
    cluster.heal();
    cluster.run(5000);
    // Without pre-vote the one that was cut off comes back with a higher term, and the leader must follow that.
    if (settings.preVote) expect(cluster.leader.known).toMatchObject({ term: known.term, lead: 1 });
    else expect(cluster.leader.known.term).toBeGreaterThan(known.term - 1);
  });
});

describe('acknowledgements', () => {
  it('count only what is durable', () => {
    const cluster = new StepCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.slow.add(1);
    cluster.slow.add(2);
    cluster.command(1, 'a');
    cluster.run(1000, (id) => id === 1);
    expect(cluster.of(1).known).toMatchObject({ state: 3, commit: 2 });
    cluster.slow.delete(2);
    cluster.take(2, cluster.of(2).completeWrite()!);
    cluster.run(200, (id) => id === 1);
    // Two followers have it, the leader has not.
    expect(cluster.of(1).known.commit).toBe(3);
    expect(cluster.of(1).disk.log.last).toBe(2);
  });

  it('name the log as it is after a replacement', () => {
    const program = new Program(3, bootstrap([1, 2, 3]));
    program.start(0);
    const append = (from: number, term: number, index: number, logTerm: number, terms: number[]): number =>
      program.receive({
        from,
        to: 3,
        type: MessageCode.appendEntries,
        term,
        words: [index, logTerm, 1, terms.length],
        entries: terms.map((t, i) => ({ term: t, kind: 1, text: `${t}.${index + 1 + i}`, members: null })),
        snapshot: null,
      }).code;
    expect(append(1, 2, 1, 1, [2, 2, 2])).toBe(0);
    expect(append(2, 3, 2, 2, [3, 3])).toBe(0);
    expect(program.writes.map(({ first, told }) => [first, told])).toEqual([
      [2, 2],
      [3, 4],
    ]);
    // The first leader is not told any more what may have been replaced before it was stored.
    expect(program.completeWrite()!.messages).toEqual([]);
    const { messages } = program.completeWrite()!;
    expect(messages.map(({ to, term, words }) => [to, term, words[0], words[1]])).toEqual([[2, 3, 0, 4]]);
  });

  it('may come late and together', () => {
    const cluster = new StepCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.slow.add(1);
    cluster.cut(1);
    cluster.command(1, 'a');
    cluster.command(1, 'b');
    cluster.command(1, 'c');
    const program = cluster.of(1);
    expect(program.persistedEntries(4).code).toBe(0);
    expect(program.persistedEntries(5).code).toBe(0);
    expect(program.persistedEntries(5).code).toBe(0);
    expect(program.persistedEntries(6).code).toBe(Code.invalid);
    expect(program.progress.get(1)!.match).toBe(5);
  });
});

describe('snapshots', () => {
  it('are sent to one that lags behind the log, and what follows them goes on', () => {
    const cluster = new StepCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.cut(3);
    for (let i = 0; i < 20; i++) cluster.command(1, `a${i}`);
    expect(cluster.snapshot(1, 3)).toBe(0);
    expect(cluster.of(1).log.first).toBe(20);
    cluster.heal();
    cluster.run(500, (id) => id === 1);
    const install = cluster.sent.filter(({ type }) => type === MessageCode.installSnapshot);
    expect(install.map(({ to, words }) => [to, words[0], words[1]])).toEqual([[3, 22, 2]]);
    cluster.command(1, 'b');
    expect(cluster.server(3).applied).toEqual(cluster.server(1).applied);
    expect(cluster.of(3).log).toMatchObject({ first: 23, last: 23 });
    cluster.restart(3);
    expect(cluster.of(3).known).toMatchObject({ commit: 22, lastIndex: 23 });
    cluster.run(500, (id) => id === 1);
    expect(cluster.server(3).applied).toEqual(cluster.server(1).applied);
  });

  it('are sent once more when the first has not arrived', () => {
    const cluster = new StepCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.cut(3);
    for (let i = 0; i < 20; i++) cluster.command(1, `a${i}`);
    cluster.snapshot(1);
    cluster.passes = ({ type }) => type !== MessageCode.installSnapshot;
    cluster.run(29_000, (id) => id === 1);
    const sent = (): number => cluster.sent.filter(({ type }) => type === MessageCode.installSnapshot).length;
    expect(sent()).toBe(1);
    cluster.heal();
    cluster.run(3000, (id) => id === 1);
    expect(sent()).toBe(2);
    expect(cluster.server(3).applied).toHaveLength(20);
  });

  it('keep a server that is still writing one alive to the leader', () => {
    const cluster = new StepCluster([1, 2]);
    cluster.elect(1);
    cluster.command(1, 'a');
    const roles = { 1: voter, 2: voter };
    expect(cluster.change(1, { ...roles, 3: standby })).toBe(0);
    cluster.snapshot(1);
    cluster.add(3);
    cluster.slow.add(3);
    cluster.run(1000, (id) => id === 1);
    expect(cluster.of(3).writes).toHaveLength(1);
    cluster.run(10_000, (id) => id === 1);
    const before = cluster.sent.length;
    cluster.run(300, (id) => id === 1);
    expect(cluster.sent.slice(before).some(({ from }) => from === 3)).toBe(true);
    cluster.slow.delete(3);
    cluster.take(3, cluster.of(3).completeWrite()!);
    cluster.settle();
    expect(cluster.server(3).applied).toEqual(['a']);
  });

  it('may be of what was stored while the term changed', () => {
    const cluster = new StepCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.slow.add(3);
    for (const text of ['a', 'b', 'c']) cluster.command(1, text);
    cluster.slow.add(2);
    cluster.command(1, 'd');
    expect(cluster.server(3).applied).toEqual(['a', 'b', 'c']);
    cluster.cut(1);
    cluster.slow.delete(2);
    expect(cluster.take(2, cluster.of(2).completeWrite()!)).toBe(0);
    cluster.run(4000, (id) => id === 2);
    expect(cluster.leader.id).toBe(2);
    const slow = cluster.of(3);
    while (slow.disk.log.last < 5) expect(cluster.take(3, slow.completeWrite()!)).toBe(0);
    expect(slow.writes.length).toBeGreaterThan(0);
    expect(cluster.snapshot(3)).toBe(0);
    while (slow.writes.length > 0) expect(cluster.take(3, slow.completeWrite()!)).toBe(0);
    cluster.slow.delete(3);
    cluster.command(2, 'e');
    cluster.run(300, (id) => id === 2);
    expect(cluster.server(3).applied).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('are refused where they cannot be, and nothing changes', () => {
    const cluster = new StepCluster([1]);
    cluster.run(10);
    cluster.command(1, 'a', 'b');
    const { log, known } = cluster.of(1);
    const members = log.membersAt(4)!;
    const before = { ...known };
    const taken = (index: number, term: number): number =>
      cluster.of(1).snapshotTaken({ index, term, members, state: [] }, 0).code;
    expect(taken(5, 2)).toBe(Code.invalid);
    expect(taken(4, 1)).toBe(Code.invalid);
    expect(taken(4, 2)).toBe(0);
    expect(taken(3, 2)).toBe(Code.invalid);
    expect({ ...cluster.of(1).known, timeout: 0 }).toEqual({ ...before, timeout: 0 });
  });

  it('make a start from what stands behind them, or drop what they replace', () => {
    const cluster = new StepCluster([1]);
    cluster.run(10);
    for (let i = 0; i < 10; i++) cluster.command(1, `a${i}`);
    cluster.snapshot(1, 4);
    const { disk } = cluster.of(1);
    expect(disk.log).toMatchObject({ first: 9, last: 12 });
    const again = cluster.restart(1);
    expect(again.known).toMatchObject({ commit: 13, lastIndex: 13, state: 3 });
    const log = disk.log.copy();
    log.snapshot = { ...log.snapshot!, term: 7 };
    const replaced = new Program(2, { term: 7, vote: 0, log });
    expect(replaced.start(0).code).toBe(0);
    expect(replaced.known).toMatchObject({ commit: 12, lastIndex: 12 });
  });
});

describe('configurations', () => {
  it('add a stand-by, bring it up to date, and make it a voter', () => {
    const cluster = new StepCluster([1]);
    cluster.run(10);
    for (let i = 0; i < 100; i++) cluster.command(1, `a${i}`);
    cluster.add(2);
    cluster.slow.add(2);
    expect(cluster.change(1, { 1: voter, 2: standby })).toBe(0);
    expect(cluster.take(1, cluster.of(1).catchUp(2))).toBe(0);
    expect(cluster.of(1).progress.get(2)!.catchUp).toBe(CatchUp.running);
    expect(cluster.change(1, { 1: voter, 2: voter })).toBe(Code.cantChange);
    expect(cluster.of(1).catchUp(2).code).toBe(Code.cantChange);
    cluster.slow.delete(2);
    cluster.run(2000, (id) => id === 1);
    expect(cluster.of(1).progress.get(2)).toEqual({ match: 103, catchUp: CatchUp.finished });
    expect(cluster.of(2).roleOf(2)).toBe(standby);
    expect(cluster.change(1, { 1: voter, 2: voter })).toBe(0);
    cluster.run(500, (id) => id === 1);
    expect(cluster.of(2).roleOf(2)).toBe(voter);
    expect(cluster.server(2).applied).toHaveLength(100);
    expect(cluster.take(1, cluster.of(1).transfer(2))).toBe(0);
    cluster.settle();
    expect(cluster.leader.id).toBe(2);
  });

  it('tell a spare nothing of the log, but when it is to catch up', () => {
    const cluster = new StepCluster([1, 2]);
    cluster.elect(1);
    cluster.command(1, 'a');
    cluster.add(3);
    expect(cluster.change(1, { 1: voter, 2: voter, 3: spare })).toBe(0);
    cluster.command(1, 'b');
    cluster.run(5000, (id) => id === 1);
    expect(cluster.sent.filter(({ to }) => to === 3)).toEqual([]);
    expect(cluster.of(1).roleOf(3)).toBe(spare);
    expect(cluster.take(1, cluster.of(1).catchUp(3))).toBe(0);
    cluster.run(2000, (id) => id === 1);
    expect(cluster.of(1).progress.get(3)!.catchUp).toBe(CatchUp.finished);
    expect(cluster.of(3).log.last).toBe(cluster.of(1).log.last);
    const { length } = cluster.sent;
    cluster.command(1, 'c');
    cluster.run(1000, (id) => id === 1);
    expect(cluster.sent.slice(length).filter(({ to }) => to === 3)).toEqual([]);
    expect(cluster.change(1, { 1: voter, 2: voter, 3: voter })).toBe(0);
    cluster.run(1000, (id) => id === 1);
    expect(cluster.server(3).applied).toEqual(['a', 'b', 'c']);
  });

  it('give up a catch-up of a silent server', () => {
    const cluster = new StepCluster([1]);
    cluster.run(10);
    expect(cluster.change(1, { 1: voter, 9: standby })).toBe(0);
    expect(cluster.take(1, cluster.of(1).catchUp(9))).toBe(0);
    cluster.run(6000);
    expect(cluster.of(1).progress.get(9)!.catchUp).toBe(CatchUp.aborted);
    expect(cluster.change(1, { 1: voter })).toBe(0);
    expect(cluster.of(1).catchUp(9).code).toBe(Code.badId);
  });

  it('count when they are appended, and go with their entry', () => {
    const cluster = new StepCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.cut(1);
    expect(cluster.change(1, { 1: voter, 2: voter, 3: voter, 4: spare })).toBe(0);
    expect(cluster.of(1).roleOf(4)).toBe(spare);
    expect(cluster.change(1, { 1: voter, 2: voter })).toBe(Code.cantChange);
    cluster.run(4000, (id) => id !== 1);
    cluster.heal();
    cluster.run(4000);
    expect(cluster.of(1).roleOf(4)).toBe(-1);
    expect(cluster.of(1).log.entries).toEqual(cluster.leader.log.entries);
  });

  it('change nothing before the leader has committed in its term, and one vote at a time', () => {
    const cluster = new StepCluster([1, 2, 3]);
    cluster.passes = ({ entries }) => entries.length === 0;
    cluster.elect(1);
    expect(cluster.change(1, { 1: voter, 2: voter })).toBe(Code.cantChange);
    cluster.heal();
    cluster.run(300, (id) => id === 1);
    expect(cluster.change(1, { 1: voter })).toBe(Code.invalid);
    expect(cluster.change(1, { 1: standby, 2: spare, 3: voter })).toBe(Code.invalid);
    expect(cluster.change(1, { 1: voter, 2: voter })).toBe(0);
    expect(cluster.change(1, { 1: voter })).toBe(0);
    expect(cluster.change(1, { 1: standby })).toBe(Code.invalid);
    expect(cluster.of(1).known.commit).toBe(4);
  });

  it('let a leader take itself out, also of two', () => {
    const cluster = new StepCluster([1, 2]);
    cluster.elect(1);
    expect(cluster.change(1, { 2: voter })).toBe(0);
    expect(cluster.of(1).known.state).toBe(1);
    cluster.run(4000, (id) => id === 2);
    expect(cluster.leader.id).toBe(2);
    expect(cluster.command(2, 'a')).toBe(0);
    expect(cluster.server(2).applied).toEqual(['a']);
  });

  it('let one without a vote forget a leader that is silent', () => {
    const cluster = new StepCluster([1]);
    cluster.run(10);
    cluster.add(2);
    expect(cluster.change(1, { 1: voter, 2: standby })).toBe(0);
    cluster.run(500, (id) => id === 1);
    expect(cluster.of(2).known.lead).toBe(1);
    cluster.cut(1);
    cluster.run(2500);
    expect(cluster.of(2).known).toMatchObject({ lead: 0, state: 1 });
  });

  it('let one that crashed while it took itself out help the rest', () => {
    const cluster = new StepCluster([1, 2]);
    cluster.elect(1);
    cluster.cut(1);
    expect(cluster.change(1, { 2: voter })).toBe(0);
    cluster.restart(1);
    cluster.heal();
    // The other has not got the entry, and cannot be elected by one whose log is longer.
    cluster.run(10_000);
    expect(cluster.leader.id).toBe(2);
    expect(cluster.of(2).roleOf(1)).toBe(-1);
  });
});

describe('a transfer', () => {
  it('hands over at once, to the one named or to the one that has most', () => {
    const cluster = new StepCluster([1, 2, 3], { preVote: true });
    cluster.elect(1);
    expect(cluster.take(1, cluster.of(1).transfer(3))).toBe(0);
    expect(cluster.of(1).known.transferee).toBe(3);
    expect(cluster.of(1).command('x').code).toBe(Code.notLeader);
    cluster.settle();
    expect(cluster.leader.id).toBe(3);
    expect(cluster.of(1).known).toMatchObject({ state: 1, transferee: 0, lead: 3 });
    cluster.cut(1);
    cluster.command(3, 'a');
    cluster.heal();
    expect(cluster.take(3, cluster.of(3).transfer(0))).toBe(0);
    cluster.settle();
    expect(cluster.leader.id).toBe(2);
  });

  it('is given up after an election timeout', () => {
    const cluster = new StepCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.cut(3);
    expect(cluster.take(1, cluster.of(1).transfer(3))).toBe(0);
    cluster.run(1500, (id) => id === 1);
    expect(cluster.of(1).known).toMatchObject({ state: 3, transferee: 0 });
    expect(cluster.command(1, 'a')).toBe(0);
  });
});

describe('errors', () => {
  it('leave everything as it was', () => {
    const cluster = new StepCluster([1, 2, 3]);
    const leader = cluster.elect(1);
    const follower = cluster.of(2);
    const cases: [Program, () => { code: number; error: string }, number][] = [
      [leader, () => leader.start(cluster.now), Code.invalid],
      [leader, () => leader.persistedEntries(99), Code.invalid],
      [leader, () => leader.persistedSnapshot(2), Code.invalid],
      [leader, () => leader.configuration(99), Code.invalid],
      [leader, () => leader.catchUp(2), Code.badId],
      [leader, () => leader.catchUp(9), Code.badId],
      [leader, () => leader.transfer(1), Code.badId],
      [leader, () => leader.transfer(9), Code.badId],
      [follower, () => follower.command('a'), Code.notLeader],
      [follower, () => follower.catchUp(3), Code.notLeader],
      [follower, () => follower.transfer(3), Code.notLeader],
      [leader, () => leader.change({ 1: voter, 2: spare, 3: spare }), Code.invalid],
    ];
    for (const [program, call, code] of cases) {
      const before = { ...program.known };
      program.now += 50;
      const { code: got, error } = call();
      program.now -= 50;
      expect(got, call.toString()).toBe(code);
      expect(error.length).toBeGreaterThan(10);
      expect(program.known).toEqual(before);
      // The time has not passed either: the same moment may be told again.
      expect(program.timeout().code).toBe(0);
    }
    const { now } = leader;
    leader.now -= 1;
    expect(leader.timeout().code).toBe(Code.invalid);
    leader.now = now;
    expect(cluster.command(1, 'a')).toBe(0);
    expect(cluster.server(1).applied).toEqual(['a']);
  });

  it('name what is wrong with settings', () => {
    const program = new Program(1, emptyDisk());
    program.settings({ electionMs: 100 });
    const { code, error } = program.start(0);
    expect(code).toBe(Code.invalid);
    expect(error).toContain('election timeout');
    program.settings();
    expect(program.start(0).code).toBe(0);
  });

  it('end a server whose committed entries are contradicted', () => {
    const cluster = new StepCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.command(1, 'a');
    const follower = cluster.of(2);
    const entries = [{ term: 9, kind: 1, text: 'b', members: null }];
    const packet = { from: 3, to: 2, type: MessageCode.appendEntries, term: 9, snapshot: null };
    // Behind entries that are committed here, with another term than they have.
    expect(follower.receive({ ...packet, words: [2, 2, 2, 1], entries }).code).toBe(Code.shutdown);
  });
});

describe('flow control', () => {
  it('never has more entries on the way than it may', () => {
    const cluster = new StepCluster([1, 2, 3], { maxInflight: 10 });
    cluster.elect(1);
    const onTheWay = new Map<number, number>();
    cluster.passes = (packet) => {
      if (packet.type === MessageCode.appendEntries && packet.entries.length > 0) {
        const { match } = cluster.of(1).progress.get(packet.to)!;
        onTheWay.set(
          packet.to,
          Math.max(onTheWay.get(packet.to) ?? 0, packet.words[0]! + packet.words[3]! - match),
        );
      }
      return true;
    };
    for (let i = 0; i < 20; i++) cluster.command(1, ...Array.from({ length: i }, (_, n) => `${i}.${n}`));
    cluster.run(500, (id) => id === 1);
    expect(cluster.server(3).applied).toHaveLength(190);
    expect(Math.max(...onTheWay.values())).toBeLessThanOrEqual(10);
    expect(Math.max(...onTheWay.values())).toBeGreaterThan(5);
  });
});
