/** One request to a peer over a kept-alive connection, with bounds on time and on the answer's size. */
import type { IncomingHttpHeaders } from 'node:http';
import { BodyError, readBody } from './body-reader.ts';
import type { Connections } from './connections.ts';
import type { PeerAddressParts } from './peer-url.ts';
import type { TransportClock, TransportTimer } from './types.ts';

export interface Exchange {
  readonly connections: Connections;
  readonly address: PeerAddressParts;
  readonly path: string;
  /** Default POST. */
  readonly method?: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  /** The body, or a function that writes exactly `contentBytes` of it. */
  readonly body: Uint8Array | BodyWriter;
  readonly contentBytes: number;
  readonly clock: TransportClock;
  readonly dialMs: number;
  /** Silence allowed to the peer while the body goes out, and again before the answer comes. */
  readonly responseMs: number;
  readonly answerBytesMax: number;
  /** Ends the exchange early. */
  readonly signal: AbortSignal;
}

export type BodyWriter = (write: (piece: Uint8Array) => Promise<void> | void) => Promise<void>;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export class ExchangeError extends Error {
  override readonly name = 'ExchangeError';
  readonly phase: 'connect' | 'read';

  constructor(phase: 'connect' | 'read', text: string) {
    super(text);
    this.phase = phase;
  }
}

/** Rejects with ExchangeError; with what the body's writer threw, if that is the reason. */
export async function exchange(request: Exchange): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await exchangeOnce(request);
    } catch (error) {
      // The peer may close a kept connection just when it is used again; a body in memory can go a second time.
      if (!(error instanceof StaleConnection)) throw error;
      if (attempt > 1 || typeof request.body === 'function') throw new ExchangeError('read', error.message);
    }
  }
}

class StaleConnection extends Error {}

function exchangeOnce(exchange: Exchange): Promise<Answer> {
  const { address, clock } = exchange;
  return new Promise<Answer>((resolve, reject) => {
    let timer: TransportTimer | null = null;
    let connected = false;
    let settled = false;
    const { connections } = exchange;
    const request = connections.request(address, {
      path: exchange.path,
      method: exchange.method ?? 'POST',
      headers: { ...exchange.headers, Host: address.authority, 'Content-Length': exchange.contentBytes },
    });
    const fail = (error: Error): void => {
      if (settled) return;
      settled = true;
      timer?.cancel();
      exchange.signal.removeEventListener('abort', abort);
      reject(error);
      request.destroy();
    };
    const abort = (): void => fail(new ExchangeError('read', 'stopped'));
    const arm = (delayMs: number, text: string): void => {
      timer?.cancel();
      timer = settled
        ? null
        : clock.setTimer(delayMs, () => fail(new ExchangeError(connected ? 'read' : 'connect', text)));
    };
    const awaitPeer = (): void => arm(exchange.responseMs, `no answer within ${exchange.responseMs} ms`);
    if (exchange.signal.aborted) {
      abort();
      return;
    }
    exchange.signal.addEventListener('abort', abort);
    request.on('socket', (socket) => {
      if (!socket.connecting) {
        connected = true;
        awaitPeer();
        return;
      }
      arm(exchange.dialMs, `no connection within ${exchange.dialMs} ms`);
      socket.once(connections.readyEvent(address), () => {
        connected = true;
        awaitPeer();
      });
    });
    request.on('error', (error) => {
      const code = (error as NodeJS.ErrnoException).code;
      const stale = request.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE');
      fail(
        stale
          ? new StaleConnection(error.message)
          : new ExchangeError(connected ? 'read' : 'connect', connections.describe(address, error)),
      );
    });
    request.on('response', (response) => {
      timer?.cancel();
      readBody(response, clock, exchange.responseMs, exchange.answerBytesMax).then(
        (body) => {
          if (settled) return;
          settled = true;
          exchange.signal.removeEventListener('abort', abort);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
          // An answer before the whole body went out: the connection is of no use any more.
          if (!request.writableFinished) request.destroy();
        },
        (error: unknown) => {
          fail(error instanceof BodyError ? new ExchangeError('read', error.message) : (error as Error));
        },
      );
    });
    if (typeof exchange.body !== 'function') {
      request.end(exchange.body);
      return;
    }
    exchange
      .body((piece) => {
        if (settled || request.destroyed) throw new ExchangeError('read', 'the peer closed the connection');
        if (connected) awaitPeer();
        if (request.write(piece)) return;
        return new Promise((drained, failed) => {
          const done = (): void => {
            request.off('drain', done);
            request.off('close', closed);
            if (connected) awaitPeer();
            drained();
          };
          const closed = (): void => {
            request.off('drain', done);
            failed(new ExchangeError('read', 'the peer closed the connection'));
          };
          request.on('drain', done);
          request.on('close', closed);
        });
      })
      .then(
        () => {
          if (connected) awaitPeer();
          request.end();
        },
        (error: unknown) => {
          // An answer that explains the failure may be on its way: it wins when it has begun to arrive.
          if (!(error instanceof ExchangeError)) fail(error as Error);
          else setTimeout(() => fail(error), 200).unref();
        },
      );
  });
}
