// Every rule of the configuration: a wrong value is refused with a text that names its key, before anything is opened.
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../src-ts/core/codes.generated.ts';
import { nodeIdToBigint } from '../../src-ts/core/node-id.ts';
import { FIELDS, type Field } from '../../src-ts/facade/config/fields.ts';
import { parseConfig } from '../../src-ts/facade/config/parse-config.ts';
import { ServerError } from '../../src-ts/server/api.ts';

const VALID = {
  id: '1',
  waldir: '"wal1"',
  snapdir: '"snap1"',
  peers: '[{"id":1,"url":"http://127.0.0.1:9001"},{"id":2,"url":"http://127.0.0.1:9002"}]',
};

/** JSON text from key to JSON text; null leaves a key out. Written as text, since ids do not fit into numbers. */
function json(changes: Readonly<Record<string, string | null>> = {}): string {
  const values: Record<string, string | null> = { ...VALID, ...changes };
  const parts = Object.entries(values).filter(([, value]) => value !== null);
  return `{${parts.map(([key, value]) => `"${key}":${value}`).join(',')}}`;
}

function refusal(text: string): string {
  try {
    parseConfig(text);
  } catch (error) {
    expect(error).toBeInstanceOf(ServerError);
    expect((error as ServerError).code).toBe(ErrorCode.CONFIG);
    return (error as ServerError).message;
  }
  throw new Error(`accepted: ${text}`);
}

describe('a configuration', () => {
  it('is accepted as the page of easyraft shows it', () => {
    const page = `{
      "id" : 1, "cluster_id" : 1, "snap_count" : 10000, "waldir" : "wal1", "snapdir" : "snap1", "tickms" : 100,
      "election_tick" : 10, "heartbeat_tick" : 1, "boostrap_timeout" : 1,
      "peers" : [{ "id" : 1, "url" : "http://127.0.0.1:9001" }, { "id" : 2, "url" : "http://127.0.0.1:9002" },
                 { "id" : 3, "url" : "http://127.0.0.1:9003" }],
      "join" : false, "max_size_per_msg" : 1048576, "max_inflight_msgs" : 256, "snapshot_entries" : 1000 }`;
    const { config, warnings } = parseConfig(page);
    expect(warnings).toEqual([]);
    expect(config.peers.map((peer) => peer.url)).toEqual(
      [9001, 9002, 9003].map((port) => `http://127.0.0.1:${port}`),
    );
    expect(config.bootstrapTimeoutMs).toBe(1000);
  });

  it('has the documented defaults', () => {
    const { config } = parseConfig(json());
    expect(config).toMatchObject({
      clusterId: 0n,
      snapCount: 10_000,
      tickMs: 100,
      electionTick: 10,
      heartbeatTick: 1,
      bootstrapTimeoutMs: 1000,
      join: false,
      maxSizePerMsg: 1_048_576,
      maxInflightMsgs: 256,
      snapshotEntries: 1000,
      manualSnap: false,
      maxSnapFiles: 0,
      maxWalFiles: 0,
      purgeFileIntervalMs: 30_000,
      preVote: true,
      checkQuorum: true,
      maxProposalBytes: 64 * 1024 * 1024,
    });
  });

  it.each(['id', 'waldir', 'snapdir', 'peers'])('needs %s', (key) => {
    expect(refusal(json({ [key]: null }))).toContain(`${key} is required; add "${key}": `);
  });

  it.each(Object.entries(FIELDS) as [string, Field][])('refuses %s of a wrong type', (key, field) => {
    const wrong = [
      'null',
      ...(field.kind === 'tls' ? [] : ['{}']),
      '[]',
      field.kind === 'text' ? '7' : '"7"',
    ];
    if (field.kind !== 'boolean') wrong.push('true');
    for (const value of wrong) expect(refusal(json({ [key]: value })), value).toContain(`${key} `);
  });

  const integers = (Object.entries(FIELDS) as [string, Field][]).flatMap(([key, field]) =>
    field.kind === 'integer' ? [{ key, minimum: field.minimum, maximum: field.maximum }] : [],
  );
  it.each(integers)('keeps $key within $minimum..$maximum', ({ key, minimum, maximum }) => {
    for (const value of [minimum - 1, maximum + 1, -1, 1.5, 1e300]) {
      expect(refusal(json({ [key]: String(value) })), String(value)).toContain(`${key} `);
    }
    const limits =
      key === 'election_tick'
        ? { heartbeat_tick: '1' }
        : key === 'heartbeat_tick'
          ? { election_tick: '100000' }
          : {};
    for (const value of [minimum, maximum]) {
      expect(parseConfig(json({ ...limits, [key]: String(value) })).warnings).toEqual([]);
    }
  });

  it('keeps ids exact up to 2^64-1 and refuses more', () => {
    const largest = '18446744073709551615';
    const peers = `[{"id":${largest},"url":"http://127.0.0.1:9001"},{"id":18446744073709551614,"url":"http://127.0.0.1:9002"}]`;
    const { config } = parseConfig(json({ id: largest, peers, cluster_id: largest }));
    expect(nodeIdToBigint(config.id)).toBe(2n ** 64n - 1n);
    expect(config.peers.map((peer) => nodeIdToBigint(peer.id))).toEqual([2n ** 64n - 1n, 2n ** 64n - 2n]);
    expect(config.clusterId).toBe(2n ** 64n - 1n);
    expect(refusal(json({ id: '18446744073709551616' }))).toContain(
      'id is 18446744073709551616, above 2^64-1',
    );
    expect(refusal(json({ id: '0' }))).toContain('id must not be 0');
    expect(refusal(json({ id: '-1' }))).toContain('id ');
    expect(refusal(json({ id: '1.5' }))).toContain('id ');
  });

  it.each([
    ['http://127.0.0.1', 'no port'],
    ['http://127.0.0.1:0', 'port 0'],
    ['http://127.0.0.1:9001 ', 'not a URL'],
    ['http:127.0.0.1:9001', 'not a URL'],
    ['http:////127.0.0.1:9001', 'not a URL'],
    ['http://127.0.0.1:9001#x', 'fragment'],
    ['http://127.0.0.1:9001?', 'query'],
    ['http://:9001', 'not a URL'],
    ['http://127.0.0.1:99999', 'not a URL'],
    ['https://127.0.0.1:9001', 'needs peer_tls'],
    ['ftp://127.0.0.1:9001', 'scheme'],
    ['127.0.0.1:9001', 'peers[0].url'],
    ['http://127.0.0.1:9001/path', 'path'],
    ['http://127.0.0.1:9001?x=1', 'path, query'],
    ['http://user:secret@127.0.0.1:9001', 'user name'],
    ['http://', 'not a URL'],
    ['', 'not a URL'],
    ['nonsense', 'not a URL'],
  ])('refuses the URL "%s"', (url, why) => {
    const text = refusal(json({ peers: `[{"id":1,"url":"${url}"}]` }));
    expect(text).toContain('peers[0].url');
    expect(text).toContain(why);
  });

  const TLS = { cert_file: 'a.crt', key_file: 'a.key', ca_file: 'ca.crt' };

  it('takes https URLs with peer_tls, whose port 443 is the usual one', () => {
    const peers = '[{"id":1,"url":"https://node1:443"},{"id":2,"url":"https://node2:9002"}]';
    const { config } = parseConfig(json({ peers, peer_tls: JSON.stringify(TLS) }));
    expect(config.peers.map((peer) => peer.url)).toEqual(['https://node1:443', 'https://node2:9002']);
    expect(config.peerTls).toEqual({
      certFile: 'a.crt',
      keyFile: 'a.key',
      caFile: 'ca.crt',
      clientCertAuth: true,
      allowedNames: [],
    });
    const same = '[{"id":1,"url":"https://node1:9001"},{"id":2,"url":"http://node1:9001"}]';
    expect(refusal(json({ peers: same, peer_tls: JSON.stringify(TLS) }))).toContain('peers[1].url');
  });

  it.each<[unknown, string]>([
    [{}, 'peer_tls.cert_file is required; add "cert_file": "node1.crt"'],
    [{ ...TLS, ca_file: undefined }, 'peer_tls needs ca_file, or client_cert_auth set to false'],
    [
      { ...TLS, ca_fil: 'x' },
      'peer_tls has no member ca_fil; it may have cert_file, key_file, ca_file, client_cert_auth, allowed_names',
    ],
    [{ ...TLS, allowed_names: 'x' }, 'peer_tls.allowed_names must be a list of texts'],
    [{ ...TLS, allowed_names: [''] }, 'peer_tls.allowed_names[0] must not be empty'],
    [{ ...TLS, client_cert_auth: 'no' }, 'peer_tls.client_cert_auth must be true or false'],
    [{ ...TLS, key_file: 7 }, 'peer_tls.key_file must be text in quotes'],
  ])('refuses peer_tls %j', (value, text) => {
    expect(refusal(json({ peer_tls: JSON.stringify(value) }))).toContain(text);
  });

  it('accepts host names and IPv6 addresses', () => {
    const peers = '[{"id":1,"url":"http://localhost:80"},{"id":2,"url":"http://[::1]:9002/"}]';
    expect(parseConfig(json({ peers })).config.peers.map((peer) => peer.url)).toEqual([
      'http://localhost:80',
      'http://[::1]:9002',
    ]);
  });

  it('refuses duplicates, and peers without this node', () => {
    const twice = '[{"id":1,"url":"http://127.0.0.1:9001"},{"id":1,"url":"http://127.0.0.1:9002"}]';
    expect(refusal(json({ peers: twice }))).toContain('peers[1].id is 1, the id of peers[0] too');
    const sameUrl = '[{"id":1,"url":"http://127.0.0.1:9001"},{"id":2,"url":"http://127.0.0.1:9001"}]';
    expect(refusal(json({ peers: sameUrl }))).toContain('peers[1].url');
    const sameAddress = '[{"id":1,"url":"http://LOCALHOST:80/"},{"id":2,"url":"http://localhost:80"}]';
    expect(refusal(json({ peers: sameAddress }))).toContain('the URL of peers[0] too');
    expect(refusal(json({ id: '7' }))).toContain('peers does not have this node: add {"id": 7');
    expect(refusal(json({ peers: '[]' }))).toContain('peers must name at least this node');
    expect(refusal(json({ peers: '[3]' }))).toContain('peers[0]');
  });

  it('checks rules between keys', () => {
    expect(refusal(json({ election_tick: '5', heartbeat_tick: '5' }))).toContain(
      'election_tick is 5, must be above heartbeat_tick',
    );
    expect(refusal(json({ snapdir: '"wal1/"' }))).toContain('snapdir "wal1/" is waldir');
    expect(refusal(json({ snapdir: '"wal1/snap"' }))).toContain('or lies in it');
    expect(refusal(json({ lease_reads: 'true', check_quorum: 'false' }))).toContain('lease_reads needs');
    expect(parseConfig(json({ lease_reads: 'true' })).config.leaseReads).toBe(true);
    expect(refusal(json({ waldir: '""' }))).toContain('waldir must not be empty');
    expect(refusal(json({ runtime: '"wasm"' }))).toContain('runtime is "wasm"; use "embedded" or "process"');
  });

  it('says where text that is not JSON breaks', () => {
    expect(refusal('')).toContain('not JSON');
    expect(refusal('{"id":1,\n"waldir" "x"}')).toContain('line 2');
    expect(refusal('[]')).toContain('must be a JSON object');
    expect(refusal('7')).toContain('must be a JSON object');
    expect(refusal('{"id":1,"id":2}')).toContain('not JSON');
    expect(refusal('['.repeat(1_000_000))).toContain('not JSON');
  });

  it('keeps the admin endpoint on this machine unless told otherwise', () => {
    expect(parseConfig(json()).config.admin).toBeUndefined();
    for (const host of ['127.0.0.1', '127.8.9.10', 'localhost', '[::1]']) {
      expect(parseConfig(json({ admin_url: `"http://${host}:9101/"` })).config.admin).toEqual({
        url: `http://${host}:9101`,
        remote: false,
        tokenFile: null,
        tls: null,
      });
    }
    const remote = '"http://0.0.0.0:9101"';
    expect(refusal(json({ admin_url: remote }))).toContain('use 127.0.0.1, or set admin_remote to true');
    expect(parseConfig(json({ admin_url: remote, admin_remote: 'true' })).config.admin?.remote).toBe(true);
    for (const [changes, text] of [
      [{ admin_url: '"127.0.0.1:9101"' }, 'admin_url "127.0.0.1:9101" is not a URL; write http://host:port'],
      [{ admin_url: '"http://127.0.0.1"' }, 'has no port'],
      [{ admin_url: '"http://127.0.0.1:9002"' }, 'is the URL of peers[1]; give it a port of its own'],
      [{ admin_token_file: '"token"' }, 'admin_token_file is for admin_url, which is not given'],
      [{ admin_remote: 'true' }, 'admin_remote is for admin_url, which is not given'],
      [
        { admin_tls: JSON.stringify(TLS) },
        'admin_tls is for admin_url, which is not given; add admin_url, or remove it',
      ],
      [
        { admin_url: '"http://127.0.0.1:9101"', admin_tls: JSON.stringify(TLS) },
        'admin_tls is for an https URL, and admin_url is "http://127.0.0.1:9101"; write https:// there, or remove admin_tls',
      ],
      [
        { admin_url: '"https://127.0.0.1:9101"' },
        'admin_url is "https://127.0.0.1:9101", and https needs admin_tls: {"cert_file", "key_file", "ca_file"}',
      ],
    ] as const)
      expect(refusal(json(changes))).toContain(text);
  });

  it('warns of unknown keys with the nearest known one, and refuses them when strict', () => {
    const { warnings } = parseConfig(json({ elecion_tick: '10', zzz: '1' }));
    expect(warnings).toEqual([
      'configuration: elecion_tick is not a known key; did you mean election_tick?',
      'configuration: zzz is not a known key; remove it',
    ]);
    expect(refusal(json({ elecion_tick: '10', strict: 'true' }))).toContain('did you mean election_tick');
    expect(parseConfig(json({ bootstrap_timeout: '9' })).config.bootstrapTimeoutMs).toBe(9000);
    expect(refusal(json({ bootstrap_timeout: '9', boostrap_timeout: '9' }))).toContain('given twice');
    expect(parseConfig(json({ constructor: '1' })).warnings).toHaveLength(1);
  });
});
