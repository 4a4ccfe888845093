import { EntryType, type EntryBatch } from '../../src-ts/core/entry-batch.ts';
import type { StateType } from '../../src-ts/core/types.ts';
import type {
  HostSnapshot,
  Outcome,
  RaftServer,
  SnapshotChunks,
  StateMachinePort,
} from '../../src-ts/server/api.ts';

interface Applied {
  readonly index: number;
  readonly text: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A host whose state is the list of everything that it has applied. Survives its server, as a process does its engine. */
export class FakeHost implements StateMachinePort {
  applied: Applied[] = [];
  appliedTo = 0;
  readonly states: StateType[] = [];
  readonly events: { readonly code: number; readonly value: number; readonly text: string }[] = [];
  readonly results = new Map<number, Outcome[]>();
  restores = 0;
  snapshotsTaken: number[] = [];
  /** What a server must never do. */
  readonly violations: string[] = [];
  /** While set, nothing is taken and nothing counts as applied. */
  blocked = false;
  /** Entries taken a call at most. */
  room = Infinity;
  refuseSnapshots = false;
  server: RaftServer | null = null;
  private queue: (() => void)[] = [];

  apply(batch: EntryBatch): number {
    if (this.blocked) return 0;
    const count = Math.min(batch.count, this.room);
    for (let i = 0; i < count; i++) this.take(batch, i);
    return count;
  }

  private take(batch: EntryBatch, i: number): void {
    const index = batch.firstIndex + i;
    if (index !== this.appliedTo + 1) throw new Error(`entry ${index} after ${this.appliedTo}`);
    this.appliedTo = index;
    if (batch.type(i) !== EntryType.Normal || batch.dataSize(i) === 0) return;
    this.applied.push({ index, text: decoder.decode(batch.data(i)) });
  }

  appliedIndex(): number {
    return this.appliedTo;
  }

  unblock(): void {
    this.blocked = false;
    for (const work of this.queue.splice(0)) work();
    this.server?.hostHasRoom();
  }

  private whenFree(): Promise<void> {
    return this.blocked ? new Promise((resolve) => this.queue.push(resolve)) : Promise.resolve();
  }

  async restore(index: number, _term: number, dataBytes: number, source: SnapshotChunks): Promise<void> {
    await this.whenFree();
    const chunks: Uint8Array[] = [];
    await source((bytes) => {
      chunks.push(bytes.slice());
    });
    const bytes = Buffer.concat(chunks);
    if (bytes.length !== dataBytes) throw new Error(`snapshot of ${dataBytes} bytes came as ${bytes.length}`);
    this.applied = JSON.parse(decoder.decode(bytes)) as Applied[];
    const last = this.applied[this.applied.length - 1]?.index ?? 0;
    if (last > index) throw new Error(`snapshot labelled ${index} holds entry ${last}`);
    this.appliedTo = index;
    this.restores++;
  }

  async takeSnapshot(index: number): Promise<HostSnapshot> {
    // The state as of this moment is the state at `index`, since nothing is handed over between request and answer.
    if (index !== this.appliedTo) this.violations.push(`snapshot of ${index} asked for at ${this.appliedTo}`);
    const bytes = encoder.encode(JSON.stringify(this.applied));
    await this.whenFree();
    if (this.refuseSnapshots) throw new Error('refused');
    this.snapshotsTaken.push(index);
    return {
      dataBytes: bytes.length,
      read: async (chunk) => {
        for (let at = 0; at < bytes.length; at += 1000) await chunk(bytes.subarray(at, at + 1000));
      },
    };
  }

  stateChanged(state: StateType): void {
    if (this.states[this.states.length - 1] === state) throw new Error(`state ${state} reported twice`);
    this.states.push(state);
  }

  event(code: number, value: number, text: string): void {
    this.events.push({ code, value, text });
  }

  outcomes(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      const known = this.results.get(outcome.sequence) ?? [];
      known.push(outcome);
      this.results.set(outcome.sequence, known);
    }
  }

  message(body: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(encoder.encode(`answer to ${decoder.decode(body)}`));
  }

  /** A new process: state is lost, outcomes are remembered by the test. */
  forget(): void {
    this.applied = [];
    this.appliedTo = 0;
    this.queue = [];
    this.states.length = 0;
  }

  /** Its facade tells a host that lives on that the state is Follower again. */
  engineDied(): void {
    this.queue = [];
    this.states.length = 0;
  }
}
