/** The line at the end of a terminal that tells what goes on, and is gone when it is over. */

const REDRAW_MS = 100;
const BAR_LEAST = 8;
const BAR_MOST = 30;
/** Of the line; the same while the text changes, so that nothing jumps. */
const BAR_SHARE = 1 / 3;
const ERASE = '\r\u001b[K';

interface Terminal {
  readonly columns: number;
  write(text: string): unknown;
}

export class ProgressLine {
  private readonly terminal: Terminal;
  private readonly now: () => number;
  private isShown = false;
  private drawnAt = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal, now: () => number = () => performance.now()) {
    this.terminal = terminal;
    this.now = now;
  }

  /** With a share (0 to 1) a bar stands in front of the text; such lines are drawn a few times a second at most. */
  show(text: string, share?: number): void {
    if (share !== undefined && this.now() - this.drawnAt < REDRAW_MS) return;
    this.drawnAt = share === undefined ? Number.NEGATIVE_INFINITY : this.now();
    this.isShown = true;
    // The last column stays free: some terminals begin a new line behind it. One without a size has none to tell.
    const room = (this.terminal.columns > 0 ? this.terminal.columns : 80) - 1;
    const whole = share === undefined ? text : `${bar(share, Math.floor(room * BAR_SHARE))}${text}`;
    this.terminal.write(`${ERASE}${whole.slice(0, room)}`);
  }

  clear(): void {
    if (!this.isShown) return;
    this.isShown = false;
    this.drawnAt = Number.NEGATIVE_INFINITY;
    this.terminal.write(ERASE);
  }
}

function bar(share: number, room: number): string {
  const whole = Math.min(1, Math.max(0, share));
  const percent = `${Math.floor(whole * 100)}`.padStart(3);
  const width = Math.min(BAR_MOST, room);
  if (width < BAR_LEAST) return `${percent} % `;
  return `[${'#'.repeat(Math.round(whole * width)).padEnd(width)}] ${percent} % `;
}
