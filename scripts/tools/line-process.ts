import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { createInterface } from 'node:readline';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface LineProcessOptions {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** As a shell has it for a program that is not there. */
const NOT_STARTED: Exit = { code: 127, signal: null };
/** The last lines of standard error that are kept. */
const ERROR_LINES_MAX = 200;

/** A child process that speaks in lines: 'line' for each of its standard output; standard error is kept for reports. */
export class LineProcess extends EventEmitter<{ line: [string] }> {
  readonly name: string;
  readonly errors: string[] = [];
  readonly exited: Promise<Exit>;
  private readonly child: ChildProcess;
  private end: Exit | null = null;

  constructor(name: string, program: string, args: readonly string[], options: LineProcessOptions = {}) {
    super();
    this.setMaxListeners(100);
    this.name = name;
    this.child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    // Writing to a process that has just been killed is no error of ours.
    this.child.stdin!.on('error', () => undefined);
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.emit('line', line));
    createInterface({ input: this.child.stderr! }).on('line', (line) => {
      this.errors.push(line);
      if (this.errors.length > ERROR_LINES_MAX) this.errors.shift();
    });
    this.exited = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.errors.push(`${program}: ${error.message}`);
        this.end = NOT_STARTED;
        resolve(NOT_STARTED);
      });
      this.child.once('close', (code, signal) => {
        this.end = { code, signal };
        resolve(this.end);
      });
    });
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error(`${this.name} could not be started`);
    return pid;
  }

  get isRunning(): boolean {
    return this.end === null;
  }

  send(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  /** Ends its standard input. */
  closeInput(): void {
    this.child.stdin!.end();
  }

  /** Ends the process and waits for it. */
  async kill(signal: NodeJS.Signals): Promise<Exit> {
    if (this.isRunning) this.child.kill(signal);
    return this.exited;
  }

  /** The next line that `wanted` accepts; fails when the process ends or the time is over first. */
  waitForLine(wanted: (line: string) => boolean, timeoutMs: number, what: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.off('line', look);
      };
      const look = (line: string): void => {
        if (!wanted(line)) return;
        finish();
        resolve(line);
      };
      const fail = (why: string): void => {
        finish();
        reject(
          new Error(`${this.name}: ${why} while waiting for ${what}\n${this.errors.slice(-20).join('\n')}`),
        );
      };
      const timer = setTimeout(() => {
        fail(`${timeoutMs} ms passed`);
      }, timeoutMs);
      this.on('line', look);
      void this.exited.then((exit) => {
        fail(`ended (${exit.signal ?? `status ${exit.code}`})`);
      });
    });
  }
}

/** Runs a program to its end; its standard output, and whether it ended with status 0. */
export async function run(
  program: string,
  args: readonly string[],
  onLine?: (line: string) => void,
): Promise<{ readonly isSuccess: boolean; readonly output: string; readonly errors: string }> {
  const child = new LineProcess(program, program, args);
  const lines: string[] = [];
  child.on('line', (line) => {
    lines.push(line);
    onLine?.(line);
  });
  const exit = await child.exited;
  return { isSuccess: exit.code === 0, output: lines.join('\n'), errors: child.errors.join('\n') };
}
