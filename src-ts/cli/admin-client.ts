/** Requests to a server's admin endpoint. */
import { request as requestPlain, type IncomingMessage } from 'node:http';
import { request as requestSecure } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { isSecureUrl, peerUrlProblem } from '../facade/config/peer-url.ts';
import { readToken, TokenError } from '../admin/token.ts';
import { textOf } from '../server/errors.ts';
import { connectionOptions, tlsFailure, type TlsOptions } from './admin-tls.ts';

const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** Nobody answers at the address. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/** The server does not do it, or the parameters make no sense. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

export interface AdminOptions extends TlsOptions {
  readonly admin?: string;
  readonly tokenFile?: string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

export class AdminClient {
  private readonly url: string;
  private readonly options: AdminOptions;
  /** Null for an http URL. */
  private readonly tls: ConnectionOptions | null;
  private readonly timeoutMs: number;

  constructor(options: AdminOptions, timeoutMs = 30_000) {
    const { admin } = options;
    if (admin === undefined)
      throw new RefusedError(
        'which server? give --admin URL (its "admin_url"), or set POLYRAFT_ADMIN in the environment',
      );
    const problem = peerUrlProblem(admin);
    if (problem !== null) throw new RefusedError(`--admin "${admin}" ${problem}`);
    this.url = admin.replace(/\/$/, '');
    this.options = options;
    this.tls = isSecureUrl(this.url) ? this.tlsOptions() : null;
    this.timeoutMs = timeoutMs;
  }

  /** The JSON of an answer. */
  async get<T>(path: string): Promise<T> {
    const answer = await this.send('GET', path, {}, null);
    if (answer.status !== 200)
      throw new RefusedError(`${this.url}${path} answered with ${answer.status}: ${answer.text.trim()}`);
    return this.parse(answer.text) as T;
  }

  /** Asks for a change; the answer's fields. */
  async change(path: string, body: unknown): Promise<Readonly<Record<string, unknown>>> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json' };
    const { tokenFile } = this.options;
    if (tokenFile !== undefined) headers['Authorization'] = `Bearer ${await this.token(tokenFile)}`;
    const answer = await this.send('POST', path, headers, JSON.stringify(body));
    const value = this.parse(answer.text) as {
      readonly error?: { readonly name: string; readonly text: string };
    };
    if (answer.status === 200) return value as Readonly<Record<string, unknown>>;
    const hint =
      answer.status === 401 ? '; give --token-file FILE, or set POLYRAFT_TOKEN_FILE in the environment' : '';
    throw new RefusedError(
      value.error === undefined
        ? `the server answered with ${answer.status}`
        : `${value.error.text} (${value.error.name})${hint}`,
    );
  }

  private tlsOptions(): ConnectionOptions {
    try {
      return connectionOptions(this.url, this.options);
    } catch (error) {
      throw new RefusedError(textOf(error));
    }
  }

  private async token(path: string): Promise<string> {
    try {
      return await readToken(path);
    } catch (error) {
      if (error instanceof TokenError)
        throw new RefusedError(error.message.replace('admin_token_file', '--token-file'));
      throw error;
    }
  }

  private parse(text: string): unknown {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw new RefusedError(
        `${this.url} does not answer as a polyraft admin endpoint does; is it another port?`,
      );
    }
  }

  private send(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string | null,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const failed = (reason: string): void => {
        reject(
          new UnreachableError(
            `${this.url} cannot be reached: ${reason}; is the server running, and is this its "admin_url"?`,
          ),
        );
      };
      const options = { method, headers, agent: false } as const;
      const url = `${this.url}${path}`;
      const answered = (response: IncomingMessage): void => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          text += piece;
          if (text.length > ANSWER_BYTES_MAX) response.destroy(new Error('the answer is too long'));
        });
        response.on('error', (error) => {
          failed(error.message);
        });
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, text });
        });
      };
      const sent =
        this.tls === null
          ? requestPlain(url, options, answered)
          : requestSecure(url, { ...options, ...this.tls }, answered);
      sent.setTimeout(this.timeoutMs, () => {
        sent.destroy(new Error(`no answer within ${this.timeoutMs / 1000} s`));
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const problem = tlsFailure(error, this.tls !== null, this.options);
        if (problem === null) failed(error.message === '' ? (error.code ?? 'unknown') : error.message);
        else reject(new UnreachableError(`${this.url}: ${problem}`));
      });
      sent.end(body ?? undefined);
    });
  }
}
