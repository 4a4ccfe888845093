/** Hosts, each a process with one node, that are killed, started again, and compared at the end. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { checkJournals, readJournal, type JournalReport } from './journal.ts';
import type { Digest, LineHost } from './line-host.ts';
import { waitUntil } from './wait-until.ts';

const AGREE_TIMEOUT_MS = 60_000;
/** Of the files `acknowledged` and `refused`. */
const RECORD_BYTES = 32;

export interface HostNode<H> {
  /** Unique in its cluster. */
  readonly name: string;
  readonly directory: string;
  /** Null while it does not run. */
  host: H | null;
}

export interface Story {
  readonly digest: Digest;
  readonly acknowledged: number;
  readonly report: JournalReport;
}

export abstract class HostCluster<H extends LineHost, N extends HostNode<H>> {
  readonly nodes: N[] = [];
  readonly directory: string;

  /** `kind` is a part of the directory's name. */
  constructor(kind: string) {
    this.directory = mkdtempSync(join(tmpdir(), `polyraft-${kind}-`));
  }

  /** `facts` are what a node has beyond a name and a directory, which is made. */
  protected add(name: string, facts: Omit<N, keyof HostNode<H>>): N {
    const directory = join(this.directory, name);
    mkdirSync(directory);
    const node = { ...facts, name, directory, host: null } as unknown as N;
    this.nodes.push(node);
    return node;
  }

  async killNode(node: N): Promise<void> {
    const { host } = node;
    node.host = null;
    await host?.kill();
  }

  get running(): H[] {
    return this.nodes.flatMap((node) => (node.host === null ? [] : [node.host]));
  }

  /** Waits until all running state machines are the same. */
  async agree(): Promise<Digest> {
    let digests: Digest[] = [];
    const isSame = async (): Promise<boolean> => {
      digests = await Promise.all(this.running.map((host) => host.digest()));
      return digests.every(
        (digest) => digest.chain === digests[0]!.chain && digest.count === digests[0]!.count,
      );
    };
    try {
      // Twice, so that a moment between two entries does not count.
      await waitUntil(
        'equal state machines',
        AGREE_TIMEOUT_MS,
        async () => (await isSame()) && (await isSame()),
      );
    } catch (error) {
      throw new Error(`the state machines differ: ${JSON.stringify(digests)}`, { cause: error });
    }
    return digests[0]!;
  }

  /**
   * All state machines are the same and hold every acknowledged proposal, none that was refused (where hosts write those
   * down), and all that was ever applied is one sequence without gaps or repetitions.
   */
  async expectNothingLost(): Promise<Story> {
    const digest = await this.agree();
    expect(digest.duplicates, 'proposals that were applied twice').toBe(0);
    let acknowledged = 0;
    const none = this.running.map(() => 0);
    for (const { directory } of this.nodes) {
      const path = join(directory, 'acknowledged');
      if (existsSync(path)) {
        acknowledged += Math.floor(readFileSync(path).length / RECORD_BYTES);
        const lacking = await Promise.all(this.running.map((host) => host.lacking(path)));
        expect(lacking, `acknowledged proposals of ${path} that a node lacks`).toEqual(none);
      }
      const refused = join(directory, 'refused');
      if (existsSync(refused)) {
        const held = await Promise.all(this.running.map((host) => host.held(refused)));
        expect(held, `refused proposals of ${refused} that a node holds`).toEqual(none);
      }
    }
    const written = this.nodes.filter((node) => existsSync(join(node.directory, 'journal')));
    const journals = new Map(
      written.map((node) => [node.name, readJournal(join(node.directory, 'journal'))]),
    );
    const report = checkJournals(journals);
    expect(report.faults, 'faults in what was applied').toEqual([]);
    expect(report.entries).toBe(digest.count);
    return { digest, acknowledged, report };
  }

  async end(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.killNode(node)));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }
}
