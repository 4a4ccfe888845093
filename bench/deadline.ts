/** The result of `work`, or a failure after that time; `onLate` then ends whatever `work` waits for. */
export async function withDeadline<T>(
  work: Promise<T>,
  timeoutMs: number,
  what: string,
  onLate: () => void,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${what}: not done within ${Math.round(timeoutMs / 1000)} s`));
      onLate();
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // What is left of it fails, and nobody waits for that any more.
    work.catch(() => undefined);
  }
}
