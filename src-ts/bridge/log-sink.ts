import type { Logger } from '../core/api.ts';
import { LogLevel } from '../core/codes.generated.ts';
import { encodeText } from './payload.ts';
import { RecordType } from './protocol.generated.ts';
import type { EventWriter } from './event-writer.ts';

/** Longest log line, bytes; the rest is cut. */
const MAX_LINE_BYTES = 8 * 1024;

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

  /** What is less grave than `level` is not sent; `withPosition` puts the place in the engine's file in front. */
  configure(level: number, withPosition: boolean): void {
    this.level = level;
    this.withPosition = withPosition;
  }

  write(level: number, line: string): void {
    if (level > this.level) return;
    if (this.lost > 0) {
      const note = `${this.lost} log lines were lost: the host did not take them in time`;
      if (!this.send(LogLevel.WARNING, note)) {
        this.lost++;
        return;
      }
      this.lost = 0;
    }
    if (!this.send(level, line)) this.lost++;
  }

  private send(level: number, line: string): boolean {
    // What a stranger's answer holds must not steer the terminal that the host's log is read on.
    const oneLine = line
      .slice(0, MAX_LINE_BYTES)
      .replace(/\s*[\r\n]+\s*/g, ' | ')
      .replace(/\p{Cc}/gu, escapeCharacter);
    const text = encodeText(oneLine).subarray(0, MAX_LINE_BYTES);
    const payload = new Uint8Array(8 + text.length);
    new DataView(payload.buffer).setInt32(0, level, true);
    payload.set(text, 8);
    return this.events.tryWrite(RecordType.LOG, 0, payload);
  }

  /** A logger whose lines begin with `prefix`. */
  logger(prefix: string): Logger {
    const at = (level: number): ((text: string) => void) => {
      const log = (text: string): void => {
        if (level <= this.level)
          this.write(level, `${this.withPosition ? callerOf(log) : ''}${prefix}${text}`);
      };
      return log;
    };
    return {
      debug: at(LogLevel.DEBUG),
      info: at(LogLevel.INFO),
      warning: at(LogLevel.WARNING),
      error: at(LogLevel.ERROR),
    };
  }
}

function escapeCharacter(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** `file:line: ` of whoever called this function. */
function callerOf(log: (text: string) => void): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, log);
  const place = /([^/(\s]+:\d+):\d+\)?$/m.exec(holder.stack ?? '');
  return place === null ? '' : `${place[1]!}: `;
}
