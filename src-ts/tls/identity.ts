/** The certificates of one endpoint, as they are on disk now: they may be replaced while it runs. */
import { statSync } from 'node:fs';
import { isIP } from 'node:net';
import type { ConnectionOptions, PeerCertificate, SecureContextOptions, TlsOptions } from 'node:tls';
import type { Logger } from '../core/api.ts';
import { PEER_USAGE, type CertificateWords } from './failures.ts';
import type { TlsFiles } from './files.ts';
import { loadTls, type LoadedTls } from './load.ts';
import { hostProblem, NameError, nameProblem } from './names.ts';

/** Files are looked at no more often than this. */
const LOOK_MS = 1_000;
const HANDSHAKE_MS = 10_000;

export class TlsIdentity {
  /** The configuration's key, for texts: "peer_tls". */
  readonly name: string;
  readonly files: TlsFiles;
  /** For texts about certificates of those who connect. */
  readonly words: CertificateWords;
  /** One more whenever the certificates were read anew. */
  generation = 1;
  private readonly logger: Logger;
  private loaded: LoadedTls;
  private stamp: string;
  private lookedAt: number;

  /** Reads the files. Throws TlsError. `usage`: what the certificates of those who connect need to be for. */
  constructor(name: string, files: TlsFiles, logger: Logger, usage = PEER_USAGE) {
    this.name = name;
    this.words = { ca: `${name}.ca_file`, usage };
    this.files = files;
    this.logger = logger;
    // Before reading: what changes meanwhile is seen later.
    this.stamp = this.stampNow();
    this.lookedAt = performance.now();
    this.loaded = loadTls(name, files, Date.now());
  }

  private stampNow(): string {
    const { certFile, keyFile, caFile } = this.files;
    return [certFile, keyFile, ...(caFile === null ? [] : [caFile])]
      .map((path) => {
        const stats = statSync(path, { throwIfNoEntry: false });
        return stats === undefined ? 'none' : `${stats.mtimeMs}/${stats.size}/${stats.ino}`;
      })
      .join(' ');
  }

  /** Reads files that have changed. What cannot be used leaves the certificates of before in use, with a line in the log. */
  refresh(): void {
    const now = performance.now();
    if (now - this.lookedAt < LOOK_MS) return;
    this.lookedAt = now;
    try {
      const stamp = this.stampNow();
      if (stamp === this.stamp) return;
      this.stamp = stamp;
      this.loaded = loadTls(this.name, this.files, Date.now());
      this.generation++;
      this.logger.info(
        `${this.name}: the certificates were read again; this one ends on ${new Date(this.loaded.endsAt).toISOString()}`,
      );
    } catch (error) {
      this.logger.error(`${(error as Error).message}; the certificates of before stay in use`);
    }
  }

  /** For `setSecureContext`. */
  get contextOptions(): SecureContextOptions {
    return this.loaded.options;
  }

  get serverOptions(): TlsOptions {
    return {
      ...this.loaded.options,
      requestCert: this.files.clientCertAuth,
      rejectUnauthorized: this.files.clientCertAuth,
      handshakeTimeout: HANDSHAKE_MS,
    };
  }

  /** For a connection to `host`, with the certificates as they are now. */
  dialOptions(host: string): ConnectionOptions {
    this.refresh();
    return {
      secureContext: this.loaded.context,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(isIP(host) === 0 ? { servername: host } : {}),
      checkServerIdentity: (_, certificate) => {
        const wrongHost = hostProblem(host, certificate);
        if (wrongHost !== undefined) return wrongHost;
        const problem = this.nameProblem(certificate);
        return problem === null ? undefined : new NameError(problem);
      },
    };
  }

  /** Null when whoever shows this certificate may talk to us; else why not. */
  nameProblem(certificate: PeerCertificate): string | null {
    return nameProblem(certificate, this.files.allowedNames, this.name);
  }
}
