import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LineProcess } from '../../scripts/tools/line-process.ts';
import { buildDirectory, type Runtime } from '../scenario/figures.ts';

const ANSWER_TIMEOUT_MS = 60_000;

export interface Answer {
  readonly code: number;
  readonly text: string;
}

/** A process that tries configurations: test/abi/host. */
export class AbiHost {
  readonly process: LineProcess;
  private readonly directory: string;
  private files = 0;

  constructor(name: string, directory: string, runtime: Runtime, ...options: readonly string[]) {
    this.directory = directory;
    this.process = new LineProcess(name, join(buildDirectory, 'test/abi/abi_host'), options, {
      environment: { POLYRAFT_RUNTIME: runtime },
    });
  }

  private async ask(line: string): Promise<Answer> {
    const answer = this.process.waitForLine(() => true, ANSWER_TIMEOUT_MS, `the answer to "${line}"`);
    this.process.send(line);
    const [, code, text] = /^(-?\d+) (.*)$/.exec(await answer)!;
    return { code: Number(code), text: text! };
  }

  private write(config: string): string {
    const path = join(this.directory, `${this.process.name}-${this.files++}.json`);
    writeFileSync(path, config);
    return path;
  }

  /** RAFT_NewRaftServerWith. */
  with(config: string): Promise<Answer> {
    return this.ask(`with ${this.write(config)}`);
  }

  /** RAFT_NewRaftServer: code 1 for NULL. */
  legacy(config: string): Promise<Answer> {
    return this.ask(`legacy ${this.write(config)}`);
  }

  status(): Promise<Answer> {
    return this.ask('status');
  }

  async end(): Promise<void> {
    await this.process.kill('SIGKILL');
  }
}
