import type { SnapshotFile } from '../storage/types.ts';

/** The snapshot files that this server knows to be whole: the newest, and the one before (a sender may be asked for it). */
export class SnapshotShelf {
  private files: SnapshotFile[] = [];

  get newest(): SnapshotFile | null {
    return this.files[0] ?? null;
  }

  get newestIndex(): number {
    return this.newest?.metadata.index ?? 0;
  }

  get newestTerm(): number {
    return this.newest?.metadata.term ?? 0;
  }

  /** Ignores a file that is older than both that are kept. */
  add(file: SnapshotFile): void {
    const others = this.files.filter((known) => known.metadata.index !== file.metadata.index);
    this.files = [file, ...others].sort((a, b) => b.metadata.index - a.metadata.index).slice(0, 2);
  }

  find(index: number, term: number): SnapshotFile | null {
    return this.files.find(({ metadata }) => metadata.index === index && metadata.term === term) ?? null;
  }
}
