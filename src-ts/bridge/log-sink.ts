import type { Logger } from '../core/api.ts';
import { LogLevel } from '../core/codes.generated.ts';
import { encodeText } from './payload.ts';
import { RecordType } from './protocol.generated.ts';
import type { EventWriter } from './event-writer.ts';

/** Longest log line, bytes; the rest is cut. */
const MAX_LINE_BYTES = 8 * 1024;

/** Sends log lines to the host, which knows where they go. Lines that find no room are counted and lost. */
export class LogSink {
  private readonly events: EventWriter;
  private level: number = LogLevel.INFO;
  private lost = 0;

  constructor(events: EventWriter) {
    this.events = events;
  }

  setLevel(level: number): void {
    this.level = level;
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
    const text = encodeText(line.replaceAll('\n', ' | ')).subarray(0, MAX_LINE_BYTES);
    const payload = new Uint8Array(8 + text.length);
    new DataView(payload.buffer).setInt32(0, level, true);
    payload.set(text, 8);
    return this.events.tryWrite(RecordType.LOG, 0, payload);
  }

  /** A logger whose lines begin with `prefix`. */
  logger(prefix: string): Logger {
    return {
      debug: (text) => {
        this.write(LogLevel.DEBUG, `${prefix}${text}`);
      },
      info: (text) => {
        this.write(LogLevel.INFO, `${prefix}${text}`);
      },
      warning: (text) => {
        this.write(LogLevel.WARNING, `${prefix}${text}`);
      },
      error: (text) => {
        this.write(LogLevel.ERROR, `${prefix}${text}`);
      },
    };
  }
}
