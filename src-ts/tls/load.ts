/** Reads certificates and says exactly what is wrong with them. */
import { constants, createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { TlsError, type TlsFiles } from './files.ts';

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export interface LoadedTls {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  readonly own: X509Certificate;
  /** When the own certificate ends; milliseconds since 1970. */
  readonly endsAt: number;
}

function read(key: string, path: string): Buffer {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > FILE_BYTES_MAX) throw new TlsError(`${key}: "${path}" is too large for PEM`);
    return bytes;
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
        throw new TlsError(`${key}: "${path}" does not exist`);
      case 'EACCES':
        throw new TlsError(`${key}: "${path}" may not be read by this user`);
      case 'EISDIR':
        throw new TlsError(`${key}: "${path}" is a directory; name the file`);
      default:
        throw error instanceof TlsError
          ? error
          : new TlsError(`${key}: "${path}": ${(error as Error).message}`);
    }
  }
}

function certificates(key: string, path: string, bytes: Buffer): X509Certificate[] {
  const blocks = bytes.toString('latin1').match(CERTIFICATE) ?? [];
  if (blocks.length === 0) throw new TlsError(`${key}: "${path}" holds no certificate in PEM`);
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new TlsError(`${key}: certificate ${i + 1} in "${path}" is damaged`);
    }
  });
}

function privateKey(key: string, path: string, bytes: Buffer): KeyObject {
  const text = bytes.toString('latin1');
  if (text.includes('ENCRYPTED')) {
    throw new TlsError(`${key}: the key in "${path}" has a passphrase; write it without one`);
  }
  try {
    return createPrivateKey(bytes);
  } catch {
    throw new TlsError(`${key}: "${path}" holds no private key in PEM`);
  }
}

/** As in the texts: 2026-01-31T00:00:00Z. */
export function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** A certificate with its key, each under the name by which the user has given it. */
export interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly own: X509Certificate;
}

/** Throws TlsError. */
export function loadPair(
  [certName, certFile]: readonly [name: string, file: string],
  [keyName, keyFile]: readonly [name: string, file: string],
  now: number,
): Pair {
  const cert = read(certName, certFile);
  const key = read(keyName, keyFile);
  const own = certificates(certName, certFile, cert)[0]!;
  if (!own.checkPrivateKey(privateKey(keyName, keyFile, key))) {
    throw new TlsError(
      `${keyName}: the key in "${keyFile}" does not belong to the certificate in "${certFile}"`,
    );
  }
  const from = new Date(own.validFrom);
  const to = new Date(own.validTo);
  if (now > to.getTime()) {
    throw new TlsError(`${certName}: the certificate in "${certFile}" expired on ${timeText(to)}`);
  }
  if (now < from.getTime()) {
    throw new TlsError(
      `${certName}: the certificate in "${certFile}" is valid from ${timeText(from)} on only`,
    );
  }
  return { cert, key, own };
}

/** CAs in PEM. Throws TlsError. */
export function loadAuthorities(name: string, file: string): Buffer {
  const ca = read(name, file);
  certificates(name, file, ca);
  return ca;
}

/** `name` is the configuration's key, "peer_tls". Throws TlsError. */
export function loadTls(name: string, files: TlsFiles, now: number): LoadedTls {
  const { cert, key, own } = loadPair(
    [`${name}.cert_file`, files.certFile],
    [`${name}.key_file`, files.keyFile],
    now,
  );
  const ca = files.caFile === null ? null : loadAuthorities(`${name}.ca_file`, files.caFile);
  const options: SecureContextOptions = {
    cert,
    key,
    ...(ca === null ? {} : { ca }),
    minVersion: 'TLSv1.2',
    // Every connection shows its certificate: nothing is taken up again from before a change of the CA.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  try {
    return { options, context: createSecureContext(options), own, endsAt: new Date(own.validTo).getTime() };
  } catch (error) {
    throw new TlsError(`${name}: ${(error as Error).message}`);
  }
}
