/** From what storage and transport throw to the codes of the C interface. */
import { ErrorCode } from '../core/codes.generated.ts';
import { DiskError } from '../storage/disk.ts';
import { CorruptionError, IdentityError, LockedError, StorageError } from '../storage/types.ts';
import { TransportError } from '../transport/errors.ts';
import { ServerError } from './api.ts';

/** An Error's text, or the text of whatever else was thrown. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function toServerError(error: unknown, doing: string): ServerError {
  if (error instanceof ServerError) return error;
  return new ServerError(codeOf(error), `${doing}: ${textOf(error)}`);
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof CorruptionError) return ErrorCode.CORRUPT;
  if (error instanceof LockedError) return ErrorCode.IN_USE;
  if (error instanceof IdentityError) return ErrorCode.IDENTITY;
  if (error instanceof DiskError || error instanceof StorageError) return ErrorCode.IO;
  if (error instanceof TransportError)
    return error.code === 'invalid-url' ? ErrorCode.URL : ErrorCode.ADDRESS;
  return ErrorCode.INTERNAL;
}
