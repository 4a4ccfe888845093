/** A TCP link from one node to another that can be cut, or fall silent, and be mended. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export type LinkState =
  | 'up'
  /** Connections break, new ones are refused. */
  | 'cut'
  /** Connections stay, and nothing arrives. */
  | 'silent';

export class Link {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private state: LinkState = 'up';

  private constructor(server: Server, toPort: number) {
    this.server = server;
    server.on('connection', (from) => {
      if (this.state === 'cut') {
        from.destroy();
        return;
      }
      const to = connect(toPort, '127.0.0.1');
      this.join(from, to);
      this.join(to, from);
    });
  }

  static async open(toPort: number): Promise<Link> {
    const server = createServer();
    const link = new Link(server, toPort);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return link;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  private join(from: Socket, to: Socket): void {
    this.sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (piece) => {
      // What is swallowed would leave a hole in the stream: such a connection does not survive the mending.
      if (this.state === 'up') to.write(piece);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
  }

  set(state: LinkState): void {
    if (state === this.state) return;
    this.state = state;
    if (state !== 'silent') this.breakConnections();
  }

  private breakConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.server.close();
    this.breakConnections();
  }
}
