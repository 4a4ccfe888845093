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

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Children that any thread of the process has started. */
export function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap((thread) => {
    const text = readOr(`/proc/${pid}/task/${thread}/children`, '').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  });
}

/** The process and its children. */
export function withChildren(pid: number): number[] {
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

export interface Work {
  /** How often a thread slept of its own accord, and was woken. */
  readonly wakeUps: number;
  /** System calls that read or write files and sockets. */
  readonly readCalls: number;
  readonly writeCalls: number;
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

/** Of the process and its children, with all their threads that run now. */
export function workOf(pid: number): Work {
  let wakeUps = 0;
  let readCalls = 0;
  let writeCalls = 0;
  for (const each of withChildren(pid)) {
    const io = readOr(`/proc/${each}/io`, '');
    readCalls += field(io, 'syscr');
    writeCalls += field(io, 'syscw');
    for (const thread of threadsOf(each))
      wakeUps += field(readOr(`/proc/${each}/task/${thread}/status`, ''), 'voluntary_ctxt_switches');
  }
  return { wakeUps, readCalls, writeCalls };
}

function memoryMib(pid: number, name: string): number {
  let kib = 0;
  for (const each of withChildren(pid)) {
    kib += field(readOr(`/proc/${each}/status`, ''), name);
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
