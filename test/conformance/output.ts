import type { Logger } from '../../src-ts/core/api.ts';

const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'];

/** Collects what a command prints; log lines below the level are left out, and at level NONE everything is. */
export class Output implements Logger {
  private text = '';
  level = 0;

  setLevel(name: string): void {
    const level = LEVELS.indexOf(name.toUpperCase());
    if (level === -1) throw new Error(`log level ${name} is none of ${LEVELS.join(' ')}`);
    this.level = level;
  }

  get quiet(): boolean {
    return this.level === LEVELS.length - 1;
  }

  write(text: string): void {
    if (!this.quiet) this.text += text;
  }

  take(): string {
    const { text } = this;
    this.text = '';
    return text;
  }

  /** What `action` writes comes out with every line two spaces further right. */
  indented(action: () => void): void {
    const before = this.take();
    try {
      action();
    } finally {
      const lines = this.take().split('\n');
      if (lines[lines.length - 1] === '') lines.pop();
      this.text = before + lines.map((line) => `  ${line}\n`).join('');
    }
  }

  private log(level: number, text: string): void {
    if (this.level <= level) this.write(`${LEVELS[level]} ${text}\n`);
  }

  debug(text: string): void {
    this.log(0, text);
  }

  info(text: string): void {
    this.log(1, text);
  }

  warning(text: string): void {
    this.log(2, text);
  }

  error(text: string): void {
    this.log(3, text);
  }
}
