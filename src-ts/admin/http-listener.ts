/** The one place where the admin endpoint's HTTP server is made, with its bounds on connections, headers and time. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ErrorCode } from '../core/codes.generated.ts';
import { ServerError, type AdminConfig } from '../server/api.ts';
import { textOf } from '../server/errors.ts';
import { TLS_HANDSHAKE } from '../tls/failures.ts';
import type { TlsIdentity } from '../tls/identity.ts';
import { createTlsServer } from '../tls/server.ts';
import { bindError, resolveHost } from '../transport/listener-table.ts';
import { parsePeerUrl } from '../transport/peer-url.ts';

/** What comes beyond is closed at once. */
const CONNECTIONS_MAX = 128;
const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 64;
const HEADERS_MS = 5_000;
/** Headers and body of a request. */
const REQUEST_MS = 10_000;
const CHECK_INTERVAL_MS = 1_000;
const KEEP_ALIVE_MS = 15_000;
/** A connection on which nothing moves; above the longest answer, a membership change. */
const SILENCE_MS = 60_000;

const SERVER_OPTIONS = {
  noDelay: true,
  maxHeaderSize: HEADER_BYTES_MAX,
  headersTimeout: HEADERS_MS,
  requestTimeout: REQUEST_MS,
  connectionsCheckingInterval: CHECK_INTERVAL_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
};

const STATUS_OF_CLIENT_ERRORS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

export class HttpListener {
  private readonly config: AdminConfig;
  private readonly server: Server;
  private readonly closeAllConnections: () => void;

  /** `strange` is told of what is no HTTP and of who does not get through TLS, for a log line. */
  constructor(
    config: AdminConfig,
    identity: TlsIdentity | null,
    listener: RequestListener,
    strange: (text: string) => void,
  ) {
    this.config = config;
    if (identity === null) {
      const server = createServer(SERVER_OPTIONS, listener);
      this.server = server;
      this.closeAllConnections = () => {
        server.closeAllConnections();
      };
    } else {
      // Also where nobody has to show a certificate: it is enough for changes.
      const requestCert = identity.files.caFile !== null;
      const options = { ...SERVER_OPTIONS, requestCert };
      const judged: RequestListener = (request, response) => {
        if (!made.isOutdated(request.socket)) {
          listener(request, response);
          return;
        }
        strange(
          `${addressOf(request.socket)} connected before the certificates changed: it must connect again`,
        );
        // Without an answer: clients then send what they have asked for on a new connection.
        request.socket.destroy();
      };
      const made = createTlsServer(identity, options, judged, (socket, text) => {
        strange(`a connection from ${addressOf(socket)} was refused: ${text}`);
      });
      this.server = made.server;
      this.closeAllConnections = made.closeAllConnections;
    }
    this.server.maxConnections = CONNECTIONS_MAX;
    this.server.maxHeadersCount = HEADERS_MAX;
    this.server.timeout = SILENCE_MS;
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const { rawPacket } = error as { readonly rawPacket?: Uint8Array };
      strange(
        identity === null && rawPacket?.[0] === TLS_HANDSHAKE
          ? `a connection from ${addressOf(socket as Socket)} was refused: it speaks TLS, and this address takes plain HTTP`
          : `${addressOf(socket as Socket)} does not speak HTTP: ${error.code ?? error.message}`,
      );
      answerClientError(error, socket as Socket);
    });
  }

  /** Rejects with ServerError ADDRESS or URL. */
  async start(): Promise<void> {
    const { url, remote } = this.config;
    try {
      const { host, port } = parsePeerUrl(url);
      const address = await resolveHost(url, host);
      if (!remote && !isLoopbackAddress(address)) {
        throw new ServerError(
          ErrorCode.CONFIG,
          `admin_url "${url}" resolves to ${address}, which other machines can reach; use 127.0.0.1, or set ` +
            'admin_remote to true',
        );
      }
      await this.listen(address, port);
    } catch (error) {
      if (error instanceof ServerError) throw error;
      throw new ServerError(ErrorCode.ADDRESS, `admin_url: ${textOf(error)}`);
    }
  }

  private listen(host: string, port: number): Promise<void> {
    const { server, config } = this;
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => {
        reject(bindError(config.url, error));
      };
      server.once('error', failed);
      server.listen({ host, port, exclusive: true }, () => {
        server.off('error', failed);
        // Without file descriptors for a moment, for instance: the listener goes on.
        server.on('error', () => undefined);
        resolve();
      });
    });
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.server.listening) {
        resolve();
        return;
      }
      this.server.close(() => {
        resolve();
      });
      this.closeAllConnections();
    });
  }
}

function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = STATUS_OF_CLIENT_ERRORS[error.code ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  setTimeout(() => socket.destroy(), CHECK_INTERVAL_MS).unref();
}

function isLoopbackAddress(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}

export function addressOf(socket: Socket): string {
  return `${socket.remoteAddress ?? 'a closed connection'}:${socket.remotePort ?? 0}`;
}
