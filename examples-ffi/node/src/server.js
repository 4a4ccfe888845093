import { setTimeout as delay } from 'node:timers/promises';
import koffi from 'koffi';
import { Callbacks } from './callbacks.js';
import { check, checkElsewhere, errorOf, RaftError } from './errors.js';
import { library, waiting } from './library.js';
import { ErrorCode, MemberChange, ReadKind } from './native.generated.js';
import { Outcomes } from './outcomes.js';

const TIMEOUT_MS = 10_000;
const TIMER_MS_MAX = 2 ** 31 - 1;
const ANSWER_BYTES_MIN = 16 * 1024;
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
const BUSY_PAUSE_MS = 2;

function milliseconds({ timeoutMs = TIMEOUT_MS } = {}) {
  if (Number.isNaN(Number(timeoutMs)) || timeoutMs < 0)
    throw new RaftError('INVALID_ARGUMENT', `timeoutMs is ${timeoutMs}, must be 0 or more`);
  return timeoutMs > TIMER_MS_MAX ? -1 : Math.round(timeoutMs);
}

/** `work`, unless the time ends before. */
async function within(work, timeoutMs) {
  if (timeoutMs < 0) return work;
  work.catch(() => undefined);
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(errorOf(ErrorCode.TIMEOUT)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * One server, from `RaftServer.start` until `stop`. The state machine's methods are called on Node's thread, one at a time,
 * and return their results, not promises. Calls that wait do so on threads of Node's pool (UV_THREADPOOL_SIZE of them).
 */
export class RaftServer {
  #handle;
  #callbacks;
  #outcomes;
  #stopping = null;

  constructor(handle, callbacks, outcomes) {
    this.#handle = handle;
    this.#callbacks = callbacks;
    this.#outcomes = outcomes;
  }

  /** Blocks this thread while the log is replayed and the address is bound, so that an error has its whole text. */
  static async start(config, machine, options = {}) {
    const text = typeof config === 'string' ? config : JSON.stringify(config);
    const { RAFT_NewRaftServerWith: start } = library();
    const outcomes = new Outcomes();
    const callbacks = new Callbacks(machine, outcomes, options);
    const handle = [0];
    const code = start(
      {
        struct_size: koffi.sizeof('RAFT_Options'),
        config: text,
        callbacks: callbacks.structure,
        context: 0,
        applied_index: options.appliedIndex ?? 0,
      },
      handle,
    );
    try {
      check(code);
    } catch (error) {
      callbacks.unregister();
      throw error;
    }
    return new RaftServer(BigInt(handle[0]), callbacks, outcomes);
  }

  #running() {
    if (this.#stopping !== null) throw new RaftError('STOPPED', 'the server has been stopped');
    return this.#handle;
  }

  /** Proposes an entry; resolves, with its place in the log, when this node has applied it. */
  async propose(data, options) {
    if (!(data instanceof Uint8Array)) throw new RaftError('INVALID_ARGUMENT', 'data must be a Uint8Array');
    const { RAFT_ProposeAsync: submit } = library();
    return this.#submitted(data.length > 0, options, (...due) =>
      submit(this.#running(), data, data.length, 0, ...due),
    );
  }

  /** Resolves when the state machine here holds all that was committed when the call began. No thread waits meanwhile. */
  async readIndex(options = {}) {
    const kind = options.kind === 'lease' ? ReadKind.LEASE : ReadKind.SAFE;
    const { RAFT_ReadIndexAsync: submit } = library();
    const { index } = await this.#submitted(false, options, (...due) =>
      submit(this.#running(), kind, 0, ...due),
    );
    return index;
  }

  /** Submits what ends with a completion, once there is room; its outcome. */
  async #submitted(isApplied, options, submit) {
    const timeoutMs = milliseconds(options);
    const end = timeoutMs < 0 ? Infinity : performance.now() + timeoutMs;
    for (;;) {
      const { token, promise } = this.#outcomes.add(isApplied);
      const code = submit(this.#callbacks.completion, token);
      if (code === ErrorCode.OK)
        return within(promise, end === Infinity ? -1 : Math.max(0, end - performance.now()));
      this.#outcomes.forget(token);
      if (code !== ErrorCode.BUSY || performance.now() > end) check(code);
      await delay(BUSY_PAUSE_MS);
    }
  }

  /** Takes a snapshot now; resolves with the index it holds once it is on disk. */
  snapshot(options) {
    return this.#index('RAFT_SaveSnapshot', milliseconds(options));
  }

  /** Hands the leadership over; resolves when that member leads. */
  async transferLeadership(to, options) {
    checkElsewhere(await waiting('RAFT_TransferLeadership', this.#running(), to, milliseconds(options)));
  }

  /** Several changes in one step; resolves with the index of the change once all of it is in force here. */
  async changeMembers(changes, options) {
    const records = changes.map(({ do: what, id, url = null }) => {
      const change = MemberChange[String(what).toUpperCase().replace('-', '_')];
      if (change === undefined) throw new RaftError('INVALID_ARGUMENT', `${what} is no change of members`);
      return { change, id, url };
    });
    return this.#index('RAFT_ChangeMembers', records, records.length, milliseconds(options));
  }

  addMember(id, url, options) {
    return this.changeMembers([{ do: 'add', id, url }], options);
  }

  removeMember(id, options) {
    return this.changeMembers([{ do: 'remove', id }], options);
  }

  async #index(name, ...parameters) {
    const index = [0];
    checkElsewhere(await waiting(name, this.#running(), ...parameters, index));
    return Number(index[0]);
  }

  /** The index up to which the state machine has applied. */
  get appliedIndex() {
    const index = [0];
    check(library().RAFT_GetAppliedIndex(this.#running(), index));
    return Number(index[0]);
  }

  /** Role, leader, term, members and more; the keys stand at RAFT_GetStatus in polyraft.h. */
  async status() {
    return JSON.parse(await this.#text('RAFT_GetStatus'));
  }

  /** All members, this node among them. */
  async members() {
    return (await this.status()).members;
  }

  /** Metrics in the text form that Prometheus reads. */
  metrics() {
    return this.#text('RAFT_GetMetrics');
  }

  async #text(name) {
    for (let size = ANSWER_BYTES_MIN; ; size *= 2) {
      const buffer = Buffer.alloc(size);
      const code = await waiting(name, this.#running(), buffer, size);
      if (code === ErrorCode.BUFFER_TOO_SMALL && size < ANSWER_BYTES_MAX) continue;
      checkElsewhere(code);
      return buffer.toString('utf8', 0, buffer.indexOf(0));
    }
  }

  /** Ends the server; no callback comes after. With `handOver`, a leader first passes leadership on. */
  stop({ handOver = false } = {}) {
    this.#stopping ??= this.#end(handOver ? 'RAFT_HandOverAndStopServer' : 'RAFT_StopServer');
    return this.#stopping;
  }

  async #end(name) {
    checkElsewhere(await waiting(name, this.#handle));
    this.#outcomes.fail('STOPPED', 'this server has been stopped');
    this.#callbacks.unregister();
  }
}
