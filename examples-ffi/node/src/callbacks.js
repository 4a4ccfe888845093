/** What the library calls, for one server; koffi brings each call to Node's thread. Nothing that a callback throws gets out. */
import koffi from 'koffi';
import { ErrorCode, Event, Role } from './native.generated.js';

const EVENT_NAMES = new Map(Object.entries(Event).map(([name, value]) => [value, name]));
const ROLE_NAMES = new Map(
  Object.entries(Role).map(([name, value]) => [value, name.toLowerCase().replace('_', '-')]),
);

/** A copy: the library's memory is its own again when the callback has returned. */
function copyOf(pointer, size) {
  const length = Number(size);
  return length === 0 ? new Uint8Array(0) : new Uint8Array(koffi.view(pointer, length)).slice();
}

function refusePromise(result, what) {
  if (typeof result?.then === 'function')
    throw new TypeError(`${what} must not return a promise: the library's thread waits for its result`);
}

export class Callbacks {
  #machine;
  #outcomes;
  #options;
  #registered = [];
  #lent = new Map();
  structure;
  completion;
  /** What the state machine threw last. */
  failure = null;

  constructor(machine, outcomes, options) {
    this.#machine = machine;
    this.#outcomes = outcomes;
    this.#options = options;
    this.completion = this.#register('RAFT_Completion', (token, code, index, term) => {
      outcomes.complete(Number(token), code, Number(index), Number(term));
    });
    this.structure = {
      struct_size: koffi.sizeof('RAFT_Callbacks'),
      apply: this.#register('ApplyFunction', (_context, index, term, data, size) =>
        this.#attempt('apply', index, () => {
          const entry = { index: Number(index), term: Number(term), data: copyOf(data, size) };
          refusePromise(machine.apply(entry), 'apply');
        }),
      ),
      restore: this.#register('RestoreFunction', (_context, index, _term, data, size) =>
        this.#attempt('restore', index, () => {
          refusePromise(machine.restore(copyOf(data, size)), 'restore');
        }),
      ),
      take_snapshot: this.#register('TakeSnapshotFunction', (_context, index, data, size) =>
        this.#takeSnapshot(index, data, size),
      ),
      free_memory: this.#register('FreeMemoryFunction', (_context, data) => {
        const address = koffi.address(data);
        koffi.free(this.#lent.get(address));
        this.#lent.delete(address);
      }),
      state_change: this.#register('StateChangeFunction', (_context, role) => {
        this.#observe(() => options.onRole?.(ROLE_NAMES.get(role)));
      }),
      message: null,
      event: this.#register('EventFunction', (_context, event, value, text) => {
        this.#event(event, value, text);
      }),
    };
  }

  #register(type, call) {
    const registered = koffi.register(call, koffi.pointer(type));
    this.#registered.push(registered);
    return registered;
  }

  /** The library calls no more. */
  unregister() {
    for (const registered of this.#registered.splice(0)) koffi.unregister(registered);
  }

  #attempt(what, index, work) {
    try {
      work();
    } catch (error) {
      this.failure = `${what} at index ${index} threw: ${error?.message ?? error}`;
      this.#outcomes.fail('CALLBACK_FAILED', this.failure, error);
      return ErrorCode.CALLBACK_FAILED;
    }
    this.#outcomes.applied(Number(index));
    return 0;
  }

  #takeSnapshot(index, data, size) {
    try {
      const bytes = this.#machine.snapshot();
      if (!(bytes instanceof Uint8Array)) throw new TypeError('snapshot must return a Uint8Array');
      koffi.encode(size, 'uint64_t', bytes.length);
      if (bytes.length > 0) {
        const memory = koffi.alloc('uint8_t', bytes.length);
        new Uint8Array(koffi.view(memory, bytes.length)).set(bytes);
        this.#lent.set(koffi.address(memory), memory);
        koffi.encode(data, 'void *', memory);
      }
      return 0;
    } catch (error) {
      this.failure = `snapshot at index ${index} threw: ${error?.message ?? error}`;
      return ErrorCode.CALLBACK_FAILED;
    }
  }

  #event(event, value, text) {
    const name = EVENT_NAMES.get(event);
    if (name === undefined) return;
    const reason = name === 'SERVER_FAILED' && this.failure !== null ? `${text}: ${this.failure}` : text;
    if (name === 'SERVER_FAILED') this.#outcomes.fail('STOPPED', reason);
    const number = Number(value);
    this.#observe(() =>
      this.#options.onEvent?.({
        name,
        value: Number.isSafeInteger(number) ? number : BigInt(value),
        text: reason,
      }),
    );
  }

  /** What an observer throws reaches the program as an uncaught exception, and not the library. */
  #observe(call) {
    queueMicrotask(call);
  }
}
