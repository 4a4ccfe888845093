import type { Logger } from './api.ts';

/** For who wants no log. */
export const SILENT: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
};
