import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 50;

/** Fails when it is not done within the time. */
export async function waitUntil(
  what: string,
  timeoutMs: number,
  isDone: () => boolean | Promise<boolean>,
  pollMs = POLL_MS,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!(await isDone())) {
    if (performance.now() > until) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(pollMs);
  }
}
