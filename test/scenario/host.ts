import { LineProcess, type Exit } from '../../scripts/tools/line-process.ts';
import { hostProgram, type Runtime } from './figures.ts';

const ANSWER_TIMEOUT_MS = 60_000;
/** Codes of polyraft_codes.h that the scenarios look at. */
export const EVENT_REMOVED = 1;
export const EVENT_SERVER_FAILED = 2;
export const EVENT_ENGINE_DIED = 3;
export const EVENT_ENGINE_RESTARTED = 4;

export interface Counts {
  readonly accepted: number;
  readonly acknowledged: number;
  readonly rejected: number;
  readonly unknown: number;
  readonly busy: number;
  readonly refused: number;
  readonly lastCode: number;
}

export interface Digest {
  readonly applied: number;
  readonly count: number;
  readonly chain: string;
  readonly duplicates: number;
}

export interface HostEvent {
  readonly code: number;
  readonly value: number;
  readonly text: string;
}

export interface LoadOptions {
  readonly firstWriter: number;
  readonly threads: number;
  readonly window: number;
  readonly bytes: number;
  readonly pauseUs: number;
}

/** A command that the host answered with an error. */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly code: number;

  constructor(code: number, text: string) {
    super(`error ${code}: ${text}`);
    this.code = code;
  }
}

/** One process with one raft server: test/scenario/host. */
export class Host {
  readonly process: LineProcess;
  readonly events: HostEvent[] = [];
  readonly roles: string[] = [];
  /** Commands are answered in order; the next one is sent when the one before has its answer. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(name: string, directory: string, runtime: Runtime) {
    this.process = new LineProcess(name, hostProgram, [directory], {
      cwd: directory,
      environment: { POLYRAFT_RUNTIME: runtime },
    });
    this.process.on('line', (line) => {
      this.note(line);
    });
  }

  /** A server begins as follower, and only changes are told. */
  get role(): string {
    return this.roles.at(-1) ?? 'follower';
  }

  private note(line: string): void {
    const [word, ...rest] = line.split(' ');
    if (word === 'role') this.roles.push(rest[0] ?? '');
    if (word !== 'event') return;
    const [code, value, ...text] = rest;
    this.events.push({ code: Number(code), value: Number(value), text: text.join(' ') });
  }

  hasEvent(code: number): boolean {
    return this.events.some((event) => event.code === code);
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
    const [, code, reason] = /^(\d+) (.*)$/.exec(text!)!;
    throw new HostError(Number(code), reason!);
  }

  async start(configPath: string): Promise<void> {
    await this.command(`start ${configPath}`);
  }

  async load(options: LoadOptions): Promise<void> {
    const { firstWriter, threads, window, bytes, pauseUs } = options;
    await this.command(`load ${firstWriter} ${threads} ${window} ${bytes} ${pauseUs}`);
  }

  /** Ends the load; every proposal must have its outcome within the time. */
  async quiet(timeoutMs = 40_000): Promise<Counts> {
    return JSON.parse(await this.command(`quiet ${timeoutMs}`)) as Counts;
  }

  async counts(): Promise<Counts> {
    return JSON.parse(await this.command('counts')) as Counts;
  }

  async digest(): Promise<Digest> {
    return JSON.parse(await this.command('digest')) as Digest;
  }

  /** How many of the acknowledged proposals in a file this state machine does not hold. */
  async missing(acknowledgedPath: string): Promise<number> {
    return Number(await this.command(`missing ${acknowledgedPath}`));
  }

  async status(): Promise<Status> {
    return JSON.parse(await this.command('status')) as Status;
  }

  async kill(): Promise<Exit> {
    return this.process.kill('SIGKILL');
  }
}

/** What of RAFT_GetStatus the scenarios look at. */
export interface Status {
  readonly term: number;
  readonly role: string;
  readonly leader: number;
  readonly first_index: number;
  readonly last_index: number;
  readonly snapshot_index: number;
  readonly members: readonly { readonly id: number; readonly urls: readonly string[] }[];
}
