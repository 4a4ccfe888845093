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
  /** Whether the certificates have changed since the connection was made: who is at its other end was judged by others. */
  isOutdated(socket: Socket): boolean;
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
  /** The certificates of each connection. By address: a request has the TLS socket, which is another object. */
  const generations = new Map<string, number>();
  let { generation } = identity;
  const renew = (): void => {
    identity.refresh();
    if (identity.generation === generation) return;
    generation = identity.generation;
    server.setSecureContext(identity.contextOptions);
  };
  server.prependListener('connection', (socket: Socket) => {
    renew();
    const address = otherEnd(socket);
    sockets.add(socket);
    generations.set(address, generation);
    socket.once('close', () => {
      sockets.delete(socket);
      generations.delete(address);
    });
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
    isOutdated: (socket) => {
      renew();
      return generations.get(otherEnd(socket)) !== generation;
    },
  };
}

function otherEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
