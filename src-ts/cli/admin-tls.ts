/** TLS towards an admin endpoint: the options' files, and failures in words. */
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import {
  alertOf,
  dialledCertificateProblem,
  meetsNoTls,
  TLS_ALERT,
  type CertificateWords,
} from '../tls/failures.ts';
import { loadAuthorities, loadPair } from '../tls/load.ts';
import { hostProblem } from '../tls/names.ts';

export interface TlsOptions {
  /** The CAs that the server's certificate must come from; those that Node knows when absent. */
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** For a request to an https URL. Throws Error with a text that names option, file and remedy. */
export function connectionOptions(url: string, options: TlsOptions): ConnectionOptions {
  const { cacert, cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = key === undefined ? ['--cert', '--key'] : ['--key', '--cert'];
    throw new Error(`${given} needs ${missing}: the two make one certificate`);
  }
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  const pair =
    cert === undefined || key === undefined ? null : loadPair(['--cert', cert], ['--key', key], Date.now());
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...(cacert === undefined ? {} : { ca: loadAuthorities('--cacert', cacert) }),
    ...(pair === null ? {} : { cert: pair.cert, key: pair.key }),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    checkServerIdentity: (_, certificate) => hostProblem(host, certificate),
  };
}

/** Why there was no answer, where TLS is the reason; null when it is another. */
export function tlsFailure(error: Error, isSecure: boolean, options: TlsOptions): string | null {
  const { code = '', rawPacket } = error as NodeJS.ErrnoException & { readonly rawPacket?: Uint8Array };
  const isClosed = code === 'ECONNRESET' || code === 'EPIPE';
  if (!isSecure) {
    if (rawPacket?.[0] === TLS_ALERT) return 'it takes TLS: write https:// in --admin';
    return isClosed
      ? 'the server closed the connection without an answer; if it takes TLS, write https:// in --admin'
      : null;
  }
  const words: CertificateWords = {
    ca: options.cacert === undefined ? 'this machine; name the file of its CA: --cacert FILE' : '--cacert',
    usage: 'serverAuth',
  };
  const problem = dialledCertificateProblem(error, words);
  if (problem !== null) return problem;
  if (meetsNoTls(error)) return 'it does not speak TLS: write http:// in --admin';
  const alert = alertOf(error);
  const hasCertificate = options.cert !== undefined;
  if (!hasCertificate && (isClosed || alert === 'certificate required' || alert === 'handshake failure'))
    return 'it does not answer without a certificate: give --cert FILE and --key FILE';
  if (alert !== null) return `it does not accept the certificate of --cert: ${alert}`;
  return isClosed
    ? 'the server closed the connection without an answer; if it does not accept the certificate of --cert, its log says why'
    : null;
}
