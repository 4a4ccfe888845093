import type { Logger } from '../core/api.ts';
import { LogLevel } from '../core/codes.generated.ts';
import { encodeText } from './payload.ts';
import { RecordType } from './protocol.generated.ts';
import type { EventWriter } from './event-writer.ts';

/** Longest log line, bytes; the rest is cut. */
const MAX_LINE_BYTES = 8 * 1024;
/** Level, bytes of the source, cluster, node. */
const FIXED_BYTES = 24;

/** Whose line it is. */
interface Origin {
  readonly clusterId: bigint;
  /** 0: no server's. */
  readonly nodeId: bigint;
  /** With the position in the engine's file behind a blank, if that is asked for. */
  readonly source: string;
}

const NO_SERVER: Origin = { clusterId: 0n, nodeId: 0n, source: 'engine' };

/**
 * Sends log lines to the host, which stamps them and knows where they go. Lines that find no room are counted and lost.
 * Lines never hold what a host proposes.
 */
export class LogSink {
  private readonly events: EventWriter;
  private level: number = LogLevel.INFO;
  private withPosition = false;
  private lost = 0;

  constructor(events: EventWriter) {
    this.events = events;
  }

  /** What is less grave than `level` is not sent; `withPosition` adds the place in the engine's file. */
  configure(level: number, withPosition: boolean): void {
    this.level = level;
    this.withPosition = withPosition;
  }

  /** A line of the engine itself. */
  write(level: number, line: string): void {
    this.writeOf(NO_SERVER, level, line);
  }

  private writeOf(origin: Origin, level: number, line: string): void {
    if (level > this.level) return;
    if (this.lost > 0) {
      const note = `${this.lost} log lines were lost: the host did not take them in time`;
      if (!this.send(NO_SERVER, LogLevel.WARNING, note)) {
        this.lost++;
        return;
      }
      this.lost = 0;
    }
    if (!this.send(origin, level, line)) this.lost++;
  }

  private send({ clusterId, nodeId, source }: Origin, level: number, line: string): boolean {
    // What a stranger's answer holds must not steer the terminal that the host's log is read on.
    const oneLine = line
      .slice(0, MAX_LINE_BYTES)
      .replace(/\s*[\r\n]+\s*/g, ' | ')
      .replace(/\p{Cc}/gu, escapeCharacter);
    const from = encodeText(source);
    const text = encodeText(oneLine).subarray(0, MAX_LINE_BYTES);
    const payload = new Uint8Array(FIXED_BYTES + from.length + text.length);
    const view = new DataView(payload.buffer);
    view.setInt32(0, level, true);
    view.setUint32(4, from.length, true);
    view.setBigUint64(8, clusterId, true);
    view.setBigUint64(16, nodeId, true);
    payload.set(from, FIXED_BYTES);
    payload.set(text, FIXED_BYTES + from.length);
    return this.events.tryWrite(RecordType.LOG, 0, payload);
  }

  /** A logger of one server. */
  logger(clusterId: bigint, nodeId: bigint, source = 'server'): Logger {
    const at = (level: number): ((text: string) => void) => {
      const log = (text: string): void => {
        if (level > this.level) return;
        const position = this.withPosition ? ` ${callerOf(log)}` : '';
        this.writeOf({ clusterId, nodeId, source: `${source}${position}` }, level, text);
      };
      return log;
    };
    return {
      debug: at(LogLevel.DEBUG),
      info: at(LogLevel.INFO),
      warning: at(LogLevel.WARNING),
      error: at(LogLevel.ERROR),
      named: (other) => this.logger(clusterId, nodeId, other),
    };
  }
}

function escapeCharacter(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** `file:line` of whoever called this function. */
function callerOf(log: (text: string) => void): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, log);
  return /([^/(\s]+:\d+):\d+\)?$/m.exec(holder.stack ?? '')?.[1] ?? '';
}
