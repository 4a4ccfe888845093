/** What went wrong with a connection, in words. The texts are part of what tests and people look for. */
import type { TLSSocket } from 'node:tls';

interface Failure extends Error {
  readonly code?: string;
  readonly reason?: string;
  readonly cert?: { readonly subjectaltname?: string };
}

/** First byte of a TLS record that carries a handshake, and of one that carries an alert. */
export const TLS_HANDSHAKE = 0x16;
export const TLS_ALERT = 0x15;

/** What texts say beyond the problem itself. */
export interface CertificateWords {
  /** Where the trusted CAs are named: "peer_tls.ca_file". */
  readonly ca: string;
  /** What the certificate's extended key usage needs: "serverAuth and clientAuth". */
  readonly usage: string;
}

/** A peer both listens and dials, by one certificate. */
export const PEER_USAGE = 'serverAuth and clientAuth';

/** Of a certificate that was shown; null when the code is about something else. */
export function certificateProblem(code: string, { ca, usage }: CertificateWords): string | null {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return 'its certificate has expired';
    case 'CERT_NOT_YET_VALID':
      return 'its certificate is not valid yet';
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
      return `its certificate is not signed by a CA of ${ca}`;
    case 'INVALID_PURPOSE':
      return `its certificate is not meant for this use; its extended key usage needs ${usage}`;
    default:
      return null;
  }
}

/** OpenSSL's words for an alert of the other side: "tlsv1 alert unknown ca" is "unknown ca". */
export function alertOf(error: Error): string | null {
  const failure: Failure = error;
  const match = /alert ([a-z ]+)$/i.exec(failure.reason ?? '');
  return match === null ? null : match[1]!;
}

/** The code of whatever came from someone who does not speak TLS. */
const isNoTls = (code: string): boolean =>
  [
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'ERR_SSL_PACKET_LENGTH_TOO_LONG',
    'ERR_SSL_BAD_RECORD_TYPE',
    'ERR_SSL_UNEXPECTED_MESSAGE',
    'ERR_SSL_RECORD_LAYER_FAILURE',
  ].includes(code);

/** Whether a dial failed because the other side does not speak TLS. */
export function meetsNoTls(error: Error): boolean {
  const { code = '' }: Failure = error;
  return isNoTls(code) || (code === 'EPROTO' && /wrong version number/.test(error.message));
}

/** What is wrong with the certificate that was shown to who dialled; null when it is something else. */
export function dialledCertificateProblem(error: Error, words: CertificateWords): string | null {
  const { code = '' }: Failure = error;
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? error.message : certificateProblem(code, words);
}

/** Why a connection to an https URL of a peer failed. */
export function dialFailure(error: Error, name: string): string {
  const problem = dialledCertificateProblem(error, { ca: `${name}.ca_file`, usage: PEER_USAGE });
  if (problem !== null) return problem;
  if (meetsNoTls(error)) return `it does not speak TLS: write http:// in its URL, or give it ${name}`;
  const alert = alertOf(error);
  if (alert !== null) return `it does not accept this node's certificate: ${alert}`;
  return error.message;
}

/** What is wrong with the certificate that the other side has shown; null when nothing is, or none was shown. */
export function shownProblem(socket: TLSSocket, words: CertificateWords): string | null {
  const shown = socket.authorizationError as unknown;
  if (typeof shown !== 'string') return null;
  return certificateProblem(shown, words) ?? `its certificate: ${shown}`;
}

/** Why whoever connected to a TLS address did not get through. */
export function handshakeFailure(error: Error, socket: TLSSocket, words: CertificateWords): string {
  const failure: Failure = error;
  const code = failure.code ?? '';
  // With a refused certificate the error tells of the connection's end only.
  const shown = shownProblem(socket, words);
  if (shown !== null) return shown;
  if (code === 'ERR_SSL_HTTP_REQUEST') return 'it speaks plain HTTP, and this address takes TLS';
  if (code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return 'it shows no certificate';
  const alert = alertOf(failure);
  if (alert !== null) return `it does not accept this node's certificate: ${alert}`;
  if (isNoTls(code)) return 'it does not speak TLS';
  if (code === 'ECONNRESET') return 'it went away before the TLS handshake was over';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'its TLS handshake took too long';
  return failure.message;
}
