/** The program's state machine as the engine sees it: entries wait here for those before them. */
import { ErrorCode, EventCode } from '../core/codes.generated.ts';
import { EntryType, type EntryBatch } from '../core/entry-batch.ts';
import { nodeIdToBigint } from '../core/node-id.ts';
import type { StateType } from '../core/types.ts';
import {
  ServerError,
  type HostSnapshot,
  type Outcome,
  type RaftServer,
  type SnapshotChunks,
  type StateMachinePort,
} from '../server/api.ts';
import { textOf } from '../server/errors.ts';
import { TimeHistogram, type HistogramFacts } from '../server/time-histogram.ts';
import { AppliedIndex } from './applied-index.ts';
import { errorOf, RaftError } from './errors.ts';
import type { RaftEvent, Role, StartOptions, StateMachine } from './types.ts';

/** Bytes and entries that may wait for the state machine; the engine keeps the rest, and takes no more at a bound of its own. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const WAITING_ENTRIES_MAX = 65_536;
const APPLY_TIME_BOUNDS_MS = Array.from({ length: 11 }, (_, i) => 0.016 * 4 ** i);
/** Copies of a snapshot's bytes are read in pieces of this size. */
const SNAPSHOT_PIECE_BYTES = 1024 * 1024;

const ROLES: Record<StateType, Role> = { 0: 'follower', 1: 'candidate', 2: 'leader', 3: 'pre-candidate' };
const EVENT_NAMES = new Map(
  Object.entries(EventCode).map(([name, value]) => [value as number, name as RaftEvent['name']]),
);

type Job =
  | { readonly kind: 'entries'; readonly batch: EntryBatch; at: number }
  | { readonly kind: 'restore'; readonly index: number; readonly data: Uint8Array }
  | {
      readonly kind: 'snapshot';
      readonly resolve: (bytes: Uint8Array) => void;
      readonly reject: (error: Error) => void;
    };

export function publicId(id: bigint): number | bigint {
  return id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : id;
}

export class MachinePort implements StateMachinePort {
  readonly applied: AppliedIndex;
  /** What the state machine threw, which stopped the server. */
  failure: { readonly text: string; readonly cause: unknown } | null = null;
  private readonly machine: StateMachine;
  private readonly options: StartOptions;
  private readonly decided: (outcomes: readonly Outcome[]) => void;
  private readonly times = new TimeHistogram(APPLY_TIME_BOUNDS_MS);
  private readonly jobs: Job[] = [];
  private waitingBytes = 0;
  private waitingEntries = 0;
  private isRefusing = false;
  private isRunning = false;
  private isClosed = false;
  private server: RaftServer | null = null;
  /** A failure from before the server was there. */
  private early: (() => void) | null = null;

  constructor(machine: StateMachine, options: StartOptions, decided: (outcomes: readonly Outcome[]) => void) {
    this.machine = machine;
    this.options = options;
    this.decided = decided;
    this.applied = new AppliedIndex(options.appliedIndex ?? 0);
  }

  attach(server: RaftServer): void {
    this.server = server;
    this.early?.();
    if (this.isRefusing) this.tellRoom();
  }

  apply(batch: EntryBatch): number {
    if (this.waitingBytes >= WAITING_BYTES_MAX || this.waitingEntries >= WAITING_ENTRIES_MAX) {
      this.isRefusing = true;
      return 0;
    }
    this.waitingBytes += batch.payloadSize;
    this.waitingEntries += batch.count;
    this.enqueue({ kind: 'entries', batch, at: 0 });
    return batch.count;
  }

  appliedIndex(): number {
    return this.applied.index;
  }

  async restore(index: number, _term: number, dataBytes: number, source: SnapshotChunks): Promise<void> {
    const data = new Uint8Array(dataBytes);
    let at = 0;
    await source((bytes) => {
      if (at + bytes.length <= dataBytes) data.set(bytes, at);
      at += bytes.length;
    });
    if (at !== dataBytes)
      throw new ServerError(ErrorCode.CORRUPT, `a snapshot of ${dataBytes} bytes came as ${at}`);
    this.enqueue({ kind: 'restore', index, data });
  }

  async takeSnapshot(): Promise<HostSnapshot> {
    const bytes = await new Promise<Uint8Array>((resolve, reject) => {
      this.enqueue({ kind: 'snapshot', resolve, reject });
    });
    return {
      dataBytes: bytes.length,
      read: async (chunk) => {
        for (let at = 0; at < bytes.length; at += SNAPSHOT_PIECE_BYTES)
          await chunk(bytes.subarray(at, at + SNAPSHOT_PIECE_BYTES));
      },
    };
  }

  stateChanged(state: StateType): void {
    this.observe(() => this.options.onRole?.(ROLES[state]));
  }

  event(code: EventCode, value: number, text: string): void {
    const id = code === EventCode.LEADER_CHANGED ? nodeIdToBigint(value) : BigInt(value);
    const reason = this.failure === null ? text : `${text}: ${this.failure.text}`;
    if (code === EventCode.SERVER_FAILED) this.close(errorOf(ErrorCode.STOPPED, reason));
    this.observe(() =>
      this.options.onEvent?.({ name: EVENT_NAMES.get(code)!, value: publicId(id), text: reason }),
    );
  }

  outcomes(outcomes: readonly Outcome[]): void {
    this.decided(outcomes);
  }

  applyTimes(): HistogramFacts {
    return this.times.facts();
  }

  message(): Promise<Uint8Array> {
    return Promise.reject(new ServerError(ErrorCode.UNSUPPORTED, 'this program takes no messages'));
  }

  /** No further call of the state machine begins. */
  close(error: RaftError): void {
    this.isClosed = true;
    this.applied.end(this.failure === null ? error : this.callbackError());
    for (const job of this.jobs.splice(0)) if (job.kind === 'snapshot') job.reject(error);
  }

  /** What waiters are told when the state machine has failed. */
  private callbackError(): RaftError {
    const { text, cause } = this.failure!;
    return new RaftError('CALLBACK_FAILED', text, { cause });
  }

  /** Observers are the program's: what they throw reaches it as an uncaught exception, and not the engine. */
  private observe(call: () => void): void {
    queueMicrotask(call);
  }

  private enqueue(job: Job): void {
    if (this.isClosed) {
      if (job.kind === 'snapshot') job.reject(new ServerError(ErrorCode.STOPPED, 'the server has stopped'));
      return;
    }
    this.jobs.push(job);
    if (this.isRunning) return;
    this.isRunning = true;
    // Not within the engine's own turn: the state machine may call the server.
    queueMicrotask(() => {
      void this.work();
    });
  }

  private async work(): Promise<void> {
    while (this.jobs.length > 0) {
      const job = this.jobs[0]!;
      if (job.kind === 'entries') await this.applyAll(job);
      else if (job.kind === 'restore') await this.restoreNow(job.index, job.data);
      else await this.snapshotNow(job.resolve, job.reject);
      if (this.jobs[0] === job) this.jobs.shift();
      this.tellRoom();
    }
    this.isRunning = false;
  }

  private async applyAll(job: Job & { kind: 'entries' }): Promise<void> {
    const { batch } = job;
    for (; job.at < batch.count && !this.isClosed; job.at++) {
      const { at } = job;
      const index = batch.firstIndex + at;
      if (batch.type(at) === EntryType.Normal && batch.dataSize(at) > 0) {
        const begin = performance.now();
        try {
          // A copy: what the program does with it must not change the log.
          const done = this.machine.apply({ index, term: batch.term, data: new Uint8Array(batch.data(at)) });
          if (done !== undefined) await done;
        } catch (error) {
          this.failed('apply', index, error);
          return;
        }
        this.times.observe(performance.now() - begin);
      }
      this.waitingBytes -= batch.dataSize(at);
      this.waitingEntries--;
      this.applied.advance(index);
    }
  }

  private async restoreNow(index: number, data: Uint8Array): Promise<void> {
    try {
      await this.machine.restore(data);
    } catch (error) {
      this.failed('restore', index, error);
      return;
    }
    this.applied.advance(index);
  }

  private async snapshotNow(
    resolve: (bytes: Uint8Array) => void,
    reject: (error: Error) => void,
  ): Promise<void> {
    try {
      const bytes: unknown = await this.machine.snapshot();
      if (!(bytes instanceof Uint8Array)) throw new TypeError('snapshot must return a Uint8Array');
      resolve(bytes);
    } catch (error) {
      reject(
        new ServerError(ErrorCode.CALLBACK_FAILED, `the state machine's snapshot threw: ${textOf(error)}`),
      );
    }
  }

  private failed(which: 'apply' | 'restore', index: number, error: unknown): void {
    this.failure = { text: `${which} at index ${index} threw: ${textOf(error)}`, cause: error };
    this.close(this.callbackError());
    const tell = (): void => this.server?.hostFailed(index, ErrorCode.CALLBACK_FAILED, which);
    if (this.server === null) this.early = tell;
    else tell();
  }

  private tellRoom(): void {
    if (!this.isRefusing || this.server === null || this.isClosed) return;
    if (this.waitingBytes >= WAITING_BYTES_MAX / 2 || this.waitingEntries >= WAITING_ENTRIES_MAX / 2) return;
    this.isRefusing = false;
    this.server.hostHasRoom();
  }
}
