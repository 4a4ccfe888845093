/**
 * A simulated disk for tests and the simulator: deterministic, with crashes that lose or tear what was not synced,
 * failing operations, limited space and bit rot. Paths are absolute and use `/`.
 */
import { type Disk, DiskError, type DiskFile, type OpenMode } from './disk.ts';
import { MemoryFile, type Random } from './memory-file.ts';

export type DiskOperation =
  'open' | 'write' | 'sync' | 'read' | 'truncate' | 'preallocate' | 'rename' | 'remove' | 'syncDirectory';

class MemoryDirectory {
  /** Names as programs see them. */
  entries = new Map<string, MemoryDirectory | MemoryFile>();
  durable = new Map<string, MemoryDirectory | MemoryFile>();
  /** States of `entries` after each change since the last sync: a crash goes back to one of them. */
  history: Map<string, MemoryDirectory | MemoryFile>[] = [];

  changed(): void {
    this.history.push(new Map(this.entries));
  }

  sync(): void {
    this.durable = new Map(this.entries);
    this.history = [];
  }

  crash(random: Random): void {
    const kept = random(this.history.length + 1);
    const state = kept === 0 ? this.durable : this.history[kept - 1]!;
    this.durable = new Map(state);
    this.entries = new Map(state);
    this.history = [];
    for (const node of this.entries.values()) node.crash(random);
  }
}

export interface MemoryDiskOptions {
  /** Bytes that files may use in sum (pages of 4 KiB); writes beyond fail with ENOSPC. */
  readonly capacityBytes?: number;
  /** Awaited before an operation completes: lets a simulator give operations a duration. */
  readonly delay?: (operation: DiskOperation, bytes: number) => Promise<void> | void;
}

interface Fault {
  readonly operation: DiskOperation;
  readonly path: RegExp;
  readonly code: string;
  /** Operations that still succeed before it strikes. */
  skip: number;
  /** Times that it strikes; Infinity is for good. */
  times: number;
}

export class MemoryDisk implements Disk {
  readonly locksAcrossProcesses = true;
  capacityBytes: number;
  /** Times each operation was asked for. */
  readonly counts = new Map<DiskOperation, number>();
  private readonly root = new MemoryDirectory();
  private readonly delay: MemoryDiskOptions['delay'];
  private faults: Fault[] = [];
  private generation = 0;

  constructor(options: MemoryDiskOptions = {}) {
    this.capacityBytes = options.capacityBytes ?? Infinity;
    this.delay = options.delay;
  }

  /** This disk as one process sees it: after a crash or kill all of its operations fail, whatever still runs there. */
  mount(): Disk {
    return new MountedDisk(this, this.generation);
  }

  /** The next matching operations (after `skip` of them) fail with `code`. */
  fail(operation: DiskOperation, path: RegExp, code: string, skip = 0, times = 1): void {
    this.faults.push({ operation, path, code, skip, times });
  }

  clearFaults(): void {
    this.faults = [];
  }

  /** Power failure. Open files are dead afterwards, locks are gone, unsynced changes survive by the luck of `random`. */
  crash(random: Random): void {
    this.generation++;
    this.root.crash(random);
  }

  /** The process is killed: open files are dead, locks are gone, everything written stays. */
  kill(): void {
    this.generation++;
    const unlock = (directory: MemoryDirectory): void => {
      for (const node of directory.entries.values()) {
        if (node instanceof MemoryDirectory) unlock(node);
        else node.locked = false;
      }
    };
    unlock(this.root);
  }

  /** Flips the bits of `mask` in one byte of a file. */
  rot(path: string, offset: number, mask = 1): void {
    this.file('rot', path).rot(offset, mask);
  }

  /** The whole file as programs see it. */
  contents(path: string): Uint8Array {
    const file = this.file('read', path);
    const bytes = new Uint8Array(file.size);
    file.read(bytes, 0, bytes.length, 0);
    return bytes;
  }

  /** Puts a durable file there, with its directory. */
  place(path: string, bytes: Uint8Array): void {
    const [parent, name] = this.split(path, true);
    const file = new MemoryFile();
    file.write(bytes, 0, bytes.length, 0);
    file.sync();
    parent.entries.set(name, file);
    parent.sync();
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    await this.begin('open', path, 0);
    const [parent, name] = this.split(path, false);
    let node = parent.entries.get(name);
    if (node instanceof MemoryDirectory) throw new DiskError('open', path, 'EISDIR');
    if (node !== undefined && mode === 'create-exclusive') throw new DiskError('open', path, 'EEXIST');
    if (node === undefined) {
      if (mode === 'read' || mode === 'read-write') throw new DiskError('open', path, 'ENOENT');
      node = new MemoryFile();
      parent.entries.set(name, node);
      parent.changed();
    }
    return new MemoryHandle(this, path, node, mode !== 'read', this.generation);
  }

  list(directory: string): Promise<string[]> {
    return Promise.resolve().then(() => [...this.directory('list', directory).entries.keys()].sort());
  }

  exists(path: string): Promise<boolean> {
    return Promise.resolve(this.lookup(path) !== undefined);
  }

  makeDirectory(directory: string, _permissions: number): Promise<void> {
    let node = this.root;
    for (const part of parts(directory)) {
      let next = node.entries.get(part);
      if (next === undefined) {
        next = new MemoryDirectory();
        node.entries.set(part, next);
        node.changed();
      } else if (next instanceof MemoryFile) {
        return Promise.reject(new DiskError('create directory', directory, 'ENOTDIR'));
      }
      node = next;
    }
    return Promise.resolve();
  }

  async rename(from: string, to: string): Promise<void> {
    await this.begin('rename', from, 0);
    const [source, sourceName] = this.split(from, false);
    const [target, targetName] = this.split(to, false);
    const node = source.entries.get(sourceName);
    const replaced = target.entries.get(targetName);
    if (node === undefined) throw new DiskError('rename', from, 'ENOENT');
    if (replaced instanceof MemoryDirectory) {
      if (node instanceof MemoryFile) throw new DiskError('rename', from, 'EISDIR');
      if (replaced.entries.size > 0) throw new DiskError('rename', from, 'ENOTEMPTY');
    } else if (replaced !== undefined && node instanceof MemoryDirectory) {
      throw new DiskError('rename', from, 'ENOTDIR');
    }
    source.entries.delete(sourceName);
    target.entries.set(targetName, node);
    source.changed();
    if (target !== source) target.changed();
  }

  async remove(path: string): Promise<void> {
    await this.begin('remove', path, 0);
    this.file('remove', path);
    const [parent, name] = this.split(path, false);
    parent.entries.delete(name);
    parent.changed();
  }

  async removeDirectory(directory: string): Promise<void> {
    await this.begin('remove', directory, 0);
    if (this.directory('remove directory', directory).entries.size > 0) {
      throw new DiskError('remove directory', directory, 'ENOTEMPTY');
    }
    const [parent, name] = this.split(directory, false);
    parent.entries.delete(name);
    parent.changed();
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.begin('syncDirectory', directory, 0);
    this.directory('fsync', directory).sync();
  }

  /** Counts the operation, lets time pass, and fails if a fault or a crash says so. */
  async begin(
    operation: DiskOperation,
    path: string,
    bytes: number,
    generation = this.generation,
  ): Promise<void> {
    const code = this.strike(operation, path);
    await this.pass(operation, path, bytes, generation);
    if (code !== null) throw new DiskError(operation, path, code);
  }

  /** Lets the operation take its time; fails when the machine crashed meanwhile. */
  async pass(operation: DiskOperation, path: string, bytes: number, generation: number): Promise<void> {
    await this.delay?.(operation, bytes);
    if (generation !== this.generation) throw new DiskError(operation, path, 'EIO', 'the machine crashed');
  }

  strike(operation: DiskOperation, path: string): string | null {
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1);
    for (const fault of this.faults) {
      if (fault.operation !== operation || !fault.path.test(path) || fault.times <= 0) continue;
      if (fault.skip-- > 0) continue;
      fault.times--;
      return fault.code;
    }
    return null;
  }

  alive(generation: number): boolean {
    return generation === this.generation;
  }

  /** Throws ENOSPC when `bytes` more do not fit. */
  checkSpace(path: string, bytes: number): void {
    if (this.capacityBytes === Infinity || bytes === 0) return;
    const used = (directory: MemoryDirectory): number => {
      let sum = 0;
      for (const node of directory.entries.values()) {
        sum += node instanceof MemoryDirectory ? used(node) : node.allocatedBytes;
      }
      return sum;
    };
    if (used(this.root) + bytes > this.capacityBytes) throw new DiskError('write', path, 'ENOSPC');
  }

  private lookup(path: string): MemoryDirectory | MemoryFile | undefined {
    let node: MemoryDirectory | MemoryFile | undefined = this.root;
    for (const part of parts(path)) {
      if (!(node instanceof MemoryDirectory)) return undefined;
      node = node.entries.get(part);
    }
    return node;
  }

  private directory(operation: string, path: string): MemoryDirectory {
    const node = this.lookup(path);
    if (node === undefined) throw new DiskError(operation, path, 'ENOENT');
    if (node instanceof MemoryFile) throw new DiskError(operation, path, 'ENOTDIR');
    return node;
  }

  private file(operation: string, path: string): MemoryFile {
    const node = this.lookup(path);
    if (node === undefined) throw new DiskError(operation, path, 'ENOENT');
    if (node instanceof MemoryDirectory) throw new DiskError(operation, path, 'EISDIR');
    return node;
  }

  private split(path: string, create: boolean): [MemoryDirectory, string] {
    const names = parts(path);
    const name = names.pop();
    if (name === undefined) throw new DiskError('open', path, 'EISDIR');
    let node = this.root;
    for (const part of names) {
      let next = node.entries.get(part);
      if (next === undefined && create) {
        next = new MemoryDirectory();
        node.entries.set(part, next);
        node.sync();
      }
      if (next === undefined) throw new DiskError('open', path, 'ENOENT');
      if (next instanceof MemoryFile) throw new DiskError('open', path, 'ENOTDIR');
      node = next;
    }
    return [node, name];
  }
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

class MountedDisk implements Disk {
  readonly locksAcrossProcesses = true;
  private readonly disk: MemoryDisk;
  private readonly generation: number;

  constructor(disk: MemoryDisk, generation: number) {
    this.disk = disk;
    this.generation = generation;
  }

  private async live<T>(operation: string, path: string, action: () => Promise<T>): Promise<T> {
    if (!this.disk.alive(this.generation)) throw new DiskError(operation, path, 'EIO', 'the machine crashed');
    return await action();
  }

  open(path: string, mode: OpenMode): Promise<DiskFile> {
    return this.live('open', path, () => this.disk.open(path, mode));
  }

  list(directory: string): Promise<string[]> {
    return this.live('list', directory, () => this.disk.list(directory));
  }

  exists(path: string): Promise<boolean> {
    return this.live('stat', path, () => this.disk.exists(path));
  }

  makeDirectory(directory: string, permissions: number): Promise<void> {
    return this.live('create directory', directory, () => this.disk.makeDirectory(directory, permissions));
  }

  rename(from: string, to: string): Promise<void> {
    return this.live('rename', from, () => this.disk.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.live('remove', path, () => this.disk.remove(path));
  }

  removeDirectory(directory: string): Promise<void> {
    return this.live('remove directory', directory, () => this.disk.removeDirectory(directory));
  }

  syncDirectory(directory: string): Promise<void> {
    return this.live('fsync', directory, () => this.disk.syncDirectory(directory));
  }
}

class MemoryHandle implements DiskFile {
  readonly path: string;
  private readonly disk: MemoryDisk;
  private readonly file: MemoryFile;
  private readonly writable: boolean;
  private readonly generation: number;
  private open = true;
  private holdsLock = false;

  constructor(disk: MemoryDisk, path: string, file: MemoryFile, writable: boolean, generation: number) {
    this.disk = disk;
    this.path = path;
    this.file = file;
    this.writable = writable;
    this.generation = generation;
  }

  private check(operation: string): void {
    if (!this.open) throw new DiskError(operation, this.path, 'EBADF');
    if (!this.disk.alive(this.generation))
      throw new DiskError(operation, this.path, 'EIO', 'the machine crashed');
  }

  private put(bytes: Uint8Array, start: number, end: number, position: number): void {
    this.check('write');
    if (!this.writable) throw new DiskError('write', this.path, 'EBADF');
    this.disk.checkSpace(this.path, this.file.newBytes(position, end - start));
    this.file.write(bytes, start, end, position);
  }

  /** The bytes are under way from the first moment: a crash during the delay may keep any of them. */
  async write(bytes: Uint8Array, start: number, end: number, position: number, sync: boolean): Promise<void> {
    this.writeOrStrike(bytes, start, end, position);
    if (sync) await this.sync();
    else await this.disk.pass('write', this.path, end - start, this.generation);
  }

  writeInline(bytes: Uint8Array, start: number, end: number, position: number, sync: boolean): void {
    this.writeOrStrike(bytes, start, end, position);
    if (sync) this.syncNow(this.disk.strike('sync', this.path));
  }

  private writeOrStrike(bytes: Uint8Array, start: number, end: number, position: number): void {
    const code = this.disk.strike('write', this.path);
    if (code === null) {
      this.put(bytes, start, end, position);
      return;
    }
    // A failed write may have written a part: whole sectors of the file.
    const half = (position + ((end - start) >> 1)) & -512;
    if (code !== 'ENOSPC' && half > position) this.put(bytes, start, start + half - position, position);
    throw new DiskError('write', this.path, code);
  }

  private syncNow(code: string | null): void {
    if (code !== null) {
      this.file.failSync();
      throw new DiskError('fdatasync', this.path, code);
    }
    this.file.sync();
  }

  async sync(): Promise<void> {
    this.check('fdatasync');
    const code = this.disk.strike('sync', this.path);
    await this.disk.pass('sync', this.path, 0, this.generation);
    this.check('fdatasync');
    this.syncNow(code);
  }

  async read(target: Uint8Array, start: number, length: number, position: number): Promise<number> {
    this.check('read');
    await this.disk.begin('read', this.path, length, this.generation);
    return this.file.read(target, start, length, position);
  }

  size(): Promise<number> {
    return Promise.resolve(this.file.size);
  }

  async truncate(size: number): Promise<void> {
    this.check('truncate');
    await this.disk.begin('truncate', this.path, 0, this.generation);
    this.file.resize(size);
  }

  bypassCache(): void {
    this.check('write');
  }

  async preallocate(size: number): Promise<void> {
    this.check('preallocate');
    const from = this.file.size;
    await this.disk.begin('preallocate', this.path, 0, this.generation);
    if (size <= from) return;
    // Zeros are written over whatever got there meanwhile: who wrote there did not wait.
    const end = Math.min(size, this.file.size);
    if (end > from) this.file.write(new Uint8Array(end - from), 0, end - from, from);
    if (size <= this.file.size) return;
    this.disk.checkSpace(this.path, size - this.file.size);
    this.file.resize(size);
  }

  tryLock(): Promise<boolean> {
    if (this.holdsLock) return Promise.resolve(true);
    if (this.file.locked) return Promise.resolve(false);
    this.file.locked = true;
    this.holdsLock = true;
    return Promise.resolve(true);
  }

  close(): Promise<void> {
    this.open = false;
    if (this.holdsLock && this.disk.alive(this.generation)) this.file.locked = false;
    this.holdsLock = false;
    return Promise.resolve();
  }
}
