import type { RaftServer } from '../server/api.ts';
import { ChunkAssembler } from './chunk-assembler.ts';
import { describeError, isRequest, runRequest } from './commands.ts';
import { EventWriter } from './event-writer.ts';
import { HostPort } from './host-port.ts';
import { encodeText, PayloadReader, replyPayload } from './payload.ts';
import {
  FIRST_SLOT_AT,
  RecordType,
  SLOT_APPLIED_INDEX_AT,
  SLOT_APPLY_RING_AT,
  SLOT_APPLY_RING_BYTES,
  SLOT_BYTES,
  SLOT_COMMAND_RING_AT,
  SLOT_COMMAND_RING_BYTES,
  SLOT_EVENT_RING_AT,
  SLOT_EVENT_RING_BYTES,
  SLOT_SUBMIT_RING_AT,
  SLOT_SUBMIT_RING_BYTES,
} from './protocol.generated.ts';
import type { Region } from './region.ts';
import { RingReader } from './ring-reader.ts';
import { RingWriter } from './ring-writer.ts';
import { SubmitDrain } from './submit-drain.ts';

/** Commands taken in one turn, so that one host cannot keep the others waiting. */
const MAX_COMMANDS = 256;

/** One server's place in the region: its rings, and what comes through them. */
export class Slot {
  readonly port: HostPort;
  private readonly commands: RingReader;
  private readonly events: EventWriter;
  private readonly submits: SubmitDrain;
  private readonly assembler: ChunkAssembler;
  private server: RaftServer | null = null;
  private deleting = false;
  private gone = false;
  private readonly schedule: () => void;

  constructor(region: Region, index: number, maxProposalBytes: number, schedule: () => void) {
    const at = FIRST_SLOT_AT + index * SLOT_BYTES;
    this.schedule = schedule;
    this.commands = new RingReader(region, at + SLOT_COMMAND_RING_AT, SLOT_COMMAND_RING_BYTES, 'command');
    this.events = new EventWriter(
      region,
      new RingWriter(region, at + SLOT_EVENT_RING_AT, SLOT_EVENT_RING_BYTES),
    );
    const submits = new RingReader(region, at + SLOT_SUBMIT_RING_AT, SLOT_SUBMIT_RING_BYTES, 'submit');
    this.submits = new SubmitDrain(region, submits, maxProposalBytes);
    this.assembler = new ChunkAssembler(region);
    const applies = new RingWriter(region, at + SLOT_APPLY_RING_AT, SLOT_APPLY_RING_BYTES);
    this.port = new HostPort(region, applies, this.events, at + SLOT_APPLIED_INDEX_AT, schedule);
  }

  attach(server: RaftServer): void {
    this.server = server;
    server.onAcceptsProposals = this.schedule;
    this.schedule();
  }

  /** The server has been deleted and its last reply is in the ring: the slot is the host's again. */
  get isGone(): boolean {
    return this.gone && this.events.isIdle;
  }

  /** Whether a look at the rings would find something to do. */
  get hasWork(): boolean {
    if (this.gone) return false;
    if (this.server !== null && this.server.acceptsProposals && !this.submits.isEmpty && !this.deleting)
      return true;
    return this.port.takesCommands && !this.commands.isEmpty;
  }

  /** One turn; returns whether anything was done. */
  poll(): boolean {
    this.events.flush();
    if (this.gone) return false;
    let worked = this.pollCommands();
    const { server } = this;
    if (server === null || this.deleting) return worked;
    if (this.port.applies.poll()) {
      server.hostHasRoom();
      worked = true;
    }
    return this.submits.drain(server) || worked;
  }

  private pollCommands(): boolean {
    let count = 0;
    while (count < MAX_COMMANDS && this.port.takesCommands && this.commands.next()) {
      count++;
      const { commands } = this;
      if (commands.type === RecordType.SNAPSHOT_DATA) {
        if (!commands.continues && commands.length < 8)
          throw commands.broken('a snapshot without its header');
        this.port.snapshotChunk(
          commands.id,
          !commands.continues,
          !commands.hasMore,
          commands.total,
          commands.copy(),
        );
      } else {
        const payload = this.assembler.add(commands);
        if (payload !== null) this.run(commands.type, commands.id, payload);
      }
      commands.release();
    }
    return count > 0;
  }

  private run(type: number, id: number, payload: Uint8Array): void {
    const { server } = this;
    const reader = new PayloadReader(payload);
    if (type === RecordType.MESSAGE_REPLY) {
      const code = reader.i32();
      reader.u32();
      this.port.messageReply(id, code, reader.rest());
    } else if (type === RecordType.DELETE_SERVER) {
      void this.delete(id, (reader.u32() & 1) !== 0);
    } else if (type === RecordType.APPLY_FAILED) {
      const index = Number(reader.u64());
      const code = reader.i32();
      server?.hostFailed(index, code, reader.u32() === 1 ? 'restore' : 'apply');
    } else if (isRequest(type)) {
      if (server === null) throw this.commands.broken('a request before the server was created');
      runRequest(server, type, payload).then(
        (data) => {
          this.reply(id, 0, data);
        },
        (error: unknown) => {
          const { code, text } = describeError(error);
          this.reply(id, code, encodeText(text));
        },
      );
    } else {
      throw this.commands.broken(`record type ${type}`);
    }
  }

  private reply(id: number, code: number, data: Uint8Array): void {
    if (!this.gone) this.events.write(RecordType.REPLY, id, replyPayload(code, data));
  }

  private async delete(id: number, handOver: boolean): Promise<void> {
    if (this.deleting) return;
    this.deleting = true;
    let code = 0;
    let text = '';
    try {
      await this.server?.stop(handOver);
    } catch (error) {
      ({ code, text } = describeError(error));
    }
    this.port.close();
    this.reply(id, code, encodeText(text));
    this.gone = true;
    this.schedule();
  }

  async stop(): Promise<void> {
    await this.server?.stop(false);
    this.port.close();
  }
}
