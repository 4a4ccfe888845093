/** Certificates made for one run of the tests with the openssl command; nothing of them is kept. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsFiles } from '../../src-ts/tls/files.ts';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export interface Issue {
  /** Common name; default the file's name. */
  readonly commonName?: string;
  /** As openssl writes them: "IP:127.0.0.1". */
  readonly names?: readonly string[];
  readonly usage?: string;
  /** Negative: it has ended that many days ago. */
  readonly days?: number;
  /** The key that is there stays. */
  readonly renewed?: boolean;
}

export class CertificateAuthority {
  private readonly directory: string;
  private readonly name: string;
  private serial = 1;

  constructor(directory: string, name: string) {
    this.directory = directory;
    this.name = name;
    this.openssl(
      ...['req', '-x509', ...KEY, '-keyout', `${name}.key`, '-out', `${name}.crt`, '-days', '2'],
      ...['-subj', `/CN=${name}`, '-addext', 'basicConstraints=critical,CA:TRUE'],
      ...['-addext', 'keyUsage=critical,keyCertSign'],
    );
  }

  private openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.directory, stdio: 'pipe' });
  }

  get file(): string {
    return join(this.directory, `${this.name}.crt`);
  }

  /** `name`.crt and `name`.key, in place of those that are there. */
  issue(
    name: string,
    { commonName = name, names = ['IP:127.0.0.1'], usage, days = 2, renewed = false }: Issue = {},
  ): TlsFiles {
    const path = (kind: string): string => join(this.directory, `${name}.${kind}`);
    const uses = usage ?? 'serverAuth,clientAuth';
    writeFileSync(path('ext'), `subjectAltName=${names.join(',')}\nextendedKeyUsage=${uses}\n`);
    const key = renewed ? ['-new', '-key', path('key')] : [...KEY, '-keyout', path('key')];
    this.openssl('req', ...key, '-out', path('csr'), '-subj', `/CN=${commonName}`);
    this.openssl(
      ...['x509', '-req', '-in', path('csr'), '-CA', `${this.name}.crt`, '-CAkey', `${this.name}.key`],
      ...['-days', String(days), '-extfile', path('ext'), '-set_serial', String(this.serial++)],
      ...['-out', path('crt')],
    );
    chmodSync(path('key'), 0o600);
    return {
      certFile: path('crt'),
      keyFile: path('key'),
      caFile: this.file,
      clientCertAuth: true,
      allowedNames: [],
    };
  }
}

export class CertificateDirectory {
  readonly path = mkdtempSync(join(tmpdir(), 'polyraft-tls-'));

  authority(name: string): CertificateAuthority {
    return new CertificateAuthority(this.path, name);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
