/** Listens in between two members: what etcd's rafthttp sends, as bytes, for tests that damage them. */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { ResponseReader } from '../../src-ts/transport/http-response.ts';

/** Bytes kept of one connection and direction. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024;

interface Conversation {
  readonly sent: Buffer[];
  readonly answered: Buffer[];
}

/** A TCP proxy on a port of its own that keeps both directions of every connection. */
export class WireTap {
  private readonly conversations: Conversation[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(port: number, toPort: number) {
    this.server = createServer((from) => {
      const to = connect(toPort, '127.0.0.1');
      const conversation: Conversation = { sent: [], answered: [] };
      this.conversations.push(conversation);
      this.join(from, to, conversation.sent);
      this.join(to, from, conversation.answered);
    });
    this.server.listen(port, '127.0.0.1');
  }

  private join(from: Socket, to: Socket, kept: Buffer[]): void {
    let bytes = 0;
    this.sockets.add(from);
    from.on('data', (piece) => {
      bytes += piece.length;
      if (bytes <= KEPT_BYTES_MAX) kept.push(piece);
      to.write(piece);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
  }

  /** Bodies of `POST /raft` that went through. */
  posts(): Buffer[] {
    return this.conversations.flatMap(({ sent }) => postsOf(Buffer.concat(sent)));
  }

  /** What the answers to `GET <path>` carried, without HTTP's framing; the longest one. */
  streamed(path: string): Buffer {
    let longest = Buffer.alloc(0);
    for (const { sent, answered } of this.conversations) {
      if (!Buffer.concat(sent).toString('latin1').startsWith(`GET ${path} `)) continue;
      const body = bodyOf(Buffer.concat(answered));
      if (body.length > longest.length) longest = Buffer.from(body);
    }
    return longest;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

function bodyOf(answer: Buffer): Buffer {
  const pieces: Buffer[] = [];
  const reader = new ResponseReader({
    head: () => undefined,
    body: (bytes, start, end) => void pieces.push(Buffer.from(bytes.subarray(start, end))),
    end: () => undefined,
  });
  reader.push(answer, 0, answer.length);
  return Buffer.concat(pieces);
}

function postsOf(bytes: Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  for (let at = 0; ;) {
    const headEnd = bytes.indexOf('\r\n\r\n', at);
    if (headEnd < 0) return bodies;
    const head = bytes.toString('latin1', at, headEnd);
    const size = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
    const body = bytes.subarray(headEnd + 4, headEnd + 4 + size);
    if (head.startsWith('POST /raft HTTP') && body.length === size && size > 0) bodies.push(body);
    at = headEnd + 4 + size;
  }
}
