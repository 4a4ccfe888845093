/** Programs on a pseudo terminal (util-linux's `script`), and what a person sees there. */
import { spawn, type ChildProcess } from 'node:child_process';

const WAIT_MS = 60_000;
/** Colours, moves of the cursor, titles. */
const ESCAPES = /\u001b(?:\[[0-9;?]*[A-Za-z]|\][^\u0007]*\u0007|\([A-Z])/g;

export interface Size {
  readonly columns: number;
  readonly rows?: number;
}

export class Terminal {
  /** All that was written to the terminal, as it came. */
  raw = '';
  readonly exited: Promise<number>;
  private readonly child: ChildProcess;
  private readonly watchers = new Set<() => void>();

  /** `command` is a line for sh. */
  constructor(command: string, { columns, rows = 40 }: Size, environment: NodeJS.ProcessEnv = {}) {
    const line = `stty cols ${columns} rows ${rows}; ${command}`;
    this.child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm', SHELL: '/bin/sh', ...environment },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.child.stdin!.on('error', () => undefined);
    this.child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
      this.raw += piece;
      for (const look of this.watchers) look();
    });
    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code) => {
        resolve(code ?? -1);
      });
    });
  }

  type(keys: string): void {
    this.child.stdin!.write(keys);
  }

  /** Resolves when what came since `from` (a length of `raw`) has the text; what only moves or colours is left out. */
  waitFor(text: string | RegExp, from = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.raw.slice(from).replace(ESCAPES, '');
        if (typeof text === 'string' ? !found.includes(text) : !text.test(found)) return;
        clearTimeout(timer);
        this.watchers.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        this.watchers.delete(look);
        reject(new Error(`${String(text)} did not come:\n${this.raw.slice(from)}`));
      }, WAIT_MS);
      this.watchers.add(look);
      look();
    });
  }

  /** Ends the terminal, and by its hang-up what runs there. */
  async end(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }
}

/** One command to its end. */
export async function onTerminal(
  command: string,
  size: Size,
  environment: NodeJS.ProcessEnv = {},
): Promise<{ readonly code: number; readonly raw: string; readonly lines: readonly string[] }> {
  const terminal = new Terminal(command, size, environment);
  const code = await terminal.exited;
  return { code, raw: terminal.raw, lines: linesSeen(terminal.raw) };
}

/** What stands there at the end: returns of the carriage and erased lines carried out. Lines are not broken. */
export function linesSeen(raw: string): string[] {
  const seen = raw.split('\n').map((line) => {
    let shown = '';
    let at = 0;
    for (const [piece] of line.matchAll(/\r|\u001b\[K|[^\r\u001b]+|\u001b\[[0-9;?]*[A-Za-z]|\u001b/g)) {
      if (piece === '\r') at = 0;
      else if (piece === '\u001b[K') shown = shown.slice(0, at);
      else if (!piece.startsWith('\u001b')) {
        shown = shown.slice(0, at).padEnd(at) + piece + shown.slice(at + piece.length);
        at += piece.length;
      }
    }
    return shown.trimEnd();
  });
  while (seen.at(-1) === '') seen.pop();
  return seen;
}
