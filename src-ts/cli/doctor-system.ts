/** The clock, timers, and limits of this machine. */
import { readFile } from 'node:fs/promises';
import type { Finding } from './finding.ts';

/** No release of this program is older. */
const YEAR_LEAST = 2025;
const TIMERS = 40;
const TIMER_MS = 5;
const FILES_LEAST = 1_024;

/** The wall clock, and whether it runs as the monotonic one does. */
export async function checkClock(): Promise<readonly Finding[]> {
  const check = 'clock';
  const now = new Date();
  if (now.getFullYear() < YEAR_LEAST)
    return [
      {
        check,
        result: 'problem',
        text: `it says ${now.toISOString()}`,
        advice: 'set it, by NTP for instance',
      },
    ];
  const wall = Date.now();
  const steady = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const driftMs = Date.now() - wall - (performance.now() - steady);
  if (Math.abs(driftMs) > 50)
    return [
      {
        check,
        result: 'warning',
        text: `it was moved by ${driftMs.toFixed(0)} ms within 0.3 s`,
        advice: 'look what sets it; consensus uses the monotonic clock and does not mind',
      },
    ];
  return [{ check, result: 'ok', text: now.toISOString() }];
}

/** Elections are timed: a machine whose timers come late has them for nothing. */
export async function checkTimers(tickMs: number): Promise<Finding> {
  const check = 'processor';
  let worst = 0;
  for (let i = 0; i < TIMERS; i++) {
    const begun = performance.now();
    await new Promise((resolve) => setTimeout(resolve, TIMER_MS));
    worst = Math.max(worst, performance.now() - begun - TIMER_MS);
  }
  const text = `timers are up to ${worst.toFixed(1)} ms late`;
  if (worst > tickMs)
    return {
      check,
      result: 'warning',
      text,
      advice: `more than a tick (${tickMs} ms): the machine is too busy for these times; raise tickms`,
    };
  return { check, result: 'ok', text };
}

/** Of this shell; a server started elsewhere may have other limits. */
export async function checkFiles(): Promise<Finding> {
  const check = 'limits';
  const line = /^Max open files\s+(\S+)/m.exec(await readFile('/proc/self/limits', 'utf8'));
  const files = line?.[1] === 'unlimited' ? Infinity : Number(line?.[1] ?? Number.NaN);
  if (files < FILES_LEAST)
    return {
      check,
      result: 'warning',
      text: `${files} open files are allowed here`,
      advice: `each peer takes some and each client of the host too: ulimit -n ${FILES_LEAST * 4}`,
    };
  return { check, result: 'ok', text: `${line?.[1] ?? 'unknown'} open files are allowed here` };
}
