import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/** Below the range that Linux takes the ports of outgoing connections from, which may take any of those at any time. */
const FIRST_PORT = 10_240;
const LAST_PORT = 32_000;
const ATTEMPTS_MAX = 1000;

/** Handed out by this process: not again, since whoever got them may not listen yet. */
const given = new Set<number>();

/** Null when the port is in use. */
function listen(port: number): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(null);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => {
      resolve(server);
    });
  });
}

async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    if (given.has(port)) continue;
    given.add(port);
    const server = await listen(port);
    if (server === null) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error(`no free port of 127.0.0.1 from ${FIRST_PORT} to ${LAST_PORT} in ${ATTEMPTS_MAX} attempts`);
}

/** Ports of 127.0.0.1 that nobody uses now; no two are the same, nor the same as any that this process was given before. */
export async function freePorts(count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, freePort));
}
