/** Promises that end by themselves, by time or by signal. */
import { errorOf, RaftError } from './errors.ts';
import { ErrorCode } from '../core/codes.generated.ts';
import type { WaitOptions } from './types.ts';

const TIMEOUT_MS = 10_000;
/** The longest that a timer of Node can be set to. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** `work`, unless time or signal end the waiting before. */
export async function within<T>(work: Promise<T>, options: WaitOptions): Promise<T> {
  // Whoever does not wait, or not any more, must not be told that nobody caught it.
  work.catch(() => undefined);
  const { timeoutMs = TIMEOUT_MS, signal } = options;
  if (Number.isNaN(timeoutMs) || timeoutMs < 0)
    throw new RaftError('INVALID_ARGUMENT', `timeoutMs is ${timeoutMs}, must be 0 or more`);
  signal?.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  let aborted: (() => void) | undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => {
        if (timeoutMs <= TIMER_MS_MAX)
          timer = setTimeout(() => {
            reject(errorOf(ErrorCode.TIMEOUT));
          }, timeoutMs);
        aborted = (): void => {
          reject(signal?.reason as Error);
        };
        signal?.addEventListener('abort', aborted, { once: true });
      }),
    ]);
  } finally {
    clearTimeout(timer);
    if (aborted !== undefined) signal?.removeEventListener('abort', aborted);
  }
}
