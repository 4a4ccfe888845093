// A server without raft: it records what the bridge asks of it, and answers at once.
import type { Proposals } from '../../src-ts/core/entry-batch.ts';
import type { NodeId } from '../../src-ts/core/node-id.ts';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import {
  ServerError,
  type MemberChange,
  type MemberOperation,
  type RaftServer,
  type ServerConfig,
  type ServerFacts,
  type StateMachinePort,
} from '../../src-ts/server/api.ts';
import type { ServerFigures } from '../../src-ts/server/server-figures.ts';

export class FakeServer implements RaftServer {
  readonly config: ServerConfig;
  readonly port: StateMachinePort;
  readonly appliedIndex: number;
  acceptsProposals = true;
  onAcceptsProposals: (() => void) | null = null;
  readonly proposed: { readonly sequence: number; readonly data: string }[] = [];
  readonly calls: string[] = [];
  roomCalls = 0;
  stopped: boolean | null = null;
  /** What stop waits for. */
  stopWaitsFor: Promise<unknown> = Promise.resolve();
  answer: () => Promise<number> = () => Promise.resolve(42);

  constructor(config: ServerConfig, port: StateMachinePort, appliedIndex: number) {
    this.config = config;
    this.port = port;
    this.appliedIndex = appliedIndex;
  }

  propose({ count, bytes, starts, ends }: Proposals, sequences: Float64Array): void {
    for (let i = 0; i < count; i++)
      this.proposed.push({
        sequence: sequences[i]!,
        data: Buffer.from(bytes.slice(starts[i], ends[i])).toString(),
      });
  }

  hostHasRoom(): void {
    this.roomCalls++;
  }

  hostFailed(index: number, code: number, which: 'apply' | 'restore'): void {
    this.calls.push(`failed ${which} ${index} ${code}`);
  }

  changeMember(operation: MemberOperation, id: NodeId, url: string | null): Promise<number> {
    this.calls.push(`${operation} ${id} ${url}`);
    return this.answer();
  }

  changeMembers(changes: readonly MemberChange[]): Promise<number> {
    this.calls.push(changes.map(({ operation, id, url }) => `${operation} ${id} ${url}`).join(', '));
    return this.answer();
  }

  figures(): ServerFigures {
    throw new ServerError(ErrorCode.UNSUPPORTED, 'a fake has no figures');
  }

  askView(): Promise<string> {
    throw new ServerError(ErrorCode.UNSUPPORTED, 'a fake asks nobody');
  }

  snapshot(): Promise<number> {
    this.calls.push('snapshot');
    return this.answer();
  }

  async transferLeadership(to: NodeId): Promise<void> {
    this.calls.push(`transfer ${to}`);
    await this.answer();
  }

  facts(): ServerFacts {
    return {
      state: 2,
      isMember: true,
      term: 2,
      lastIndex: 9,
      lastTerm: 2,
      committed: 8,
      handedIndex: 7,
      hostAppliedIndex: 6,
      snapshotIndex: 5,
      snapshotTerm: 1,
      otherVoters: 2,
      leaderUrl: 'http://127.0.0.1:9001',
      leaderContactMs: 0,
      copiedProposals: 0,
    };
  }

  readIndex(kind: 'safe' | 'lease'): Promise<number> {
    this.calls.push(`read ${kind}`);
    return this.answer();
  }

  async sendHostMessage(to: NodeId, body: Uint8Array): Promise<Uint8Array> {
    this.calls.push(`message ${to} ${body.length}`);
    await this.answer();
    return body;
  }

  statusJson(): string {
    return '{"status":1}';
  }

  peersJson(): string {
    return '[]';
  }

  async stop(handOver: boolean): Promise<void> {
    await this.stopWaitsFor;
    this.stopped = handOver;
  }
}
