/** Puts together what one server knows of its cluster, and what the peers tell of themselves. */
import type { Clock, RaftServer } from '../server/api.ts';
import { nodeView, type NodeView } from '../server/node-view.ts';
import type { LeaderChangeFacts, MemberFacts, PeerFacts, ServerFigures } from '../server/server-figures.ts';
import type { ClusterView, Election, NodeRow } from './cluster-view.ts';
import { PeerViews, type PeerView } from './peer-views.ts';
import { ProgressRates } from './progress-rates.ts';
import type { Sampler } from './sampler.ts';
import { warningsOf } from './warnings.ts';

/** What a peer has told is old after that. */
const STALE_MS = 3_000;
const ELECTIONS_SHOWN = 20;

interface LeaderSight {
  readonly id: string;
  readonly lastIndex: number;
  readonly match: ReadonlyMap<string, { readonly index: number; readonly state: string }>;
}

export class Cluster {
  private readonly server: RaftServer;
  private readonly clock: Clock;
  private readonly views: PeerViews;
  private readonly rates = new ProgressRates();

  constructor(server: RaftServer, clock: Clock) {
    this.server = server;
    this.clock = clock;
    this.views = new PeerViews(server, clock);
  }

  /** A look at the own server that was taken for another purpose. */
  seen(figures: ServerFigures, atMs: number): void {
    this.rates.observe(figures.id.toString(), atMs, figures.lastIndex);
    for (const peer of figures.peers)
      if (peer.matchIndex >= 0) this.rates.observe(peer.id.toString(), atMs, peer.matchIndex);
    this.rates.keep(new Set(figures.memberList.map(({ id }) => id.toString())));
  }

  async view(sampler: Sampler): Promise<ClusterView> {
    const others = this.server.figures().peers.map(({ id }) => id);
    const views = await this.views.of(others);
    const figures = this.server.figures();
    const now = this.clock.now();
    const fresh = (id: bigint): NodeView | null => {
      const known: PeerView | undefined = views.get(id);
      if (id === figures.id) return nodeView(figures);
      return known !== undefined && now - known.atMs <= STALE_MS ? known.view : null;
    };
    const leader = this.leaderSight(figures, fresh);
    for (const [id, { index }] of leader?.match ?? []) this.rates.observe(id, now, index);
    const nodes = [...figures.memberList]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((member) => this.row(member, figures, fresh(member.id), leader));
    const voters = nodes.filter(({ learner }) => !learner);
    const cluster = {
      cluster_id: figures.clusterId.toString(),
      node: figures.id.toString(),
      version: figures.version,
      term: figures.term,
      leader: figures.leader === 0n ? null : figures.leader.toString(),
      voters: voters.length,
      voters_reachable: voters.filter(({ reachable }) => reachable).length,
      nodes,
      elections: electionsOf(figures.leaderChanges),
    };
    return { ...cluster, warnings: warningsOf(cluster, figures, sampler.after(0)) };
  }

  /** Only a leader knows how far the others are. */
  private leaderSight(figures: ServerFigures, fresh: (id: bigint) => NodeView | null): LeaderSight | null {
    if (figures.leader === 0n) return null;
    const view = fresh(figures.leader);
    if (view === null || view.role !== 'leader' || view.term < figures.term) return null;
    const match = new Map(
      view.progress.map((each) => [each.id, { index: each.match_index, state: each.state }]),
    );
    return { id: view.id, lastIndex: view.last_index, match };
  }

  private row(
    member: MemberFacts,
    figures: ServerFigures,
    view: NodeView | null,
    leader: LeaderSight | null,
  ): NodeRow {
    const id = member.id.toString();
    const isSelf = member.id === figures.id;
    const peer: PeerFacts | undefined = figures.peers.find((each) => each.id === member.id);
    const progress = leader?.match.get(id);
    const matchIndex = leader?.id === id ? leader.lastIndex : (progress?.index ?? null);
    const reachable = isSelf ? figures.failure === null : view !== null || peer?.active === true;
    return {
      id,
      urls: member.urls,
      learner: member.learner,
      is_self: isSelf,
      reachable,
      role: view?.role ?? null,
      term: view?.term ?? null,
      commit_index: view?.commit_index ?? null,
      applied_index: view?.applied_index ?? null,
      last_index: view?.last_index ?? null,
      snapshot_index: view?.snapshot_index ?? null,
      log_bytes: view?.log_bytes ?? null,
      match_index: matchIndex,
      behind: leader === null || matchIndex === null ? null : Math.max(0, leader.lastIndex - matchIndex),
      entries_per_second: reachable ? this.rates.rate(id) : null,
      replication: progress?.state ?? null,
      last_contact_seconds: isSelf ? 0 : known(peer?.lastContactSeconds, 10),
      round_trip_ms: known(reachable && peer !== undefined ? peer.roundTripSeconds * 1000 : -1, 100),
      runtime: view?.runtime ?? null,
      version: view?.version ?? null,
      failure: view?.failure ?? null,
    };
  }
}

/** Null for -1, else rounded to that part of one. */
function known(value: number | undefined, parts: number): number | null {
  return value === undefined || value < 0 ? null : Math.round(value * parts) / parts;
}

function electionsOf(changes: readonly LeaderChangeFacts[]): readonly Election[] {
  const elections: Election[] = [];
  changes.forEach((change, i) => {
    if (change.leader === 0n) return;
    const before = changes[i - 1];
    let without: number | null = null;
    if (before?.leader === 0n) without = before.silentSeconds + before.secondsAgo - change.secondsAgo;
    else if (before !== undefined) without = change.silentSeconds;
    elections.push({
      seconds_ago: Math.round(change.secondsAgo * 10) / 10,
      leader: change.leader.toString(),
      term: change.term,
      without_leader_seconds: without === null ? null : Math.round(without * 1000) / 1000,
      handed_over: change.handedOver,
    });
  });
  return elections.reverse().slice(0, ELECTIONS_SHOWN);
}
