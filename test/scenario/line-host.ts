/** A host program that answers each line of its standard input with one line: "answer ..." or "error CODE text". */
import { LineProcess, type Exit, type LineProcessOptions } from '../../scripts/tools/line-process.ts';

const ANSWER_TIMEOUT_MS = 60_000;

/** A command that the host answered with an error. */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly code: number;

  constructor(code: number, text: string) {
    super(`error ${code}: ${text}`);
    this.code = code;
  }
}

/** What a host tells of its state machine (host/machine.h). */
export interface Digest {
  readonly count: number;
  readonly chain: string;
  readonly duplicates: number;
}

export interface LoadOptions {
  readonly firstWriter: number;
  readonly threads: number;
  readonly window: number;
  readonly bytes: number;
  readonly pauseUs: number;
}

export class LineHost {
  readonly process: LineProcess;
  /** Commands are answered in order; the next one is sent when the one before has its answer. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(name: string, program: string, args: readonly string[], options: LineProcessOptions = {}) {
    this.process = new LineProcess(name, program, args, options);
  }

  command(line: string, timeoutMs = ANSWER_TIMEOUT_MS): Promise<string> {
    const answer = this.last.then(() => this.ask(line, timeoutMs));
    this.last = answer.catch(() => undefined);
    return answer;
  }

  private async ask(line: string, timeoutMs: number): Promise<string> {
    const isAnswer = (text: string): boolean => text.startsWith('answer ') || text.startsWith('error ');
    const waiting = this.process.waitForLine(isAnswer, timeoutMs, `the answer to "${line}"`);
    this.process.send(line);
    const [, kind, text] = /^(\w+) (.*)$/.exec(await waiting)!;
    if (kind === 'answer') return text!;
    const [, code, reason] = /^(-?\d+) (.*)$/.exec(text!)!;
    throw new HostError(Number(code), reason!);
  }

  /** The answer, which is JSON. */
  async told<T>(line: string, timeoutMs?: number): Promise<T> {
    return JSON.parse(await this.command(line, timeoutMs)) as T;
  }

  async load({ firstWriter, threads, window, bytes, pauseUs }: LoadOptions): Promise<void> {
    await this.command(`load ${firstWriter} ${threads} ${window} ${bytes} ${pauseUs}`);
  }

  digest(): Promise<Digest> {
    return this.told<Digest>('digest');
  }

  /** How many of the proposals in a file (host/load.h) this state machine does not hold. */
  async lacking(path: string): Promise<number> {
    return Number(await this.command(`lacking ${path}`));
  }

  /** How many of them it holds. */
  async held(path: string): Promise<number> {
    return Number(await this.command(`held ${path}`));
  }

  kill(): Promise<Exit> {
    return this.process.kill('SIGKILL');
  }
}
