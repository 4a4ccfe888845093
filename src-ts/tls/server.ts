/** An HTTP server that takes TLS, and goes on with new certificates when their files change. */
import type { RequestListener } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { handshakeFailure } from './failures.ts';
import type { TlsIdentity } from './identity.ts';

export interface TlsServer {
  readonly server: Server;
  /** Ends all connections, also those that are still in their handshake. */
  closeAllConnections(): void;
}

/** `options` go over those of the identity. `refused` is told why whoever connected did not get through; its text is for a log. */
export function createTlsServer(
  identity: TlsIdentity,
  options: ServerOptions,
  listener: RequestListener,
  refused: (socket: Socket, text: string) => void,
): TlsServer {
  const server = createServer({ ...identity.serverOptions, ...options }, listener);
  const sockets = new Set<Socket>();
  let { generation } = identity;
  server.prependListener('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    identity.refresh();
    if (identity.generation === generation) return;
    generation = identity.generation;
    server.setSecureContext(identity.contextOptions);
  });
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    refused(socket, handshakeFailure(error, socket, identity.words));
    socket.destroy();
  });
  return {
    server,
    closeAllConnections: () => {
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
}
