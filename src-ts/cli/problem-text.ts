import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { textOf } from '../server/errors.ts';

/** What is wrong with a file in the system's words, as other commands say it; else the error's own text. */
export function problemText(error: unknown): string {
  const { code, path } = error as { readonly code?: unknown; readonly path?: unknown };
  if (typeof code !== 'string' || typeof path !== 'string') return textOf(error);
  const errno = (constants.errno as Readonly<Record<string, number>>)[code];
  const words = errno === undefined ? undefined : getSystemErrorMap().get(-errno)?.[1];
  return words === undefined ? textOf(error) : `${path}: ${words}`;
}
