// Writes docs/CONFIGURATION.md from src-ts/facade/config/fields.ts. `--check` fails when the file is stale.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  ALIASES,
  EASYRAFT_FIELDS,
  type Field,
  type NamesField,
  POLYRAFT_FIELDS,
  TLS_FIELDS,
} from '../src-ts/facade/config/fields.ts';

const target = fileURLToPath(new URL('../docs/CONFIGURATION.md', import.meta.url));

function typeOf(field: Field | NamesField): string {
  switch (field.kind) {
    case 'tls':
      return `{${Object.keys(TLS_FIELDS)
        .map((name) => `"${name}"`)
        .join(', ')}}`;
    case 'names':
      return 'list of texts';
    case 'integer':
      return `whole number, ${field.unit}, ${field.minimum}..${field.maximum}`;
    case 'boolean':
      return 'true or false';
    case 'id':
      return `whole number, ${field.zeroAllowed ? 0 : 1}..2^64-1`;
    case 'peers':
      return 'list of {"id", "url"}';
    case 'text':
      return field.choices?.map((choice) => `"${choice}"`).join(' or ') ?? 'text, not empty';
  }
}

function defaultOf(field: Field | NamesField): string {
  if (field.kind === 'tls' || field.kind === 'names') return '';
  if (field.default === null) return `required; \`${field.example}\``;
  return field.default === '' ? '' : String(field.default);
}

function table(fields: Readonly<Record<string, Field | NamesField>>): string {
  const rows = Object.entries(fields).map(
    ([name, field]) => `| \`${name}\` | ${typeOf(field)} | ${defaultOf(field)} | ${field.meaning} |`,
  );
  return ['| key | type, unit, range | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

const aliases = Object.entries(ALIASES).map(([alias, name]) => `\`${alias}\` for \`${name}\``);
const text = `# Configuration

Generated from \`src-ts/facade/config/fields.ts\` by \`npm run generate\`; do not edit.

A server is configured by one JSON object, given as text to \`RAFT_NewRaftServer\` or in \`RAFT_Options\`. All of it is
checked before anything is opened; an error names the key (\`peers[1].url\`) and what to do, in \`RAFT_LastError\`. Unknown
keys are warned about with the nearest known name, and refused when \`strict\` is true; other spellings are
${aliases.join(', ')}. Ids keep all 64 bits. Peer URLs are \`http://host:port\` or, with
\`peer_tls\`, \`https://host:port\`.

## Keys that easyraft has, too

${table(EASYRAFT_FIELDS)}

## Keys of polyraft

${table(POLYRAFT_FIELDS)}

## Certificates

Members of \`peer_tls\` and \`admin_tls\`, all of whose files are checked before a server starts, and looked at again, once a second at
most, when a connection is made: new ones are used from then on, and what cannot be used leaves the old ones in force,
with a line in the log. Connections that are open stay. [TLS.md](TLS.md) tells how to make and change certificates, and
what each error means.

In \`peer_tls\` others are the peers. In \`admin_tls\` they are the clients of the admin endpoint, and the own certificate
needs serverAuth only: with \`client_cert_auth\` nobody without a certificate gets as far as a request; when that is false
everybody may read, and a certificate from \`ca_file\`, where that is given, is asked for and enough for changes.
\`allowed_names\` says whose certificates count.

${table(TLS_FIELDS)}

## Rules between keys

- \`election_tick\` is above \`heartbeat_tick\`.
- \`peers\` has this node's own \`id\`, also when it joins: that entry is where it listens.
- Ids and URLs in \`peers\` are unique; \`http://HOST:80/\` and \`http://host:80\` are the same.
- \`snapdir\` is neither \`waldir\` nor a directory in it.
- \`lease_reads\` needs \`check_quorum\`.
- An https URL in \`peers\` needs \`peer_tls\`; an https \`admin_url\` needs \`admin_tls\`, and an http one has none.
`;

if (process.argv.includes('--check')) {
  if (!existsSync(target) || readFileSync(target, 'utf8') !== text) {
    console.error('docs/CONFIGURATION.md is stale: run npm run generate');
    process.exitCode = 1;
  }
} else {
  writeFileSync(target, text);
}
