/** Starts a server: storage, boot, transport. Rejects with ServerError; nothing stays open or locked then. */
import { ErrorCode } from '../core/codes.generated.ts';
import { loggerOf } from '../core/loggers.ts';
import { openStorage, type OpenedStorage } from '../storage/open-storage.ts';
import {
  ServerError,
  type RaftServer,
  type ServerConfig,
  type ServerEnvironment,
  type StateMachinePort,
} from './api.ts';
import { boot, type BootState } from './boot.ts';
import { Counters } from './counters.ts';
import { toServerError } from './errors.ts';
import { INLINE_WAL_BYTES } from './limits.ts';
import { Server } from './raft-server.ts';

export interface StartOptions {
  /** The index up to which the host has applied and kept its state; 0 when it keeps none. */
  readonly appliedIndex: number;
}

/**
 * Resolves after replay and bind, with a server that takes part. It may call the port before: a snapshot is handed over
 * and entries are applied as soon as they are there, while nothing waits for the host.
 */
export async function startServer(
  config: ServerConfig,
  environment: ServerEnvironment,
  port: StateMachinePort,
  options: StartOptions,
): Promise<RaftServer> {
  const counters = new Counters();
  try {
    const storage = await openStorage({
      disk: environment.disk,
      binding: environment.binding,
      logger: loggerOf(environment.logger, 'storage'),
      walDirectory: config.walDirectory,
      snapDirectory: config.snapDirectory,
      nodeId: config.id,
      clusterId: config.clusterId,
      inlineBytesMax: INLINE_WAL_BYTES,
      syncObserver: {
        now: () => environment.clock.now(),
        synced: (durationMs) => {
          counters.walSyncs.observe(durationMs);
        },
      },
    });
    return await startWith(config, environment, port, storage, options, counters);
  } catch (error) {
    throw toServerError(error, 'starting the server');
  }
}

async function startWith(
  config: ServerConfig,
  environment: ServerEnvironment,
  port: StateMachinePort,
  storage: OpenedStorage,
  options: StartOptions,
  counters: Counters,
): Promise<RaftServer> {
  let server: Server;
  let state: BootState;
  try {
    state = await boot(config, storage, options.appliedIndex);
    server = new Server(config, environment, port, storage, state, counters);
  } catch (error) {
    await storage.close().catch(() => undefined);
    throw error;
  }
  try {
    await bounded(environment, config.bootstrapTimeoutMs, server.start(state));
    const companion = environment.createCompanion?.(config, server) ?? null;
    if (companion !== null) await server.accompany(companion);
    return server;
  } catch (error) {
    await server.stop(false).catch(() => undefined);
    throw error;
  }
}

/** Binding must not hang (a resolver that does not answer, for instance). */
async function bounded(
  environment: ServerEnvironment,
  timeoutMs: number,
  work: Promise<void>,
): Promise<void> {
  let late!: (error: Error) => void;
  const timeout = new Promise<never>((_resolve, reject) => {
    late = reject;
  });
  const timer = environment.clock.setTimer(timeoutMs, () => {
    late(new ServerError(ErrorCode.ADDRESS, `the own address could not be bound within ${timeoutMs} ms`));
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    timer.cancel();
  }
}
