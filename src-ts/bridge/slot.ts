import { ErrorCode } from '../core/codes.generated.ts';
import { ServerError, type RaftServer } from '../server/api.ts';
import { ChunkAssembler } from './chunk-assembler.ts';
import { describeError, isRequest, runRequest } from './commands.ts';
import { EventWriter } from './event-writer.ts';
import { HostPort } from './host-port.ts';
import { encodeText, PayloadReader, replyPayload } from './payload.ts';
import {
  FIRST_SLOT_AT,
  RecordType,
  SLOT_APPLIED_INDEX_AT,
  SLOT_APPLY_TIMES_AT,
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
import { BridgeError, type Region } from './region.ts';
import { RingReader } from './ring-reader.ts';
import { RingWriter } from './ring-writer.ts';
import { SubmitDrain } from './submit-drain.ts';

/** Commands taken in one turn, so that one server's host threads cannot keep the others waiting. */
const MAX_COMMANDS = 256;

/** Requests kept while a server starts; further ones are refused. */
const MAX_EARLY = 256;

/** Something of the host for a server that is still starting. */
interface Early {
  /** Of a request, which needs an answer; else null. */
  readonly id: number | null;
  readonly run: (server: RaftServer) => void;
}

/** What a slot needs of the engine around it. */
export interface SlotOwner {
  /** Sees to it that the rings are looked at soon. */
  schedule(): void;
  /** The host's end is broken: the engine ends. */
  fail(error: BridgeError): void;
}

/** One server's place in the region: its rings, and what comes through them. */
export class Slot {
  readonly port: HostPort;
  private readonly owner: SlotOwner;
  private readonly commands: RingReader;
  private readonly events: EventWriter;
  private readonly submits: SubmitDrain;
  private readonly assembler: ChunkAssembler;
  private server: RaftServer | null = null;
  /** What the host says while its server starts: callbacks may come, and call, before that. Bound: MAX_EARLY. */
  private readonly early: Early[] = [];
  /** Entries were refused, and the host has made room since. */
  private roomDue = false;
  private deleting = false;
  private gone = false;

  constructor(region: Region, index: number, maxProposalBytes: number, owner: SlotOwner) {
    const at = FIRST_SLOT_AT + index * SLOT_BYTES;
    const schedule = (): void => {
      owner.schedule();
    };
    this.owner = owner;
    this.commands = new RingReader(region, at + SLOT_COMMAND_RING_AT, SLOT_COMMAND_RING_BYTES, 'command');
    const events = new RingWriter(region, at + SLOT_EVENT_RING_AT, SLOT_EVENT_RING_BYTES);
    this.events = new EventWriter(region, events, (error) => {
      owner.fail(error);
    });
    const submits = new RingReader(region, at + SLOT_SUBMIT_RING_AT, SLOT_SUBMIT_RING_BYTES, 'submit');
    this.submits = new SubmitDrain(region, submits, maxProposalBytes, (sequence) => {
      this.port.outcomes([{ sequence, index: 0, term: 0, code: ErrorCode.BUSY }]);
    });
    this.assembler = new ChunkAssembler(region);
    const applies = new RingWriter(region, at + SLOT_APPLY_RING_AT, SLOT_APPLY_RING_BYTES);
    const words = { appliedIndex: at + SLOT_APPLIED_INDEX_AT, applyTimes: at + SLOT_APPLY_TIMES_AT };
    this.port = new HostPort(region, applies, this.events, words, schedule, () => [
      { name: 'submit', bytes: this.submits.waitingBytes },
      { name: 'command', bytes: this.commands.waitingBytes },
      { name: 'apply', bytes: applies.waitingBytes },
      { name: 'event', bytes: events.waitingBytes + this.events.backlogBytes },
    ]);
  }

  attach(server: RaftServer): void {
    this.server = server;
    server.onAcceptsProposals = (): void => {
      this.owner.schedule();
    };
    for (const { run } of this.early.splice(0)) run(server);
    this.owner.schedule();
  }

  /** The server has been deleted and its last reply is in the ring: the slot is the host's again. */
  get isGone(): boolean {
    return this.gone && this.events.isIdle;
  }

  private get takesProposals(): boolean {
    return this.server !== null && !this.deleting && this.server.acceptsProposals;
  }

  /** Whether a look at the rings would find something to do. */
  get hasWork(): boolean {
    if (this.gone) return false;
    if (!this.submits.isEmpty && this.takesProposals) return true;
    return !this.commands.isEmpty && this.port.takesCommands;
  }

  /** One turn; returns whether anything was done. Throws BridgeError when what the host wrote makes no sense. */
  poll(): boolean {
    this.events.flush();
    if (this.gone) return false;
    let worked = this.pollCommands();
    const { server } = this;
    if (this.deleting) return worked;
    // Also while the server starts: it hands over its snapshot then.
    if (this.port.pollApply()) this.roomDue = true;
    if (server === null) return worked;
    if (this.roomDue) {
      this.roomDue = false;
      server.hostHasRoom();
      worked = true;
    }
    return this.submits.drain(server) || worked;
  }

  private pollCommands(): boolean {
    const { commands, port } = this;
    let count = 0;
    while (count < MAX_COMMANDS && port.takesCommands && commands.next()) {
      count++;
      if (commands.type === RecordType.SNAPSHOT_DATA) {
        const { id, continues, hasMore, total } = commands;
        if (!port.snapshotChunk(id, !continues, !hasMore, total, commands.copy()))
          throw commands.broken('chunks of a snapshot do not fit together');
      } else {
        const payload = this.assembler.add(commands);
        if (payload !== null) this.run(commands.type, commands.id, payload);
      }
      commands.release();
    }
    return count > 0;
  }

  private run(type: number, id: number, payload: Uint8Array): void {
    const reader = new PayloadReader(payload);
    if (isRequest(type)) {
      this.request(type, id, payload);
    } else if (type === RecordType.MESSAGE_REPLY) {
      const code = reader.i32();
      reader.u32();
      this.port.messageReply(id, code, reader.rest());
    } else if (type === RecordType.DELETE_SERVER) {
      const handOver = (reader.u32() & 1) !== 0;
      void this.delete(id, handOver);
    } else if (type === RecordType.APPLY_FAILED) {
      const index = Number(reader.u64());
      const code = reader.i32();
      const which = reader.u32() === 1 ? 'restore' : 'apply';
      const run = (server: RaftServer): void => {
        server.hostFailed(index, code, which);
      };
      if (this.server === null) this.early.push({ id: null, run });
      else run(this.server);
    } else {
      throw this.commands.broken(`record type ${type}`);
    }
  }

  private request(type: number, id: number, payload: Uint8Array): void {
    const { server } = this;
    if (this.deleting) {
      this.reply(id, ErrorCode.STOPPED, encodeText('the server is being deleted'));
    } else if (server !== null) {
      this.answer(server, type, id, payload);
    } else if (this.early.length < MAX_EARLY) {
      const run = (started: RaftServer): void => {
        this.answer(started, type, id, payload);
      };
      this.early.push({ id, run });
    } else {
      this.reply(id, ErrorCode.BUSY, encodeText('the server is still starting'));
    }
  }

  private answer(server: RaftServer, type: number, id: number, payload: Uint8Array): void {
    runRequest(server, type, payload, this.submits.shared).then(
      (data) => {
        this.reply(id, ErrorCode.OK, data);
      },
      (error: unknown) => {
        if (error instanceof BridgeError) this.owner.fail(error);
        const { code, text } = describeError(error);
        this.reply(id, code, encodeText(text));
      },
    );
  }

  private reply(id: number, code: number, data: Uint8Array): void {
    if (!this.gone) this.events.write(RecordType.REPLY, id, replyPayload(code, data));
  }

  private async delete(id: number, handOver: boolean): Promise<void> {
    if (this.deleting) {
      this.reply(id, ErrorCode.STOPPED, encodeText('the server is being deleted'));
      return;
    }
    this.deleting = true;
    let code: number = ErrorCode.OK;
    let text = '';
    try {
      await this.stop(handOver);
    } catch (error) {
      ({ code, text } = describeError(error));
    }
    this.reply(id, code, encodeText(text));
    this.gone = true;
    this.owner.schedule();
  }

  /** Stops the server. The port is closed before the reply: the host may give the slot to another server then. */
  async stop(handOver: boolean): Promise<void> {
    this.deleting = true;
    try {
      if (this.server === null) throw new ServerError(ErrorCode.BUSY, 'the server is still starting');
      // The host applies nothing any more; whoever waits for it would wait for ever.
      this.port.abandonTransfers('the server is being deleted');
      await this.server.stop(handOver);
    } finally {
      this.port.close();
    }
  }

  /** The server did not start. */
  discard(): void {
    for (const { id } of this.early.splice(0)) {
      if (id !== null) this.reply(id, ErrorCode.STOPPED, encodeText('the server did not start'));
    }
    this.port.close();
    this.gone = true;
  }
}
