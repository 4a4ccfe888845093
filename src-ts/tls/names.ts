/** Whose certificate it is. */
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/** Why a certificate cannot be that of the host that was dialled. */
export class NameError extends Error {
  readonly code = 'ERR_TLS_CERT_ALTNAME_INVALID';
}

/** Undefined when the certificate is for `host`. */
export function hostProblem(host: string, certificate: PeerCertificate): NameError | undefined {
  if (checkServerIdentity(host, certificate) === undefined) return undefined;
  const names = namesOf(certificate).join(', ') || 'nobody';
  return new NameError(`its certificate is for ${names}, not for ${host}`);
}

/** Common names and subject alternative names (DNS, IP, URI), without their kind. */
export function namesOf(certificate: PeerCertificate): string[] {
  const names: string[] = [];
  // A certificate that was not shown is an empty object.
  const common: unknown = (certificate as Partial<PeerCertificate>).subject?.CN;
  for (const name of Array.isArray(common) ? (common as unknown[]) : [common]) {
    if (typeof name === 'string') names.push(name);
  }
  for (const entry of certificate.subjectaltname?.split(', ') ?? []) {
    // What holds a comma is quoted by Node, and is no name of ours.
    const match = /^(?:DNS|IP Address|URI):(.+)$/.exec(entry);
    if (match !== null) names.push(match[1]!);
  }
  // Names stand in log lines; one that would break them up is nobody's.
  return names.filter((name) => !/\p{Cc}/u.test(name));
}

/** Null when `allowed` is empty or has one of the certificate's names; else the text. */
export function nameProblem(
  certificate: PeerCertificate,
  allowed: readonly string[],
  name: string,
): string | null {
  if (allowed.length === 0) return null;
  const names = namesOf(certificate);
  if (names.some((own) => allowed.includes(own))) return null;
  return `its certificate is for ${names.join(', ') || 'nobody'}, and ${name}.allowed_names has none of these`;
}
