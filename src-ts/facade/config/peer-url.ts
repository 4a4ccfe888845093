export function isSecureUrl(text: string): boolean {
  return new URL(text).protocol === 'https:';
}

/** Says what is wrong with a peer's URL, or null. Peers are http://host:port or https://host:port and nothing else. */
export function peerUrlProblem(text: string): string | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return 'is not a URL; write http://host:port';
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return `has the scheme "${url.protocol.slice(0, -1)}"; write http://host:port`;
  // URL forgives blanks and backslashes; those who read the text later do not.
  if (/[\s\\]/.test(text) || !/^https?:\/\/[^/]/i.test(text)) return 'is not a URL; write http://host:port';
  if (url.username !== '' || url.password !== '') return 'has a user name; write http://host:port';
  if (url.pathname !== '/' || /[?#]/.test(text)) {
    return 'has a path, query or fragment; write http://host:port';
  }
  // URL drops a port of 80 or 443, so the text itself is looked at.
  const port = /:(\d+)\/?$/.exec(text);
  if (port === null) return 'has no port; write http://host:port';
  // URL has refused what is above 65535.
  if (Number(port[1]) === 0) return 'has port 0, which no peer can reach';
  return null;
}

/** The same for URLs of the same address. */
export function peerUrlKey(text: string): string {
  const url = new URL(text);
  const usual = url.protocol === 'https:' ? '443' : '80';
  return `${url.hostname}:${url.port === '' ? usual : url.port}`;
}
