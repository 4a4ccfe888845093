/** Elections that must come about, with terms and configurations that not everybody knows. */
import { describe, expect, it } from 'vitest';
import { MessageCode, Role } from '../../../src-ts/facade/craft/layout.ts';
import { Kind, type Entry } from './program-log.ts';
import { bootstrap, Program, type Packet } from './program.ts';
import { StepCluster } from './step-cluster.ts';

const { voter, standby } = Role;

describe('a refusal of a pre-vote', () => {
  const refusal = (term: number, isOwnTerm: boolean): Packet => ({
    from: 2,
    to: 1,
    type: MessageCode.requestVoteResult,
    term,
    words: [0, 1, isOwnTerm ? 1 : 0, 0],
    entries: [],
    snapshot: null,
  });
  const preCandidate = (): Program => {
    const program = new Program(1, bootstrap([1, 2, 3]));
    program.settings({ preVote: true });
    program.start(0);
    program.now = program.known.timeout;
    program.timeout();
    expect(program.known).toMatchObject({ term: 1, state: 2 });
    return program;
  };

  it('tells the term of a server that has voted for itself, whose log is shorter', () => {
    const cluster = new StepCluster([], { preVote: true });
    const [longer, shorter] = [bootstrap([1, 2, 3]), bootstrap([1, 2, 3])];
    longer.log.append(2, [{ term: 1, kind: Kind.command, text: 'a', members: null }]);
    cluster.add(1, longer);
    cluster.add(2, { ...shorter, term: 2, vote: 2 });
    cluster.run(20_000);
    expect(cluster.leader).toMatchObject({ id: 1, known: { term: 3, commit: 3 } });
  });

  it('of the original names the term asked for and not its own', () => {
    const program = preCandidate();
    expect(program.receive(refusal(2, false)).code).toBe(0);
    expect(program.known).toMatchObject({ term: 1, state: 2 });
    expect(program.receive({ ...refusal(2, false), from: 3 }).code).toBe(0);
    expect(program.known).toMatchObject({ term: 1, state: 1 });
  });

  it('of a server that says so names its own', () => {
    const program = preCandidate();
    expect(program.receive(refusal(2, true)).code).toBe(0);
    expect(program.known).toMatchObject({ term: 2, vote: 0, state: 1 });
  });
});

describe('a candidate of an earlier term', () => {
  it('is told the later one', () => {
    const program = new Program(1, { ...bootstrap([1, 2, 3]), term: 5, vote: 0 });
    program.start(0);
    const ask = { from: 2, to: 1, type: MessageCode.requestVote, entries: [], snapshot: null };
    const { messages } = program.receive({ ...ask, term: 4, words: [1, 1, 0, 0] });
    expect(messages).toMatchObject([
      { to: 2, type: MessageCode.requestVoteResult, term: 5, words: [0, 0, 0, 0] },
    ]);
    expect(program.known).toMatchObject({ term: 5, vote: 0 });
  });
});

describe('a server that was a voter for a while, as far as it knows', () => {
  it('campaigns where the others cannot do without its log', () => {
    const cluster = new StepCluster([]);
    const [longer, shorter] = [bootstrap([1, 2], [standby, voter]), bootstrap([1, 2], [standby, voter])];
    const change = (roles: number[]): Entry => ({
      term: 1,
      kind: Kind.change,
      text: `change ${roles.join()}`,
      members: { index: 0, ids: [1, 2], roles },
    });
    longer.log.append(2, [change([voter, voter]), change([standby, voter])]);
    shorter.log.append(2, [change([voter, voter])]);
    cluster.add(1, longer);
    cluster.add(2, shorter);
    expect(cluster.of(1).roleOf(1)).toBe(standby);
    expect(cluster.of(2).roleOf(1)).toBe(voter);
    cluster.run(20_000);
    expect(cluster.leader.id).toBe(2);
    expect(cluster.leader.log.last).toBeGreaterThan(3);
    expect(cluster.of(2).roleOf(1)).toBe(standby);
  });
});
