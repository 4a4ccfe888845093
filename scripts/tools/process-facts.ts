/** What /proc tells of a process and of its children. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** The kernel counts processor time in hundredths of a second (USER_HZ, the same on all of Linux). */
const TICKS_PER_SECOND = 100;

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}

/** Children that any thread of the process has started. */
export function childrenOf(pid: number): number[] {
  let threads: string[] = [];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  return threads.flatMap((thread) => {
    const text = readOr(`/proc/${pid}/task/${thread}/children`, '').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  });
}

function withChildren(pid: number): number[] {
  return [pid, ...childrenOf(pid)];
}

/** Seconds of processor time of the process and its children, user and system. */
export function processorSeconds(pid: number): number {
  let ticks = 0;
  for (const each of withChildren(pid)) {
    // The fields after the name, which stands in parentheses and may hold anything.
    const fields = readOr(`/proc/${each}/stat`, ')').split(')').at(-1)!.trim().split(' ');
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks / TICKS_PER_SECOND;
}

function memoryMib(pid: number, field: string): number {
  let kib = 0;
  for (const each of withChildren(pid)) {
    const status = readOr(`/proc/${each}/status`, '');
    kib += Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
  }
  return kib / 1024;
}

/** Most memory that the process and its children ever held, or since it was reset, in MiB. */
export function peakMemoryMib(pid: number): number {
  return memoryMib(pid, 'VmHWM');
}

/** Memory that the process and its children hold now, in MiB. */
export function residentMemoryMib(pid: number): number {
  return memoryMib(pid, 'VmRSS');
}

/** The peak of the process and its children begins anew; false where the kernel does not let us. */
export function resetPeakMemory(pid: number): boolean {
  try {
    for (const each of withChildren(pid)) writeFileSync(`/proc/${each}/clear_refs`, '5');
    return true;
  } catch {
    return false;
  }
}
