import { hostProgram, type Runtime } from './figures.ts';
import { LineHost, type Digest } from './line-host.ts';

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

/** With the index of the last entry that its callback has returned from. */
export interface AppliedDigest extends Digest {
  readonly applied: number;
}

export interface HostEvent {
  readonly code: number;
  readonly value: number;
  readonly text: string;
}

/** One process with one raft server: test/scenario/host. */
export class Host extends LineHost {
  readonly events: HostEvent[] = [];
  readonly roles: string[] = [];

  constructor(name: string, directory: string, runtime: Runtime) {
    super(name, hostProgram, [directory], {
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

  async start(configPath: string): Promise<void> {
    await this.command(`start ${configPath}`);
  }

  /** Ends the load; every proposal must have its outcome within the time. */
  quiet(timeoutMs = 40_000): Promise<Counts> {
    return this.told<Counts>(`quiet ${timeoutMs}`);
  }

  counts(): Promise<Counts> {
    return this.told<Counts>('counts');
  }

  override digest(): Promise<AppliedDigest> {
    return this.told<AppliedDigest>('digest');
  }

  status(): Promise<Status> {
    return this.told<Status>('status');
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
