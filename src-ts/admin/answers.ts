/** Answers of the admin endpoint, and the headers that all of them have. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ErrorCode } from '../core/codes.generated.ts';

const COMMON_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
} as const;

const NAMES = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** What is the caller's fault, or the cluster's state, apart from a server that has failed. */
const STATUS_OF_CODES: Partial<Record<ErrorCode, number>> = {
  [ErrorCode.INVALID_ARGUMENT]: 400,
  [ErrorCode.URL]: 400,
  [ErrorCode.UNKNOWN_MEMBER]: 404,
  [ErrorCode.DUPLICATE_MEMBER]: 409,
  [ErrorCode.CHANGE_PENDING]: 409,
  [ErrorCode.REJECTED]: 409,
  [ErrorCode.BUSY]: 503,
  [ErrorCode.NO_LEADER]: 503,
  [ErrorCode.NOT_LEADER]: 503,
  [ErrorCode.STOPPED]: 503,
  [ErrorCode.REMOVED]: 503,
  [ErrorCode.TIMEOUT]: 504,
  [ErrorCode.UNKNOWN_OUTCOME]: 504,
};

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
}

export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed || response.headersSent) return;
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
  // What is left of a request that is refused is not read: it could be long.
  if (!request.complete && hasBody(request)) response.setHeader('Connection', 'close');
  response.writeHead(status, {
    ...COMMON_HEADERS,
    'Content-Type': type,
    'Content-Length': bytes.length,
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

export function answerText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  answer(request, response, status, 'text/plain; charset=utf-8', `${text}\n`, headers);
}

export function answerJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  value: unknown,
): void {
  answer(request, response, status, 'application/json', `${JSON.stringify(value)}\n`);
}

/** A change that failed: the code of the C interface, its name, and the text. */
export function answerError(
  request: IncomingMessage,
  response: ServerResponse,
  status: number | null,
  code: ErrorCode,
  text: string,
): void {
  const name = NAMES.get(code) ?? String(code);
  answerJson(request, response, status ?? STATUS_OF_CODES[code] ?? 500, { error: { code, name, text } });
}
