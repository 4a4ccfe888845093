/** One peer's pooled connections for requests, with or without TLS as its URL says. */
import http from 'node:http';
import https from 'node:https';
import { dialFailure, TLS_ALERT } from '../tls/failures.ts';
import type { TlsIdentity } from '../tls/identity.ts';
import type { PeerAddressParts } from './peer-url.ts';

const FREE_SOCKETS_MAX = 2;

export const URL_NEEDS_HTTPS = 'it takes TLS: write https:// in its URL';

export class Connections {
  private readonly tls: TlsIdentity | null;
  private readonly plain: http.Agent;
  private readonly secure: https.Agent;

  constructor(tls: TlsIdentity | null, socketsMax: number) {
    const options = { keepAlive: true, maxSockets: socketsMax, maxFreeSockets: FREE_SOCKETS_MAX };
    this.tls = tls;
    this.plain = new http.Agent(options);
    // Each handshake is a whole one, with the certificates of that moment.
    this.secure = new https.Agent({ ...options, maxCachedSessions: 0 });
  }

  request(address: PeerAddressParts, options: http.RequestOptions): http.ClientRequest {
    const all = { ...options, host: address.host, port: address.port };
    if (!address.secure) return http.request({ ...all, agent: this.plain });
    // UrlPicker lets no https URL through without certificates.
    return https.request({ ...all, ...this.tls!.dialOptions(address.host), agent: this.secure });
  }

  /** The event of a socket after which a request may go out. */
  readyEvent(address: PeerAddressParts): 'connect' | 'secureConnect' {
    return address.secure ? 'secureConnect' : 'connect';
  }

  describe(address: PeerAddressParts, error: Error): string {
    if (address.secure && this.tls !== null) return dialFailure(error, this.tls.name);
    const answer = (error as { readonly rawPacket?: Uint8Array }).rawPacket;
    return answer?.[0] === TLS_ALERT ? URL_NEEDS_HTTPS : error.message;
  }

  end(): void {
    this.plain.destroy();
    this.secure.destroy();
  }
}
