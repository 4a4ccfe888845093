// Writes docs/CONFIGURATION.md from src-ts/facade/config/fields.ts. `--check` fails when the file is stale.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { FIELDS, type Field } from '../src-ts/facade/config/fields.ts';

const target = fileURLToPath(new URL('../docs/CONFIGURATION.md', import.meta.url));

function typeOf(field: Field): string {
  switch (field.kind) {
    case 'integer':
      return `whole number, ${field.unit}, ${field.minimum}..${field.maximum}`;
    case 'boolean':
      return 'true or false';
    case 'id':
      return `whole number, ${field.zeroAllowed ? 0 : 1}..2^64-1`;
    case 'peers':
      return 'list of {"id", "url"}';
    default: {
      const choices = (field.choices ?? []).filter((choice) => choice !== '');
      return choices.length > 0 ? choices.map((choice) => `"${choice}"`).join(' or ') : 'text';
    }
  }
}

function defaultOf(field: Field): string {
  if (!('default' in field) || field.default === null) return 'required';
  return field.default === '' ? '(empty)' : String(field.default);
}

const rows = (Object.entries(FIELDS) as [string, Field][]).map(
  ([name, field]) => `| \`${name}\` | ${typeOf(field)} | ${defaultOf(field)} | ${field.meaning} |`,
);
const text = `# Configuration

Generated from \`src-ts/facade/config/fields.ts\` by \`npm run generate\`; do not edit.

A server is configured by one JSON object, given as text to \`RAFT_NewRaftServer\` or in \`RAFT_Options\`. All of it is
checked before anything is opened; an error names the key (\`peers[1].url\`) and what to do, in \`RAFT_LastError\`. Unknown
keys are warned about with the nearest known name, and refused when \`strict\` is true. Ids keep all 64 bits. Peer URLs
are \`http://host:port\`.

| key | type, unit, range | default | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}

Rules between keys: \`election_tick\` is above \`heartbeat_tick\`; \`peers\` has this node's own \`id\`; ids and URLs in
\`peers\` are unique; \`waldir\` and \`snapdir\` differ.
`;

if (process.argv.includes('--check')) {
  if (!existsSync(target) || readFileSync(target, 'utf8') !== text) {
    console.error('docs/CONFIGURATION.md is stale: run npm run generate');
    process.exitCode = 1;
  }
} else {
  writeFileSync(target, text);
}
