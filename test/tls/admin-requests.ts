/** How tests talk to an admin endpoint with TLS: by the command, and by requests without its checks. */
import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { TlsFiles } from '../../src-ts/tls/files.ts';
import { eventually, type RealCluster } from '../admin/real-cluster.ts';
import { polyraft } from '../cli/polyraft.ts';
import type { CertificateAuthority } from './certificates.ts';

/** Options of the command. */
export const as = ({ certFile, keyFile }: TlsFiles): string[] => ['--cert', certFile, '--key', keyFile];

/** Options of a request. */
export const pem = ({ certFile, keyFile }: TlsFiles): { cert: Buffer; key: Buffer } => ({
  cert: readFileSync(certFile),
  key: readFileSync(keyFile),
});

export async function command(
  at: RealCluster,
  ...parameters: string[]
): Promise<{ code: number; text: string }> {
  const { code, out, problems } = await polyraft(...parameters, '--admin', at.url(1));
  return { code, text: [...out, ...problems].join('\n') };
}

export function logged(at: RealCluster, text: string): Promise<unknown> {
  return eventually(`"${text}" in the log`, () => at.lines.some((line) => line.includes(text))).catch(
    (error: unknown) => {
      throw new Error(`not told: "${text}"; told:\n${at.lines.join('\n')}`, { cause: error });
    },
  );
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** The own port of the connection. */
  readonly port: number;
}

/** A request to server 1, whose certificate is of `authority`; with a body a change. */
export function send(
  at: RealCluster,
  authority: CertificateAuthority,
  path: string,
  options: https.RequestOptions,
  body: string | null = null,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const method = body === null ? 'GET' : 'POST';
    const all = { method, agent: false, ca: readFileSync(authority.file), ...options } as const;
    const request = https.request(at.url(1, path), all, (response) => {
      let text = '';
      response.on('data', (piece: Buffer) => (text += piece.toString()));
      const port = response.socket.localPort ?? 0;
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, text, port });
      });
    });
    request.on('error', reject);
    request.end(body ?? undefined);
  });
}
