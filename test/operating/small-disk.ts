/** A disk with little room. Root has a small tmpfs for it; others have files that must not grow. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { withChildren } from '../../scripts/tools/process-facts.ts';

const MIB = 1 << 20;

export abstract class SmallDisk {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory);
  }

  static at(directory: string): SmallDisk {
    try {
      return new SmallTmpfs(directory);
    } catch {
      return new FileLimit(directory);
    }
  }

  /** What a write says that finds no room. */
  abstract readonly code: string;
  /** Takes the room that is left, for all that the process `pid` and its children write. */
  abstract fill(pid: number): void;
  /** Gives it back, to processes that are started after it. */
  abstract free(): void;
  abstract end(): void;
}

class SmallTmpfs extends SmallDisk {
  readonly code = 'ENOSPC';

  constructor(directory: string) {
    rmSync(directory, { recursive: true, force: true });
    super(directory);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128m', 'none', directory], { stdio: 'ignore' });
  }

  private get ballast(): string {
    return join(this.directory, 'ballast');
  }

  fill(): void {
    const file = openSync(this.ballast, 'w');
    const { bavail, bsize } = statfsSync(this.directory);
    const piece = Buffer.alloc(MIB);
    // Not the last of it: that belongs to the segment that is written.
    for (let left = bavail * bsize; left > 0; left -= MIB) writeSync(file, piece, 0, Math.min(left, MIB));
    closeSync(file);
  }

  free(): void {
    rmSync(this.ballast);
  }

  end(): void {
    execFileSync('umount', [this.directory]);
  }
}

class FileLimit extends SmallDisk {
  readonly code = 'EFBIG';

  constructor(directory: string) {
    rmSync(directory, { recursive: true, force: true });
    super(directory);
  }

  fill(pid: number): void {
    for (const each of withChildren(pid))
      execFileSync('prlimit', ['--pid', String(each), `--fsize=${4 * MIB}`]);
  }

  free(): void {
    // A new process has no such limit.
  }

  end(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
