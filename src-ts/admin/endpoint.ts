/**
 * The admin endpoint of one server: metrics, health, status and the page for everybody who reaches the address (with
 * client_cert_auth: who shows a certificate), changes for those who know the secret or show one. docs/ADMIN.md describes it for its users.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../core/api.ts';
import { ErrorCode } from '../core/codes.generated.ts';
import { ServerError, type AdminConfig, type Clock, type Companion, type RaftServer } from '../server/api.ts';
import { textOf } from '../server/errors.ts';
import { BodyBudget, BodyError, readBody } from '../transport/body-reader.ts';
import { TlsIdentity } from '../tls/identity.ts';
import { LogLimiter } from '../transport/log-limiter.ts';
import { ACTION_PATHS, actionOf, type UrlCheck } from './actions.ts';
import { answer, answerError, answerJson, answerText } from './answers.ts';
import { Cluster } from './cluster.ts';
import { unhealthy, unready } from './health.ts';
import { addressOf, HttpListener } from './http-listener.ts';
import { METRICS_CONTENT_TYPE, metricsText } from './metrics.ts';
import { SAMPLE_INTERVAL_MS, Sampler, SAMPLES_KEPT } from './sampler.ts';
import { Permission } from './permission.ts';
import { readToken } from './token.ts';

const BODY_BYTES_MAX = 16 * 1024;
const BODIES_BYTES_MAX = 256 * 1024;
/** Requests for changes that are being read or carried out. */
const CHANGES_MAX = 16;
const BODY_SILENCE_MS = 5_000;
/** Lines about strange requests: so many in so long. */
const NOISE_LINES = 5;
const NOISE_PERIOD_MS = 10_000;

/** The page, and the headers that bind it to itself. */
export interface Page {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

export interface EndpointParts {
  readonly config: AdminConfig;
  readonly server: RaftServer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly urlProblem: UrlCheck;
  readonly page: Page;
}

type Reader = (
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
) => void | Promise<void>;

export class AdminEndpoint implements Companion {
  private readonly parts: EndpointParts;
  private readonly listener: HttpListener;
  private readonly permission: Permission;
  private readonly noise: LogLimiter;
  private readonly sampler: Sampler;
  private readonly cluster: Cluster;
  private readonly budget = new BodyBudget(BODIES_BYTES_MAX, CHANGES_MAX);
  private readonly hosts: ReadonlySet<string>;
  private changes = 0;

  /** Throws TlsError when there are certificates and they cannot be used. */
  constructor(parts: EndpointParts) {
    this.parts = parts;
    const { config, server, clock, logger } = parts;
    this.noise = new LogLimiter(logger, () => clock.now(), NOISE_LINES, NOISE_PERIOD_MS);
    this.cluster = new Cluster(server, clock);
    this.sampler = new Sampler(
      clock,
      () => server.figures(),
      (figures, atMs) => {
        this.cluster.seen(figures, atMs);
      },
    );
    this.hosts = new Set(['localhost', '127.0.0.1', '[::1]', new URL(config.url).hostname]);
    const identity =
      config.tls === null ? null : new TlsIdentity('admin_tls', config.tls, logger, 'clientAuth');
    this.permission = new Permission(config, identity);
    this.listener = new HttpListener(
      config,
      identity,
      (request, response) => {
        this.handle(request, response);
      },
      (text) => {
        this.noise.warning(`admin: ${text}`);
      },
    );
  }

  async start(): Promise<void> {
    const { config, logger } = this.parts;
    if (config.tokenFile !== null) {
      try {
        await readToken(config.tokenFile);
      } catch (error) {
        throw new ServerError(ErrorCode.CONFIG, `configuration: ${textOf(error)}`);
      }
    }
    await this.listener.start();
    this.sampler.sample();
    this.sampler.start();
    logger.info(`admin: ${config.url} serves metrics, status and the page`);
  }

  async stop(): Promise<void> {
    this.sampler.stop();
    await this.listener.stop();
  }

  private readonly readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
    ['/', (request, response) => this.page(request, response)],
    ['/metrics', (request, response) => this.metrics(request, response)],
    ['/healthz', (request, response) => this.health(request, response, unhealthy)],
    ['/readyz', (request, response) => this.health(request, response, unready)],
    [
      '/status',
      (request, response) => {
        answer(request, response, 200, 'application/json', `${this.parts.server.statusJson()}\n`);
      },
    ],
    [
      '/cluster',
      async (request, response) => {
        answerJson(request, response, 200, await this.cluster.view(this.sampler));
      },
    ],
    ['/samples', (request, response, query) => this.samples(request, response, query)],
  ]);

  private handle(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    void this.route(request, response).catch((error: unknown) => {
      this.failed(request, response, error);
    });
  }

  private async route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    const queryAt = url.indexOf('?');
    const path = queryAt < 0 ? url : url.slice(0, queryAt);
    if (!this.hostIsOwn(request)) {
      this.refuse(request, response, 421, 'the Host header names another server');
      return;
    }
    const problem = this.permission.readProblem(request);
    if (problem !== null) {
      this.refuse(request, response, 403, problem);
      return;
    }
    const reader = this.readers.get(path);
    if (reader === undefined && !ACTION_PATHS.has(path)) {
      this.refuse(request, response, 404, `there is nothing at this path; see /`);
      return;
    }
    const isRead = method === 'GET' || method === 'HEAD';
    if (reader === undefined ? method !== 'POST' : !isRead) {
      response.setHeader('Allow', reader === undefined ? 'POST' : 'GET, HEAD');
      this.refuse(request, response, 405, 'this method is not for this path');
      return;
    }
    if (reader !== undefined)
      await reader(request, response, new URLSearchParams(queryAt < 0 ? '' : url.slice(queryAt + 1)));
    else await this.change(request, response, path);
  }

  /** A page of somewhere else could have its name point here, to read what only this machine may. */
  private hostIsOwn({ headers }: IncomingMessage): boolean {
    if (this.parts.config.remote) return true;
    const name = (headers.host ?? '').replace(/:\d*$/, '').toLowerCase();
    return this.hosts.has(name) || /^127(\.\d+){3}$/.test(name);
  }

  private refuse(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
    const what = `${String(request.method)} ${JSON.stringify(String(request.url).slice(0, 100))}`;
    this.noise.warning(`admin: ${what} of ${addressOf(request.socket)} answered with ${status}: ${text}`);
    answerText(request, response, status, text);
  }

  private failed(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (error instanceof ServerError) answerError(request, response, null, error.code, error.message);
    else if (error instanceof BodyError)
      answerError(request, response, error.status, ErrorCode.INVALID_ARGUMENT, error.message);
    else answerError(request, response, 500, ErrorCode.INTERNAL, textOf(error));
  }

  // What everybody may read

  private page(request: IncomingMessage, response: ServerResponse): void {
    const { html, contentSecurityPolicy } = this.parts.page;
    answer(request, response, 200, 'text/html; charset=utf-8', html, {
      'Content-Security-Policy': contentSecurityPolicy,
      'X-Frame-Options': 'DENY',
    });
  }

  private async metrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await metricsText(this.parts.server.figures());
    answer(request, response, 200, METRICS_CONTENT_TYPE, text);
  }

  private health(
    request: IncomingMessage,
    response: ServerResponse,
    problemOf: (figures: ReturnType<RaftServer['figures']>) => string | null,
  ): void {
    const problem = problemOf(this.parts.server.figures());
    answerText(request, response, problem === null ? 200 : 503, problem ?? 'ok');
  }

  private samples(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    const text = query.get('after') ?? '0';
    if (!/^\d{1,15}$/.test(text)) {
      this.refuse(request, response, 400, 'after must be the sequence of a sample');
      return;
    }
    answerJson(request, response, 200, {
      interval_ms: SAMPLE_INTERVAL_MS,
      kept: SAMPLES_KEPT,
      newest: this.sampler.newest?.sequence ?? 0,
      samples: this.sampler.after(Number(text)),
    });
  }

  // What needs the secret or a certificate

  private async change(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    if (!(await this.isAllowed(request, response))) return;
    if (this.changes >= CHANGES_MAX) {
      answerError(request, response, 503, ErrorCode.BUSY, `${CHANGES_MAX} changes are under way already`);
      return;
    }
    this.changes++;
    try {
      await this.carryOut(request, response, path);
    } finally {
      this.changes--;
    }
  }

  private async carryOut(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const { server, clock, logger, urlProblem } = this.parts;
    const body = await readBody(request, clock, BODY_SILENCE_MS, BODY_BYTES_MAX, this.budget);
    const action = actionOf(server, path, body.toString('utf8'), urlProblem);
    if (action === null) throw new ServerError(ErrorCode.INTERNAL, `${path} has no action`);
    const name = this.permission.nameOf(request);
    const from = `${addressOf(request.socket)}${name === null ? '' : ` with the certificate of ${name}`}`;
    logger.info(`admin: ${from} asks to ${action.text}`);
    try {
      const result = await action.run();
      logger.info(`admin: done for ${from}: ${action.text}`);
      answerJson(request, response, 200, result);
    } catch (error) {
      logger.warning(`admin: failed for ${from}: ${action.text}: ${textOf(error)}`);
      throw error;
    }
  }

  private async isAllowed(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const refusal = await this.permission.changeProblem(request);
    if (refusal === null) return true;
    const { status, text } = refusal;
    this.noise.warning(`admin: a change asked for by ${addressOf(request.socket)} was refused: ${text}`);
    if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="polyraft admin"');
    answerError(request, response, status, ErrorCode.REJECTED, text);
    return false;
  }
}
