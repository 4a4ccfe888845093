// Writes docs/METRICS.md from src-ts/admin/metrics-table.ts. `--check` fails when the file is stale.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { METRICS } from '../src-ts/admin/metrics-table.ts';

const target = fileURLToPath(new URL('../docs/METRICS.md', import.meta.url));
const rows = METRICS.map((metric) => {
  const labels = metric.kind === 'histogram' ? '' : metric.labels.map((label) => `\`${label}\``).join(', ');
  return `| \`${metric.name}\` | ${metric.kind} | ${labels} | ${metric.help} |`;
});
const text = `# Metrics

Generated from \`src-ts/admin/metrics-table.ts\` by \`npm run generate\`; do not edit.

\`RAFT_GetMetrics\` gives them for one server, in the text form that Prometheus reads, and so does \`/metrics\` of the
admin endpoint ([ADMIN.md](ADMIN.md)). Every sample has the labels
\`cluster\` (the key \`cluster_id\`) and \`node\` (the key \`id\`), in decimal. Times are in seconds, sizes in bytes; counters
begin at 0 when a server starts. Asking costs the engine about a millisecond, and no callback of the host is waited for.

| metric | kind | further labels | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`;

const current = existsSync(target) ? readFileSync(target, 'utf8') : null;
if (current !== text) {
  if (process.argv.includes('--check')) {
    process.stderr.write('docs/METRICS.md is stale: run npm run generate\n');
    process.exitCode = 1;
  } else {
    writeFileSync(target, text);
  }
}
