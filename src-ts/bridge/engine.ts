import { ErrorCode, EventCode, LogLevel } from '../core/codes.generated.ts';
import { nodeIdToBigint } from '../core/node-id.ts';
import type { Logger } from '../core/api.ts';
import { parseInterfaceConfig } from '../facade/interface-config.ts';
import { ServerError, type RaftServer, type ServerConfig, type StateMachinePort } from '../server/api.ts';
import type { BridgeBinding } from '../storage/native-binding.ts';
import { ChunkAssembler } from './chunk-assembler.ts';
import { describeError } from './commands.ts';
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
import { Slot, type SlotOwner } from './slot.ts';

/** Longest error text in a control reply, which travels in one record. */
const MAX_TEXT_BYTES = 64 * 1024;

export interface EngineParts {
  readonly version: string;
  /** Starts a server; rejects with ServerError, and nothing stays open or locked then. */
  startServer(
    config: ServerConfig,
    port: StateMachinePort,
    logger: Logger,
    appliedIndex: number,
  ): Promise<RaftServer>;
  /** All servers have been stopped and the host has been told: ends this runtime. */
  end(): void;
  /** The engine cannot go on, and the host's log has the reason: ends this runtime at once. */
  fatal(error: unknown): void;
}

/** All servers of one host, and the loop that moves what comes through their rings. */
export class Engine implements SlotOwner {
  readonly log: LogSink;
  private readonly parts: EngineParts;
  private readonly binding: BridgeBinding;
  private readonly region: Region;
  private readonly commands: RingReader;
  private readonly events: EventWriter;
  private readonly assembler: ChunkAssembler;
  private readonly slots = new Map<number, Slot>();
  private polling = false;
  private stopping: Promise<void> | null = null;
  private failed = false;

  constructor(binding: BridgeBinding, parts: EngineParts) {
    this.binding = binding;
    this.parts = parts;
    this.region = new Region(binding);
    const { region } = this;
    this.commands = new RingReader(region, CONTROL_COMMAND_RING_AT, CONTROL_COMMAND_RING_BYTES, 'control');
    const events = new RingWriter(region, CONTROL_EVENT_RING_AT, CONTROL_EVENT_RING_BYTES);
    this.events = new EventWriter(region, events, (error) => {
      this.fail(error);
    });
    this.assembler = new ChunkAssembler(region);
    this.log = new LogSink(this.events);
  }

  start(): void {
    this.binding.onDoorbell(() => {
      if (this.polling) return;
      this.polling = true;
      this.region.unpark();
      this.turn();
    });
    this.region.setEngineState(EngineState.Running);
    this.events.write(RecordType.ENGINE_READY, 0, encodeText(this.parts.version));
    this.schedule();
  }

  /** Sees to it that the rings are looked at in this turn or the next. */
  schedule(): void {
    if (this.polling) return;
    this.polling = true;
    this.region.unpark();
    setImmediate(this.turn);
  }

  /** Something is broken beyond repair: tells the host why, as far as its rings still work, and ends. */
  fail(error: unknown): void {
    if (this.failed) return;
    this.failed = true;
    const { text } = describeError(error);
    this.log.write(LogLevel.CRITICAL, `the engine stops: ${text}`);
    this.region.setEngineState(EngineState.Ended);
    this.parts.fatal(error);
  }

  private readonly turn = (): void => {
    if (this.failed) return;
    let worked: boolean;
    try {
      worked = this.poll();
    } catch (error) {
      this.fail(error);
      return;
    }
    if (!worked) {
      this.region.park();
      // Something may have come between the last look and the word: the host would not have rung.
      if (!this.hasWork()) {
        this.polling = false;
        return;
      }
      this.region.unpark();
    }
    // What was taken is handled in this round of the event loop, before the next look. There is no spinning beyond that:
    // where nodes share processors, it takes the time that another one needs to answer.
    setImmediate(this.turn);
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
        this.log.configure(reader.i32(), reader.u32() !== 0);
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
      if (this.stopping !== null) throw new ServerError(ErrorCode.STOPPED, 'the engine is stopping');
      const inUse = this.slots.get(index);
      if (index >= MAX_SERVERS || (inUse !== undefined && !inUse.isGone))
        throw new ServerError(ErrorCode.INTERNAL, `slot ${index} is not free`);
      const { config, warnings } = await parseInterfaceConfig(text);
      const logger = this.log.logger(config.clusterId, nodeIdToBigint(config.id));
      for (const warning of warnings) logger.warning(warning);
      slot = new Slot(this.region, index, config.maxProposalBytes, this);
      this.slots.set(index, slot);
      slot.attach(await this.parts.startServer(config, slot.port, logger, appliedIndex));
      this.reply(id, ErrorCode.OK, '');
    } catch (error) {
      if (slot !== null) {
        slot.discard();
        this.slots.delete(index);
      }
      const { code, text: reason } = describeError(error);
      this.reply(id, code, reason);
    }
  }

  private reply(id: number, code: number, text: string): void {
    this.events.write(RecordType.REPLY, id, replyPayload(code, encodeText(text).subarray(0, MAX_TEXT_BYTES)));
  }

  /** Stops all servers, then ends the engine. */
  stop(): Promise<void> {
    this.stopping ??= this.stopAll();
    return this.stopping;
  }

  private async stopAll(): Promise<void> {
    await Promise.allSettled([...this.slots.values()].map((slot) => slot.stop(false)));
    this.slots.clear();
    this.region.setEngineState(EngineState.Ended);
    this.parts.end();
  }

  /** There is not much memory left: the servers fail in good order while there is some, and the engine ends. */
  stopForMemory(): void {
    const text = 'the memory of the engine is nearly full';
    this.log.write(LogLevel.CRITICAL, `${text}; its servers stop`);
    for (const slot of this.slots.values())
      slot.port.event(EventCode.SERVER_FAILED, ErrorCode.NO_MEMORY, text);
    void this.stop();
  }
}
