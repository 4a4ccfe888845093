import { stringify } from 'lossless-json';
import { SILENT } from '../core/loggers.ts';
import { metricsText } from '../admin/metrics.ts';
import type { RaftServer as EngineServer } from '../server/api.ts';
import { changeMember, changeMembers, transferLeadership, type ChangeRequest } from '../facade/easyraft.ts';
import { parseConfig } from '../facade/config/parse-config.ts';
import { checkCertificates } from '../facade/interface-config.ts';
import { startServer } from '../server/start-server.ts';
import { engineEnvironment } from './engine-environment.ts';
import { RaftError, toRaftError } from './errors.ts';
import { MachinePort } from './machine-port.ts';
import { Proposals } from './proposals.ts';
import { readStatus } from './status.ts';
import { within } from './waiting.ts';
import type {
  Member,
  MemberChange,
  NodeId,
  Position,
  RaftConfig,
  StartOptions,
  StateMachine,
  Status,
  WaitOptions,
} from './types.ts';

/** As RAFT_MEMBER_*. */
const OPERATIONS: Record<MemberChange['do'], number> = {
  add: 0,
  remove: 1,
  update: 2,
  'add-learner': 3,
  promote: 4,
};

function idOf(value: NodeId): bigint {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value))
    throw new RaftError('INVALID_ARGUMENT', `${value} is no id: from 2^53 on, ids are bigints`);
  const id = BigInt(value);
  if (id < 1n || id > 0xffff_ffff_ffff_ffffn)
    throw new RaftError('INVALID_ARGUMENT', `${id} is no id: it must be from 1 to 2^64-1`);
  return id;
}

/**
 * One server of a cluster, in this process: from `RaftServer.start` until `stop`. It keeps the process alive that long.
 * Errors are RaftError with a `code`; an aborted wait fails with its signal's reason.
 */
export class RaftServer {
  private readonly port: MachinePort;
  private readonly proposals: Proposals;
  private engine: EngineServer | null = null;
  private stopping: Promise<void> | null = null;

  private constructor(machine: StateMachine, options: StartOptions) {
    this.proposals = new Proposals(() => this.engine);
    this.port = new MachinePort(machine, options, (outcomes) => {
      this.proposals.decided(outcomes);
    });
  }

  /**
   * Starts a server: checks the configuration, locks the directories, replays the log, binds the address; it takes part
   * when the promise resolves. `config` has the keys of docs/CONFIGURATION.md, or is their JSON text.
   */
  static async start(
    config: RaftConfig | string,
    machine: StateMachine,
    options: StartOptions = {},
  ): Promise<RaftServer> {
    const server = new RaftServer(machine, options);
    try {
      const text = typeof config === 'string' ? config : (stringify(config) ?? '');
      const parsed = parseConfig(text);
      checkCertificates(parsed.config);
      const { environment, warning } = engineEnvironment();
      const logger = options.logger ?? SILENT;
      for (const line of parsed.warnings) logger.warning(line);
      if (warning !== null) logger.warning(warning);
      const appliedIndex = options.appliedIndex ?? 0;
      server.attach(await startServer(parsed.config, environment.for(logger), server.port, { appliedIndex }));
    } catch (error) {
      const reason = toRaftError(error);
      server.port.close(reason);
      throw reason;
    }
    return server;
  }

  private attach(engine: EngineServer): void {
    this.engine = engine;
    engine.onAcceptsProposals = (): void => {
      this.proposals.flush();
    };
    this.port.attach(engine);
  }

  private running(): EngineServer {
    if (this.engine === null || this.stopping !== null)
      throw new RaftError('STOPPED', 'the server has been stopped');
    return this.engine;
  }

  /** Proposes an entry; resolves, with its place in the log, when this node has applied it. `data` is copied at once. */
  async propose(data: Uint8Array, options: WaitOptions = {}): Promise<Position> {
    if (!(data instanceof Uint8Array)) throw new RaftError('INVALID_ARGUMENT', 'data must be a Uint8Array');
    options.signal?.throwIfAborted();
    this.running();
    return within(this.applied(this.proposals.add(data)), options);
  }

  private async applied(committed: Promise<Position>): Promise<Position> {
    const position = await committed;
    await this.port.applied.reaches(position.index);
    return position;
  }

  /**
   * Resolves when the state machine here holds all that was committed when the call began: reading it then is
   * linearizable. The index up to which it is. `lease` (with the configuration's `lease_reads`) trusts clocks.
   */
  async readIndex(options: WaitOptions & { readonly kind?: 'safe' | 'lease' } = {}): Promise<number> {
    const engine = this.running();
    const barrier = async (): Promise<number> => {
      const index = await engine.readIndex(options.kind ?? 'safe');
      await this.port.applied.reaches(index);
      return index;
    };
    return this.guarded(barrier(), options);
  }

  /** Takes a snapshot now; resolves with the index it holds once it is on disk. */
  async snapshot(options: WaitOptions = {}): Promise<number> {
    return this.guarded(this.running().snapshot(), options);
  }

  /** Hands the leadership over; resolves when that member leads. */
  async transferLeadership(to: NodeId, options: WaitOptions = {}): Promise<void> {
    return this.guarded(transferLeadership(this.running(), idOf(to)), options);
  }

  /**
   * Changes members, several in one step through a joint configuration; resolves with the index of the change once all of
   * it is in force here. A new node starts with `join: true`.
   */
  async changeMembers(changes: readonly MemberChange[], options: WaitOptions = {}): Promise<number> {
    const engine = this.running();
    const requests = changes.map((change): ChangeRequest => {
      const operation: number | undefined = OPERATIONS[change.do];
      if (operation === undefined)
        throw new RaftError('INVALID_ARGUMENT', `${String(change.do)} is no change of members`);
      return { operation, id: idOf(change.id), url: 'url' in change ? change.url : '' };
    });
    const [only] = requests;
    const work =
      only !== undefined && requests.length === 1
        ? changeMember(engine, only.operation, only.id, only.url)
        : changeMembers(engine, requests);
    return this.guarded(work, options);
  }

  addMember(id: NodeId, url: string, options: WaitOptions = {}): Promise<number> {
    return this.changeMembers([{ do: 'add', id, url }], options);
  }

  removeMember(id: NodeId, options: WaitOptions = {}): Promise<number> {
    return this.changeMembers([{ do: 'remove', id }], options);
  }

  private async guarded<T>(work: Promise<T>, options: WaitOptions): Promise<T> {
    const told = work.catch((error: unknown) => {
      throw toRaftError(error);
    });
    return within(told, options);
  }

  /** The index up to which the state machine has applied. */
  get appliedIndex(): number {
    return this.port.applied.index;
  }

  /** Role, leader, term, members and more, as of now; also after a failure. */
  status(): Status {
    return readStatus(this.running().statusJson());
  }

  /** All members, this node among them. */
  members(): readonly Member[] {
    return this.status().members;
  }

  /** Metrics in the text form that Prometheus reads. */
  metrics(): Promise<string> {
    return metricsText(this.running().figures());
  }

  /**
   * Ends the server: what waits in it ends with STOPPED, or UNKNOWN_OUTCOME where it may still be committed. No further
   * call of the state machine begins. With `handOver`, a leader first passes leadership on, for an election timeout at
   * most. May be called again.
   */
  stop(options: { readonly handOver?: boolean } = {}): Promise<void> {
    this.stopping ??= this.end(options.handOver ?? false);
    return this.stopping;
  }

  private async end(handOver: boolean): Promise<void> {
    const stopped = new RaftError('STOPPED', 'the server has been stopped');
    this.proposals.end(stopped);
    // The state machine goes on while the leadership is handed over: what is committed meanwhile is applied.
    if (!handOver) this.port.close(stopped);
    try {
      await this.engine?.stop(handOver);
    } catch (error) {
      throw toRaftError(error);
    } finally {
      this.port.close(stopped);
    }
  }
}
