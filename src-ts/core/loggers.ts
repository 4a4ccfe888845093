import type { Logger } from './api.ts';

/** For who wants no log. */
export const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
};

/** The logger of one part of a server: raft, server, storage, transport, admin. */
export function loggerOf(logger: Logger, source: string): Logger {
  return logger.named?.(source) ?? logger;
}
