import { ErrorCode } from '../core/codes.generated.ts';
import { nodeIdToHex } from '../core/node-id.ts';
import { parseConfig } from '../facade/config/parse-config.ts';
import { ServerError } from '../server/api.ts';
import { startServer } from '../server/start-server.ts';
import type { NativeBinding } from '../storage/native-binding.ts';
import { ChunkAssembler } from './chunk-assembler.ts';
import { describeError } from './commands.ts';
import { NodeEnvironment } from './environment.ts';
import { EventWriter } from './event-writer.ts';
import { LogSink } from './log-sink.ts';
import { encodeText, PayloadReader, replyPayload } from './payload.ts';
import {
  CONTROL_COMMAND_RING_AT,
  CONTROL_COMMAND_RING_BYTES,
  CONTROL_EVENT_RING_AT,
  CONTROL_EVENT_RING_BYTES,
  MAX_SERVERS,
  RecordType,
} from './protocol.generated.ts';
import { EngineState, Region } from './region.ts';
import { RingReader } from './ring-reader.ts';
import { RingWriter } from './ring-writer.ts';
import { Slot } from './slot.ts';

/** Turns of the event loop without work before the engine parks: a short spin, since a wake-up costs more. */
const IDLE_TURNS = 4;
/** Longest error text in a control reply, which travels in one record. */
const MAX_TEXT_BYTES = 64 * 1024;

/** All servers of one host, and the loop that moves what comes through their rings. */
export class Engine {
  private readonly region: Region;
  private readonly binding: NativeBinding;
  private readonly commands: RingReader;
  private readonly events: EventWriter;
  private readonly assembler: ChunkAssembler;
  private readonly environment: NodeEnvironment;
  private readonly version: string;
  readonly log: LogSink;
  private readonly slots = new Map<number, Slot>();
  private polling = false;
  private idleTurns = 0;
  /** Ends the engine: set by main for the runtime it is in. */
  private readonly end: () => void;

  constructor(binding: NativeBinding, version: string, end: () => void) {
    this.binding = binding;
    this.version = version;
    this.end = end;
    this.region = new Region(binding);
    const { region } = this;
    this.commands = new RingReader(region, CONTROL_COMMAND_RING_AT, CONTROL_COMMAND_RING_BYTES, 'control');
    this.events = new EventWriter(
      region,
      new RingWriter(region, CONTROL_EVENT_RING_AT, CONTROL_EVENT_RING_BYTES),
    );
    this.assembler = new ChunkAssembler(region);
    this.log = new LogSink(this.events);
    this.environment = new NodeEnvironment(binding, version);
  }

  start(): void {
    this.binding.onDoorbell(() => {
      this.schedule();
    });
    this.region.setEngineState(EngineState.Running);
    this.events.write(RecordType.ENGINE_READY, 0, encodeText(this.version));
    this.schedule();
  }

  /** Sees to it that the rings are looked at in this turn or the next. */
  schedule(): void {
    this.idleTurns = 0;
    if (this.polling) return;
    this.polling = true;
    this.region.unpark();
    setImmediate(this.turn);
  }

  private readonly turn = (): void => {
    if (this.poll()) this.idleTurns = 0;
    else this.idleTurns++;
    if (this.idleTurns <= IDLE_TURNS) {
      setImmediate(this.turn);
      return;
    }
    this.region.park();
    // Something may have come between the last look and the word: the host would not have rung.
    if (this.hasWork()) {
      this.region.unpark();
      this.idleTurns = 0;
      setImmediate(this.turn);
      return;
    }
    this.polling = false;
  };

  private hasWork(): boolean {
    if (!this.commands.isEmpty) return true;
    for (const slot of this.slots.values()) if (slot.hasWork) return true;
    return false;
  }

  private poll(): boolean {
    this.events.flush();
    let worked = this.pollControl();
    for (const [index, slot] of this.slots) {
      if (slot.poll()) worked = true;
      if (slot.isGone) this.slots.delete(index);
    }
    return worked;
  }

  private pollControl(): boolean {
    let worked = false;
    while (this.commands.next()) {
      worked = true;
      const { type, id } = this.commands;
      const payload = this.assembler.add(this.commands);
      this.commands.release();
      if (payload !== null) this.run(type, id, payload);
    }
    return worked;
  }

  private run(type: number, id: number, payload: Uint8Array): void {
    const reader = new PayloadReader(payload);
    switch (type) {
      case RecordType.CREATE_SERVER: {
        const slot = reader.u32();
        reader.u32();
        const appliedIndex = Number(reader.u64());
        void this.create(id, slot, appliedIndex, reader.text());
        return;
      }
      case RecordType.SET_LOG:
        this.log.setLevel(reader.i32());
        return;
      case RecordType.STOP_ENGINE:
        void this.stop();
        return;
      default:
        throw this.commands.broken(`record type ${type}`);
    }
  }

  private async create(id: number, index: number, appliedIndex: number, text: string): Promise<void> {
    let slot: Slot | null = null;
    try {
      if (index >= MAX_SERVERS) throw new ServerError(ErrorCode.INTERNAL, `slot ${index} does not exist`);
      const { config, warnings } = parseConfig(text);
      const prefix = `${config.clusterId.toString(16)}/${nodeIdToHex(config.id)}: `;
      const logger = this.log.logger(prefix);
      for (const warning of warnings) logger.warning(warning);
      slot = new Slot(this.region, index, config.maxProposalBytes, () => {
        this.schedule();
      });
      this.slots.set(index, slot);
      const server = await startServer(config, this.environment.for(logger), slot.port, { appliedIndex });
      slot.attach(server);
      this.reply(id, ErrorCode.OK, '');
    } catch (error) {
      if (slot !== null) {
        slot.port.close();
        this.slots.delete(index);
      }
      const { code, text: reason } = describeError(error);
      this.reply(id, code, reason);
    }
  }

  private reply(id: number, code: number, text: string): void {
    this.events.write(RecordType.REPLY, id, replyPayload(code, encodeText(text).subarray(0, MAX_TEXT_BYTES)));
  }

  async stop(): Promise<void> {
    await Promise.allSettled([...this.slots.values()].map((slot) => slot.stop()));
    this.slots.clear();
    this.region.setEngineState(EngineState.Ended);
    this.end();
  }

  /** Something is broken beyond repair: the host is told why, as far as its rings still work. */
  reportFatal(error: unknown): void {
    const { text } = describeError(error);
    this.log.write(-1, `the engine stops: ${text}`);
    this.region.setEngineState(EngineState.Ended);
  }
}
