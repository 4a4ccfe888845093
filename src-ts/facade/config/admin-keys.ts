/** The keys of the admin endpoint: what they must be, and what they mean to a server. */
import type { AdminConfig } from '../../server/api.ts';
import { isSecureUrl, peerUrlKey, peerUrlProblem } from './peer-url.ts';
import type { RawConfig } from './schema.ts';

/** Of a URL: its host is this machine and nobody else reaches it. */
function isLoopback(text: string): boolean {
  const { hostname } = new URL(text);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

/** Says which key is wrong and what to do, or null. */
export function adminProblem(raw: RawConfig): string | null {
  const { admin_url: url, admin_remote: remote, admin_token_file: tokenFile, admin_tls: tls } = raw;
  if (url === '') {
    if (remote) return 'admin_remote is for admin_url, which is not given; add admin_url, or remove it';
    if (tokenFile !== '')
      return 'admin_token_file is for admin_url, which is not given; add admin_url, or remove it';
    if (tls !== undefined)
      return 'admin_tls is for admin_url, which is not given; add admin_url, or remove it';
    return null;
  }
  const problem = peerUrlProblem(url);
  if (problem !== null) return `admin_url "${url}" ${problem}`;
  if (isSecureUrl(url) && tls === undefined)
    return `admin_url is "${url}", and https needs admin_tls: {"cert_file", "key_file", "ca_file"}`;
  if (!isSecureUrl(url) && tls !== undefined)
    return `admin_tls is for an https URL, and admin_url is "${url}"; write https:// there, or remove admin_tls`;
  if (!isLoopback(url) && !remote) {
    return (
      `admin_url "${url}" can be reached by other machines, who could then read what it shows; use 127.0.0.1, or set ` +
      'admin_remote to true'
    );
  }
  const peer = raw.peers.findIndex((each) => peerUrlKey(each.url) === peerUrlKey(url));
  if (peer >= 0) return `admin_url "${url}" is the URL of peers[${peer}]; give it a port of its own`;
  return null;
}

/** For a configuration that has the key admin_url. */
export function adminConfig(raw: RawConfig): AdminConfig {
  return {
    url: raw.admin_url.replace(/\/$/, ''),
    remote: raw.admin_remote,
    tokenFile: raw.admin_token_file === '' ? null : raw.admin_token_file,
    tls: raw.admin_tls ?? null,
  };
}
