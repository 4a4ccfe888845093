/** Peer URLs: what is accepted, and which of a peer's URLs is tried next. */
import { TransportError } from './errors.ts';

export interface PeerAddressParts {
  readonly url: string;
  /** Host name or address, an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** As the Host header wants it. */
  readonly authority: string;
  /** https: TLS. */
  readonly secure: boolean;
}

/** Parses `http://host:port` or `https://host:port`. Throws TransportError 'invalid-url'. */
export function parsePeerUrl(url: string): PeerAddressParts {
  // It travels in headers as it is, and the URL parser would silently drop line breaks.
  if (!/^[\x21-\x7e]+$/.test(url)) {
    throw new TransportError(
      'invalid-url',
      `${JSON.stringify(url)} has blanks or characters beyond ASCII; write http://host:port`,
    );
  }
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new TransportError('invalid-url', `"${url}" is not a URL; write it as http://host:port`);
  }
  const secure = parsed.protocol === 'https:';
  if (!secure && parsed.protocol !== 'http:') {
    throw new TransportError(
      'invalid-url',
      `"${url}": scheme ${parsed.protocol} is not supported; use http://host:port or https://host:port`,
    );
  }
  if (parsed.hostname === '') throw new TransportError('invalid-url', `"${url}" has no host`);
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '' || parsed.hash !== '') {
    throw new TransportError('invalid-url', `"${url}" may hold host and port only`);
  }
  if (parsed.pathname !== '/' && parsed.pathname !== '') {
    throw new TransportError('invalid-url', `"${url}" must not have a path`);
  }
  const port = parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port);
  if (port === 0)
    throw new TransportError('invalid-url', `"${url}": port 0 is not a port that peers can reach`);
  const bracketed = parsed.hostname.startsWith('[');
  const host = bracketed ? parsed.hostname.slice(1, -1) : parsed.hostname;
  return { url, host, port, authority: `${parsed.hostname}:${port}`, secure };
}

export function noTls(url: string): TransportError {
  return new TransportError('no-tls', `"${url}": https needs peer_tls in the configuration of this node`);
}

/** A peer's usable URLs; moves on to the next when one fails. */
export class UrlPicker {
  private readonly hasTls: boolean;
  private addresses: PeerAddressParts[] = [];
  private next = 0;

  constructor(hasTls: boolean) {
    this.hasTls = hasTls;
  }

  /** Replaces the URLs. Returns the texts of those that cannot be used. */
  update(urls: readonly string[]): string[] {
    const problems: string[] = [];
    const addresses: PeerAddressParts[] = [];
    for (const url of urls) {
      try {
        const address = parsePeerUrl(url);
        if (address.secure && !this.hasTls) throw noTls(url);
        addresses.push(address);
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
    this.addresses = addresses;
    this.next = 0;
    return problems;
  }

  pick(): PeerAddressParts | null {
    return this.addresses[this.next] ?? null;
  }

  failed(address: PeerAddressParts): void {
    if (this.addresses[this.next] === address) this.next = (this.next + 1) % this.addresses.length;
  }
}
