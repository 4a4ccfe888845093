// An engine over plain memory with servers that are fakes, and the host's ends of its rings.
import { Engine } from '../../src-ts/bridge/engine.ts';
import * as P from '../../src-ts/bridge/protocol.generated.ts';
import type { RaftServer } from '../../src-ts/server/api.ts';
import { FakeBinding, HostConsumer, HostProducer, type HostRecord } from './fake-host.ts';
import { FakeServer } from './fake-server.ts';

const { RecordType } = P;

export class HostSlot {
  readonly commands: HostProducer;
  readonly submits: HostProducer;
  readonly events: HostConsumer;
  readonly applies: HostConsumer;

  constructor(binding: FakeBinding, slot: number) {
    const at = P.FIRST_SLOT_AT + slot * P.SLOT_BYTES;
    this.commands = new HostProducer(binding, at + P.SLOT_COMMAND_RING_AT, P.SLOT_COMMAND_RING_BYTES);
    this.submits = new HostProducer(binding, at + P.SLOT_SUBMIT_RING_AT, P.SLOT_SUBMIT_RING_BYTES);
    this.events = new HostConsumer(binding, at + P.SLOT_EVENT_RING_AT, P.SLOT_EVENT_RING_BYTES);
    this.applies = new HostConsumer(binding, at + P.SLOT_APPLY_RING_AT, P.SLOT_APPLY_RING_BYTES);
  }
}

export class Fixture {
  readonly binding = new FakeBinding();
  readonly control: HostProducer;
  readonly controlEvents: HostConsumer;
  readonly engine: Engine;
  readonly servers: FakeServer[] = [];
  readonly fatal: unknown[] = [];
  ended = false;
  /** Replaces how a server starts. */
  start: (server: FakeServer) => Promise<RaftServer> = (server) => Promise.resolve(server);
  private nextId = 1;

  constructor() {
    const { binding } = this;
    this.control = new HostProducer(binding, P.CONTROL_COMMAND_RING_AT, P.CONTROL_COMMAND_RING_BYTES);
    this.controlEvents = new HostConsumer(binding, P.CONTROL_EVENT_RING_AT, P.CONTROL_EVENT_RING_BYTES);
    this.engine = new Engine(binding, {
      version: '9.9.9',
      startServer: (config, port, _logger, appliedIndex) => {
        const server = new FakeServer(config, port, appliedIndex);
        this.servers.push(server);
        return this.start(server);
      },
      end: () => {
        this.ended = true;
      },
      fatal: (error) => {
        this.fatal.push(error);
      },
    });
    this.engine.start();
  }

  slot(index: number): HostSlot {
    return new HostSlot(this.binding, index);
  }

  /** Sends CREATE_SERVER; its answer. */
  async create(slot: number, config: string, appliedIndex = 0): Promise<Reply> {
    const text = Buffer.from(config);
    const payload = Buffer.alloc(16 + text.length);
    payload.writeUInt32LE(slot, 0);
    payload.writeBigUInt64LE(BigInt(appliedIndex), 8);
    text.copy(payload, 16);
    const id = this.nextId++;
    await this.control.send(RecordType.CREATE_SERVER, id, payload);
    return replyOf(await this.controlEvents.next(RecordType.REPLY));
  }

  async request(slot: HostSlot, type: number, payload: Uint8Array): Promise<Reply> {
    await slot.commands.send(type, this.nextId++, payload);
    return replyOf(await slot.events.next(RecordType.REPLY));
  }
}

export interface Reply {
  readonly id: number;
  readonly code: number;
  readonly data: Buffer;
}

export function replyOf(record: HostRecord): Reply {
  const payload = Buffer.from(record.payload);
  return { id: record.id, code: payload.readInt32LE(0), data: payload.subarray(8) };
}

/** Fixed fields of a payload: numbers are u32, bigints u64; then bytes. */
export function fields(...values: (number | bigint | string | Uint8Array)[]): Buffer {
  const parts = values.map((value) => {
    if (typeof value === 'number') {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(value | 0);
      return bytes;
    }
    if (typeof value === 'bigint') {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      return bytes;
    }
    return Buffer.from(value as Uint8Array);
  });
  return Buffer.concat(parts);
}

export function configOf(id: number): string {
  return JSON.stringify({
    id,
    waldir: `wal${id}`,
    snapdir: `snap${id}`,
    peers: [{ id, url: `http://127.0.0.1:${9000 + id}` }],
  });
}
