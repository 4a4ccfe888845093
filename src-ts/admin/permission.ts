/** Who may change something: whoever knows the secret, or shows a certificate from the CA of admin_tls. */
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { AdminConfig } from '../server/api.ts';
import { shownProblem } from '../tls/failures.ts';
import type { TlsIdentity } from '../tls/identity.ts';
import { namesOf } from '../tls/names.ts';
import { isSame, readToken, TokenError } from './token.ts';

export interface Refusal {
  readonly status: 401 | 403 | 503;
  readonly text: string;
}

/** The certificate that came with a request. */
type Shown =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'accepted'; readonly names: readonly string[] };

const NONE: Shown = { kind: 'none' };

/** Browsers show a certificate on behalf of every page, and say by whom they were asked. */
function isOfElsewhere({ headers }: IncomingMessage): boolean {
  const { origin } = headers;
  return origin !== undefined && origin.toLowerCase() !== `https://${(headers.host ?? '').toLowerCase()}`;
}

export class Permission {
  private readonly config: AdminConfig;
  private readonly identity: TlsIdentity | null;

  constructor(config: AdminConfig, identity: TlsIdentity | null) {
    this.config = config;
    this.identity = identity;
  }

  /** For everything, also for reading: null when the certificate is one that counts, or none is needed. */
  readProblem(request: IncomingMessage): string | null {
    if (this.identity?.files.clientCertAuth !== true) return null;
    const shown = this.shown(request);
    if (shown.kind === 'none') return 'it shows no certificate';
    return shown.kind === 'refused' ? shown.problem : null;
  }

  /** Whose certificate came with a request, for the log; null when none that counts did. */
  nameOf(request: IncomingMessage): string | null {
    const shown = this.shown(request);
    return shown.kind === 'accepted' ? (shown.names[0] ?? 'nobody') : null;
  }

  /** Null: the change may be made. */
  async changeProblem(request: IncomingMessage): Promise<Refusal | null> {
    const shown = this.shown(request);
    if (shown.kind === 'accepted' && !isOfElsewhere(request)) return null;
    const { tokenFile } = this.config;
    if (tokenFile === null) return { status: 403, text: this.withoutSecret(shown) };
    let token: string;
    try {
      token = await readToken(tokenFile);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      return { status: 503, text: error.message };
    }
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (given === undefined) {
      const or = this.takesCertificates ? `, or ${this.certificateAdvice(shown)}` : '';
      return {
        status: 401,
        text: `send the secret of admin_token_file as "Authorization: Bearer SECRET"${or}`,
      };
    }
    if (isSame(given, token)) return null;
    return { status: 403, text: 'the secret is not the one in admin_token_file' };
  }

  private withoutSecret(shown: Shown): string {
    if (!this.takesCertificates)
      return (
        'this server takes no changes: set "admin_token_file" in its configuration to a file with a secret, or, with ' +
        'an https admin_url, "ca_file" of "admin_tls" to the CA of those who may change something'
      );
    if (shown.kind === 'accepted')
      return 'a browser asks for this change on behalf of a page of elsewhere; use the polyraft command';
    return `a change needs a certificate: ${this.certificateAdvice(shown)}`;
  }

  private certificateAdvice(shown: Shown): string {
    const problem = shown.kind === 'refused' ? `; the one that was shown does not do: ${shown.problem}` : '';
    return `show one from a CA of ${this.identity!.words.ca} (--cert and --key of the polyraft command)${problem}`;
  }

  private get takesCertificates(): boolean {
    return this.identity !== null && this.identity.files.caFile !== null;
  }

  private shown({ socket }: IncomingMessage): Shown {
    const { identity } = this;
    if (identity === null || !this.takesCertificates || !(socket instanceof TLSSocket)) return NONE;
    const certificate = socket.getPeerCertificate();
    if (Object.keys(certificate).length === 0) return NONE;
    // Without client_cert_auth one that does not hold gets this far.
    const problem = socket.authorized
      ? identity.nameProblem(certificate)
      : (shownProblem(socket, identity.words) ?? 'it cannot be verified');
    return problem === null
      ? { kind: 'accepted', names: namesOf(certificate) }
      : { kind: 'refused', problem };
  }
}
