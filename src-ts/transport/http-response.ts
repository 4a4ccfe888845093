/**
 * Reads one HTTP/1.1 response whose body does not end: head, then a chunked body (or one that lasts until the
 * connection closes). Streams are read with it straight from the socket's own buffer; node:http would copy each read.
 */

export interface ResponseHead {
  readonly status: number;
  /** Names in lower case; of a repeated header the last one. */
  readonly headers: Readonly<Record<string, string>>;
}

export class HttpFormatError extends Error {
  override readonly name = 'HttpFormatError';
}

const HEAD_BYTES_MAX = 16 * 1024;
const SIZE_DIGITS_MAX = 12;
const EXTENSION_BYTES_MAX = 256;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const SEMICOLON = 0x3b;

/** Trailers behind the last chunk are not read. */
export interface ResponseConsumer {
  head(head: ResponseHead): void;
  /** Bytes of the body; they are the reader's again afterwards. */
  body(bytes: Uint8Array, start: number, end: number): void;
  /** The body's end as the sender declared it. */
  end(): void;
}

const State = { Head: 0, Size: 1, Data: 2, DataEnd: 3, Plain: 4, Done: 5 } as const;
type State = (typeof State)[keyof typeof State];

export class ResponseReader {
  private readonly consumer: ResponseConsumer;
  private state: State = State.Head;
  private line: number[] = [];
  private left = 0;
  // The chunk size line being read.
  private size = 0;
  private digits = 0;
  private ignored = 0;

  constructor(consumer: ResponseConsumer) {
    this.consumer = consumer;
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      switch (this.state) {
        case State.Head:
          at = this.takeHead(bytes, at, end);
          break;
        case State.Size:
          at = this.takeSize(bytes, at, end);
          break;
        case State.Data: {
          const stop = Math.min(end, at + this.left);
          this.left -= stop - at;
          if (this.left === 0) this.state = State.DataEnd;
          this.consumer.body(bytes, at, stop);
          at = stop;
          break;
        }
        case State.DataEnd: {
          const byte = bytes[at++]!;
          if (byte === LF) this.state = State.Size;
          else if (byte !== CR) throw new HttpFormatError('a chunk is longer than it says');
          break;
        }
        case State.Plain: {
          const stop = Math.min(end, at + this.left);
          this.left -= stop - at;
          this.consumer.body(bytes, at, stop);
          at = stop;
          if (this.left === 0) this.finish();
          break;
        }
        default:
          return;
      }
    }
  }

  private finish(): void {
    this.state = State.Done;
    this.consumer.end();
  }

  private takeHead(bytes: Uint8Array, at: number, end: number): number {
    const line = this.line;
    while (at < end) {
      const byte = bytes[at++]!;
      line.push(byte);
      const length = line.length;
      if (byte === LF && length >= 4 && line[length - 2] === CR && line[length - 3] === LF) {
        const head = parseHead(String.fromCharCode(...line));
        this.line = [];
        this.beginBody(head);
        return at;
      }
      if (length > HEAD_BYTES_MAX)
        throw new HttpFormatError(`response head longer than ${HEAD_BYTES_MAX} bytes`);
    }
    return at;
  }

  private beginBody(head: ResponseHead): void {
    const { headers } = head;
    if (/\bchunked\b/i.test(headers['transfer-encoding'] ?? '')) {
      this.state = State.Size;
    } else {
      const length = headers['content-length'];
      this.left = length === undefined ? Number.POSITIVE_INFINITY : Number(length);
      if (!(this.left >= 0)) throw new HttpFormatError(`Content-Length "${length}" is not a number`);
      this.state = State.Plain;
    }
    this.consumer.head(head);
    if (this.state === State.Plain && this.left === 0) this.finish();
  }

  /** `size [;extension] CR LF`; extensions have no meaning here. */
  private takeSize(bytes: Uint8Array, at: number, end: number): number {
    while (at < end) {
      const byte = bytes[at++]!;
      if (byte === LF) {
        if (this.digits === 0) throw new HttpFormatError('chunk size is not a number');
        this.left = this.size;
        this.size = this.digits = this.ignored = 0;
        if (this.left === 0) this.finish();
        else this.state = State.Data;
        return at;
      }
      const digit = this.ignored > 0 ? -1 : hexDigit(byte);
      if (digit >= 0) {
        if (++this.digits > SIZE_DIGITS_MAX) throw new HttpFormatError('chunk size has too many digits');
        this.size = this.size * 16 + digit;
      } else if (this.ignored === 0 && byte !== CR && byte !== SEMICOLON && byte !== SPACE && byte !== TAB) {
        throw new HttpFormatError('chunk size is not a number');
      } else if (++this.ignored > EXTENSION_BYTES_MAX)
        throw new HttpFormatError('chunk extension is too long');
    }
    return at;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function parseHead(text: string): ResponseHead {
  const lines = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(lines[0]!);
  if (status === null) throw new HttpFormatError('the answer is not HTTP/1.1');
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!;
    if (line === '') continue;
    const colon = line.indexOf(':');
    if (colon <= 0) throw new HttpFormatError('a header line has no name');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(status[1]), headers };
}
