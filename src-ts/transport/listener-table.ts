/**
 * One HTTP server an address in the process. Several clusters share it: requests are told apart by X-Etcd-Cluster-ID,
 * in hexadecimal below /raft and in decimal for /message.
 */
import { lookup } from 'node:dns/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIP, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { TLS_HANDSHAKE } from '../tls/failures.ts';
import type { TlsIdentity } from '../tls/identity.ts';
import { createTlsServer } from '../tls/server.ts';
import { TransportError } from './errors.ts';
import { CLUSTER_ID_MISMATCH, parseHexId, refuse } from './headers.ts';
import { noTls, parsePeerUrl } from './peer-url.ts';

/** Connections of one address; what comes beyond is closed at once. */
const CONNECTIONS_MAX = 2_048;
const HEADER_BYTES_MAX = 64 * 1024;
const HEADERS_MS = 10_000;
const CHECK_INTERVAL_MS = 1_000;
const KEEP_ALIVE_MS = 15_000;
const SERVER_OPTIONS = {
  noDelay: true,
  keepAlive: true,
  maxHeaderSize: HEADER_BYTES_MAX,
  headersTimeout: HEADERS_MS,
  // Snapshots may take long: bodies have their own bound on silence.
  requestTimeout: 0,
  connectionsCheckingInterval: CHECK_INTERVAL_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
};

/** One server of one cluster, as the listener sees it. */
export interface ClusterEndpoint {
  readonly clusterId: bigint;
  /** Needed where the URL is https. */
  readonly tls: TlsIdentity | null;
  /** A request below /raft whose cluster id fits. */
  handleRaft(request: IncomingMessage, response: ServerResponse, path: string): void;
  /** `/message`. */
  handleHostMessage(request: IncomingMessage, response: ServerResponse): void;
  /** A request that belongs to nobody; for a log line. */
  strangeRequest(text: string): void;
}

export interface ListenerLease {
  /** Frees the cluster's place; closes the listener when it was the last one. */
  release(): Promise<void>;
}

class Listener {
  readonly endpoints = new Map<bigint, ClusterEndpoint>();
  /** Clusters that hold a place, among them those that still wait for the bind. */
  users = 0;
  readonly tls: TlsIdentity | null;
  private readonly server: Server;
  private readonly closeAllConnections: () => void;
  readonly ready: Promise<void>;

  constructor(url: string, host: string, port: number, tls: TlsIdentity | null) {
    this.tls = tls;
    const route = (request: IncomingMessage, response: ServerResponse): void => {
      this.route(request, response);
    };
    if (tls === null) {
      const server = createServer(SERVER_OPTIONS, route);
      this.server = server;
      this.closeAllConnections = () => {
        server.closeAllConnections();
      };
    } else {
      const { server, closeAllConnections } = createTlsServer(tls, SERVER_OPTIONS, route, (socket, text) => {
        this.strange(`a connection from ${addressOf(socket)} was refused: ${text}`);
      });
      this.server = server;
      this.closeAllConnections = closeAllConnections;
    }
    this.server.maxConnections = CONNECTIONS_MAX;
    this.server.maxHeadersCount = 100;
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const { rawPacket } = error as { readonly rawPacket?: Uint8Array };
      this.strange(
        this.tls === null && rawPacket?.[0] === TLS_HANDSHAKE
          ? `a connection from ${addressOf(socket as Socket)} was refused: it speaks TLS, and this address takes plain HTTP`
          : `a connection from ${addressOf(socket as Socket)} does not speak HTTP: ${error.code ?? error.message}`,
      );
      if (socket.writable && error.code !== 'ECONNRESET') {
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        setTimeout(() => socket.destroy(), 1_000).unref();
      } else {
        socket.destroy();
      }
    });
    this.ready = new Promise((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(url, error)));
      this.server.listen({ host, port, exclusive: true }, () => {
        this.server.removeAllListeners('error');
        this.server.on('error', (error) => this.strange(`listener ${url}: ${error.message}`));
        resolve();
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.server.listening) {
        resolve();
        return;
      }
      this.server.close(() => resolve());
      this.closeAllConnections();
    });
  }

  private strange(text: string): void {
    for (const endpoint of this.endpoints.values()) {
      endpoint.strangeRequest(text.slice(0, 500));
      return;
    }
  }

  private route(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const refused = this.tls === null ? null : this.refusalOf(request, this.tls);
    if (refused !== null) {
      this.strange(`a request from ${addressOf(request.socket)} was refused: ${refused}`);
      refuse(request, response, 403, refused);
      return;
    }
    const url = request.url ?? '';
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    if (path === '/raft/probing') {
      this.probing(request, response);
      return;
    }
    const isMessage = path === '/message';
    if (!isMessage && path !== '/raft' && !path.startsWith('/raft/')) {
      this.strange(`${addressOf(request.socket)} asked for ${JSON.stringify(path.slice(0, 100))}`);
      refuse(request, response, 404, '404 page not found');
      return;
    }
    const text = request.headers['x-etcd-cluster-id'];
    const id = typeof text !== 'string' ? null : isMessage ? parseDecimalId(text) : parseHexId(text);
    const endpoint = id === null ? undefined : this.endpoints.get(id);
    if (endpoint === undefined) {
      this.strange(
        `${addressOf(request.socket)} asked for ${path.slice(0, 100)} of cluster ${JSON.stringify(String(text).slice(0, 40))}, which is not served here`,
      );
      if (this.endpoints.size === 1) {
        for (const own of this.endpoints.keys()) response.setHeader('X-Etcd-Cluster-ID', own.toString(16));
      }
      refuse(request, response, 412, CLUSTER_ID_MISMATCH);
      return;
    }
    if (isMessage) endpoint.handleHostMessage(request, response);
    else endpoint.handleRaft(request, response, path);
  }

  private refusalOf(request: IncomingMessage, tls: TlsIdentity): string | null {
    if (!tls.files.clientCertAuth || tls.files.allowedNames.length === 0) return null;
    return tls.nameProblem((request.socket as TLSSocket).getPeerCertificate());
  }

  /** Health in the JSON that etcd's prober reads. */
  private probing(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET');
      refuse(request, response, 405, 'Method Not Allowed');
      return;
    }
    const body = Buffer.from(`${JSON.stringify({ OK: true, Now: new Date().toISOString() })}\n`);
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

function parseDecimalId(text: string): bigint | null {
  return /^\d{1,20}$/.test(text) ? BigInt(text) : null;
}

export function addressOf(socket: Socket): string {
  return `${socket.remoteAddress ?? 'a closed connection'}:${socket.remotePort ?? 0}`;
}

export function bindError(url: string, error: NodeJS.ErrnoException): TransportError {
  switch (error.code) {
    case 'EADDRINUSE':
      return new TransportError(
        'address-in-use',
        `cannot listen on ${url}: another process uses the address; stop it or change the url`,
      );
    case 'EADDRNOTAVAIL':
      return new TransportError(
        'cannot-listen',
        `cannot listen on ${url}: this machine does not have that address`,
      );
    case 'EACCES':
      return new TransportError(
        'cannot-listen',
        `cannot listen on ${url}: not permitted; use a port above 1023`,
      );
    default:
      return new TransportError('cannot-listen', `cannot listen on ${url}: ${error.message}`);
  }
}

export class ListenerTable {
  private readonly listeners = new Map<string, Listener>();
  private readonly closing = new Map<string, Promise<void>>();

  /**
   * Serves the endpoint's cluster on the address of `url`. Rejects with TransportError: address in use, no such
   * address, or a server of the same cluster is there already.
   */
  async acquire(url: string, endpoint: ClusterEndpoint): Promise<ListenerLease> {
    const { host, port, secure } = parsePeerUrl(url);
    const tls = secure ? endpoint.tls : null;
    if (secure && tls === null) throw noTls(url);
    const address = await resolveHost(url, host);
    const key = `${address}|${port}`;
    for (let before = this.closing.get(key); before !== undefined; before = this.closing.get(key))
      await before;
    let listener = this.listeners.get(key);
    if (listener === undefined) {
      listener = new Listener(url, address, port, tls);
      this.listeners.set(key, listener);
    } else if (JSON.stringify(listener.tls?.files) !== JSON.stringify(tls?.files)) {
      throw new TransportError(
        'tls-differs',
        `cannot listen on ${url}: a server of another cluster listens there with another peer_tls, or without TLS; use the same, or another port`,
      );
    }
    if (listener.endpoints.has(endpoint.clusterId)) {
      throw new TransportError(
        'cluster-already-served',
        `a server of cluster ${endpoint.clusterId} listens on ${url} in this process already; use another port or cluster_id`,
      );
    }
    listener.endpoints.set(endpoint.clusterId, endpoint);
    listener.users++;
    try {
      await listener.ready;
    } catch (error) {
      this.leave(key, listener, endpoint);
      throw error;
    }
    let released: Promise<void> | null = null;
    return { release: () => (released ??= this.leave(key, listener, endpoint)) };
  }

  private leave(key: string, listener: Listener, endpoint: ClusterEndpoint): Promise<void> {
    if (listener.endpoints.get(endpoint.clusterId) === endpoint)
      listener.endpoints.delete(endpoint.clusterId);
    listener.users--;
    if (listener.users > 0) return Promise.resolve();
    if (this.listeners.get(key) === listener) this.listeners.delete(key);
    const closed = listener.close().then(() => {
      if (this.closing.get(key) === closed) this.closing.delete(key);
    });
    this.closing.set(key, closed);
    return closed;
  }
}

export async function resolveHost(url: string, host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new TransportError('cannot-listen', `cannot listen on ${url}: ${(error as Error).message}`);
  }
}
