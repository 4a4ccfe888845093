/** The secret that changes need. It is compared in constant time, and never stands in a log or an answer. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { textOf } from '../server/errors.ts';

export const TOKEN_CHARACTERS_MIN = 16;
const TOKEN_CHARACTERS_MAX = 1024;

/** A file that cannot be used as a secret; the text names it and says what to do. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

/** Reads the secret: one line of printable ASCII. Throws TokenError. */
export async function readToken(path: string): Promise<string> {
  const bytes = Buffer.alloc(TOKEN_CHARACTERS_MAX + 3);
  let size: number;
  try {
    const file = await open(path, 'r');
    try {
      size = (await file.read(bytes, 0, bytes.length, 0)).bytesRead;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new TokenError(`admin_token_file ${path} cannot be read: ${textOf(error)}`);
  }
  const token = bytes.toString('latin1', 0, size).trim();
  if (token.length < TOKEN_CHARACTERS_MIN || token.length > TOKEN_CHARACTERS_MAX) {
    throw new TokenError(
      `admin_token_file ${path} must have ${TOKEN_CHARACTERS_MIN} to ${TOKEN_CHARACTERS_MAX} characters; ` +
        `make one: head -c 32 /dev/urandom | base64 > ${path}`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new TokenError(
      `admin_token_file ${path} must be one line without blanks or characters beyond ASCII`,
    );
  return token;
}

/** Digests have one length, so that the time tells nothing, not even how long the secret is. */
export function isSame(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'latin1').digest();
  return timingSafeEqual(digest(given), digest(token));
}
