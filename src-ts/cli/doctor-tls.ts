/** The certificates that a configuration names, and those that are shown at an address. */
import { connect } from 'node:tls';
import { textOf } from '../server/errors.ts';
import type { TlsFiles } from '../tls/files.ts';
import { loadTls, timeText } from '../tls/load.ts';
import { parsePeerUrl } from '../transport/peer-url.ts';
import type { Finding } from './finding.ts';

const DAY_MS = 86_400_000;
const DAYS_LEFT_LEAST = 14;
const SHOW_MS = 3_000;

export interface CertificateFindings {
  readonly findings: readonly Finding[];
  /** Null when it cannot be used. */
  readonly fingerprint: string | null;
}

/** The own certificate of `name`, which listens at `url`. */
export function checkCertificate(name: string, files: TlsFiles, url: string): CertificateFindings {
  const findings: Finding[] = [];
  try {
    const now = Date.now();
    const { own, endsAt } = loadTls(name, files, now);
    const ends = `the certificate in "${files.certFile}" ends on ${timeText(new Date(endsAt))}`;
    const soon = endsAt - now < DAYS_LEFT_LEAST * DAY_MS;
    if (soon)
      findings.push({
        check: name,
        result: 'warning',
        text: ends,
        advice: 'write a new one over it; a running server takes it without a restart',
      });
    else findings.push({ check: name, result: 'ok', text: ends });
    const { host, secure } = parsePeerUrl(url);
    if (secure && own.checkHost(host) === undefined && own.checkIP(host) === undefined)
      findings.push({
        check: name,
        result: 'problem',
        text: `the certificate in "${files.certFile}" is for ${own.subjectAltName ?? 'nobody'}, not for ${host}`,
        advice: `make one that has ${host} among its subject alternative names: who connects to ${url} refuses this one`,
      });
    return { findings, fingerprint: own.fingerprint256 };
  } catch (error) {
    findings.push({
      check: name,
      result: 'problem',
      text: textOf(error).replace(`${name}.`, ''),
      advice: 'docs/TLS.md tells how to make certificates',
    });
    return { findings, fingerprint: null };
  }
}

/** Of the certificate that is shown at an address, whoever it is; null when none is. */
export function shownFingerprint(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    // Nothing is sent, so nobody needs to be trusted.
    const socket = connect({ host, port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.setTimeout(SHOW_MS, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve(null);
    });
  });
}
