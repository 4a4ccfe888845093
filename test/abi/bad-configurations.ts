/** Configurations with one fault each, derived from the definition of the keys: a key without cases is an error. */
import { FIELDS, type Field, type FieldName } from '../../src-ts/facade/config/fields.ts';

/** JSON text from key to JSON text: ids do not fit into numbers. */
export type ConfigText = Readonly<Record<string, string>>;

export interface BadConfiguration {
  readonly name: string;
  readonly text: string;
  /** What the error's text must hold. */
  readonly names: readonly string[];
}

export function jsonOf(values: ConfigText): string {
  return `{${Object.entries(values)
    .map(([key, value]) => `${JSON.stringify(key)}:${value}`)
    .join(',')}}`;
}

export const LARGEST_ID = '18446744073709551615';
const ABOVE_LARGEST_ID = '18446744073709551616';

const BAD_URLS = [
  '',
  'nonsense',
  'http://',
  'http://127.0.0.1',
  'http://127.0.0.1:0',
  'http://127.0.0.1:65536',
  'http://127.0.0.1:-1',
  'http://127.0.0.1:x',
  'http://:9001',
  'http:127.0.0.1:9001',
  'http:////127.0.0.1:9001',
  'http://127.0.0.1:9001/path',
  'http://127.0.0.1:9001?query',
  'http://127.0.0.1:9001#fragment',
  'http://user:secret@127.0.0.1:9001',
  'http://127.0.0.1 :9001',
  '127.0.0.1:9001',
  'https://127.0.0.1:9001',
  'ftp://127.0.0.1:9001',
  `http://127.0.0.1:9001/${'x'.repeat(10_000)}`,
];

/** Values that a key of text must refuse, beyond what holds for all text; each such key must be in it. */
const BAD_TEXTS: Readonly<Record<string, readonly string[]>> = {
  waldir: ['""', '"wal\\u0000dir"'],
  snapdir: ['""', '"snap\\u0000dir"'],
  runtime: ['""', '"wasm"', '"Embedded"', '"process\\u0000"'],
  node_path: ['""'],
  // An empty one is none.
  admin_url: [...BAD_URLS.filter((url) => url !== ''), 'http://0.0.0.0:9009', 'http://[::]:9009'].map((url) =>
    JSON.stringify(url),
  ),
  // Without admin_url.
  admin_token_file: ['"admin.token"', '"admin\\u0000token"'],
};

/** The last one is right in its form: its files do not exist. */
const BAD_TLS: readonly string[] = [
  '{}',
  '{"cert_file":"a.crt"}',
  '{"cert_file":"a.crt","key_file":"a.key"}',
  '{"cert_file":7,"key_file":"a.key","ca_file":"ca.crt"}',
  '{"cert_file":"a.crt","key_file":"a.key","ca_file":"ca.crt","client_cert_auth":1}',
  '{"cert_file":"a.crt","key_file":"a.key","ca_file":"ca.crt","allowed_names":"node"}',
  '{"cert_file":"a.crt","key_file":"a.key","ca_file":"ca.crt","allowed_names":[""]}',
  '{"cert_file":"a.crt","key_file":"a.key","ca_file":"ca.crt","ca_fil":"x"}',
  '{"cert_file":"/nowhere/a.crt","key_file":"/nowhere/a.key","ca_file":"/nowhere/ca.crt"}',
];

const WRONG_TYPES: Readonly<Record<Field['kind'], readonly string[]>> = {
  integer: ['null', 'true', '"7"', '[]', '{}', '[7]'],
  boolean: ['null', '0', '1', '"true"', '[]', '{}'],
  text: ['null', 'true', '7', '[]', '{}', '["text"]'],
  id: ['null', 'true', '"7"', '[]', '{}', '[7]'],
  peers: ['null', 'true', '7', '"http://127.0.0.1:9001"', '{}'],
  tls: ['null', 'true', '7', '"node.crt"', '[]'],
};

function outOfRange(key: string, field: Field): readonly string[] {
  switch (field.kind) {
    case 'integer':
      return [field.minimum - 1, field.maximum + 1, -1, -(2 ** 53), field.minimum + 0.5]
        .map(String)
        .concat(LARGEST_ID, ABOVE_LARGEST_ID, '1e300', '-1e300');
    case 'id':
      return ['-1', '1.5', '1e300', ABOVE_LARGEST_ID, `${LARGEST_ID}0`, ...(field.zeroAllowed ? [] : ['0'])];
    case 'text': {
      const values = BAD_TEXTS[key];
      if (values === undefined) throw new Error(`${key} has no wrong values here: add them to BAD_TEXTS`);
      return values;
    }
    case 'tls':
      return BAD_TLS;
    case 'boolean':
    case 'peers':
      return [];
  }
}

function peer(id: string, url: string): string {
  return `{"id":${id},"url":${JSON.stringify(url)}}`;
}

const OWN = peer('1', 'http://127.0.0.1:9001');

/** From the value of `peers` to where in it the fault is. */
const BAD_PEERS: readonly (readonly [name: string, value: string, where: string])[] = [
  ['empty', '[]', 'peers '],
  ['a number in it', '[7]', 'peers[0]'],
  ['null in it', `[${OWN},null]`, 'peers[1]'],
  ['an empty object in it', `[${OWN},{}]`, 'peers[1]'],
  ['a peer without an id', `[${OWN},{"url":"http://127.0.0.1:9002"}]`, 'peers[1].id'],
  ['a peer without a URL', `[${OWN},{"id":2}]`, 'peers[1].url'],
  ['a peer whose URL is a number', `[${OWN},{"id":2,"url":9002}]`, 'peers[1].url'],
  ['duplicate ids', `[${OWN},${peer('1', 'http://127.0.0.1:9002')}]`, 'peers[1].id'],
  [
    'duplicate largest ids',
    `[${OWN},${peer(LARGEST_ID, 'http://127.0.0.1:9002')},${peer(LARGEST_ID, 'http://127.0.0.1:9003')}]`,
    'peers[2].id',
  ],
  ['duplicate URLs', `[${OWN},${peer('2', 'http://127.0.0.1:9001')}]`, 'peers[1].url'],
  ['the own id missing', `[${peer('2', 'http://127.0.0.1:9001')}]`, 'peers does not have this node'],
  ...['0', '-1', '1.5', '"2"', 'null', ABOVE_LARGEST_ID].map(
    (id) => [`the id ${id}`, `[${OWN},${peer(id, 'http://127.0.0.1:9002')}]`, 'peers[1].id'] as const,
  ),
  ...BAD_URLS.map((url) => [`the URL "${url.slice(0, 60)}"`, `[${peer('1', url)}]`, 'peers[0].url'] as const),
];

/** Every fault, put over a configuration that is good. */
export function badConfigurations(good: ConfigText): BadConfiguration[] {
  const cases: BadConfiguration[] = [];
  const add = (name: string, changes: ConfigText, ...names: string[]): void => {
    cases.push({ name, text: jsonOf({ ...good, ...changes }), names });
  };
  for (const [key, field] of Object.entries(FIELDS) as [FieldName, Field][]) {
    if (field.default === null) {
      const others = Object.fromEntries(Object.entries(good).filter(([name]) => name !== key));
      cases.push({ name: `${key} missing`, text: jsonOf(others), names: [`${key} is required`] });
    }
    for (const value of WRONG_TYPES[field.kind]) add(`${key}: ${value} (type)`, { [key]: value }, key);
    for (const value of outOfRange(key, field)) add(`${key}: ${value} (range)`, { [key]: value }, key);
  }
  for (const [name, value, where] of BAD_PEERS) add(`peers: ${name}`, { peers: value }, where);
  add('the own id is not among the peers', { id: LARGEST_ID }, 'peers does not have this node', LARGEST_ID);
  add('election_tick not above heartbeat_tick', { election_tick: '5', heartbeat_tick: '5' }, 'election_tick');
  add('snapdir is waldir', { snapdir: good['waldir']! }, 'snapdir', 'waldir');
  add('snapdir in waldir', { snapdir: good['waldir']!.replace(/"$/, '/snap"') }, 'snapdir', 'waldir');
  add('lease_reads without check_quorum', { lease_reads: 'true', check_quorum: 'false' }, 'lease_reads');
  add('admin_remote without admin_url', { admin_remote: 'true' }, 'admin_remote', 'admin_url');
  const admin = { admin_url: '"https://127.0.0.1:9009"' };
  add('https for admin_url without admin_tls', admin, 'admin_url', 'admin_tls');
  BAD_TLS.forEach((value, i) => {
    add(`admin_tls of an https admin_url: ${value}`, { ...admin, admin_tls: value }, 'admin_tls');
    if (i === BAD_TLS.length - 1)
      add(
        'admin_tls of an http admin_url',
        { admin_url: '"http://127.0.0.1:9009"', admin_tls: value },
        'admin_tls',
        'https',
      );
  });
  add('an unknown key when strict', { strict: 'true', snap_cuont: '7' }, 'snap_cuont', 'snap_count');
  add('two spellings of one key', { boostrap_timeout: '1', bootstrap_timeout: '1' }, 'bootstrap_timeout');
  for (const text of ['', ' ', 'nonsense', '{', '{"id":1', '{"id":1}}', "{'id':1}", '\u0001', '{"id":'])
    cases.push({ name: `not JSON: ${JSON.stringify(text)}`, text, names: ['not JSON'] });
  for (const text of ['7', 'null', 'true', '"text"', '[]', '[{}]'])
    cases.push({ name: `no object: ${text}`, text, names: ['JSON object'] });
  cases.push({ name: 'many brackets', text: '['.repeat(100_000), names: ['not JSON'] });
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  cases.push({ name: 'deeply nested', text: deep, names: [] });
  add('peers: deeply nested', { peers: deep });
  add('an unknown key, deeply nested', { unknown: deep });
  return cases;
}
