/** Says what is wrong with a peer's URL, or null. Peers are http://host:port and nothing else. */
export function peerUrlProblem(text: string): string | null {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return 'is not a URL; write http://host:port';
  }
  if (url.protocol === 'https:') return 'uses https, which is not supported yet; write http://host:port';
  if (url.protocol !== 'http:')
    return `has the scheme "${url.protocol.slice(0, -1)}"; write http://host:port`;
  if (url.username !== '' || url.password !== '') return 'has a user name; write http://host:port';
  if (url.pathname !== '/' || text.includes('?') || text.includes('#')) {
    return 'has a path, query or fragment; write http://host:port';
  }
  // URL drops a port of 80, so the text itself is looked at.
  const port = /:(\d+)\/?$/.exec(text);
  if (port === null) return 'has no port; write http://host:port';
  const number = Number(port[1]);
  if (number < 1 || number > 65_535) return `has port ${port[1]}, which is outside 1..65535`;
  return null;
}
