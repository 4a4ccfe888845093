// What is generated from one definition is what that definition says now.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('generated files', () => {
  it('agree with definitions/polyraft.json', () => {
    execFileSync(process.execPath, ['scripts/generate-definitions.mjs', '--check'], { cwd: root });
  });

  it('agree with the table of metrics', () => {
    execFileSync('npx', ['tsx', 'scripts/generate-metrics.ts', '--check'], { cwd: root });
  });

  it('agree with the sources of the page', () => {
    execFileSync('npx', ['tsx', 'scripts/generate-page.ts', '--check'], { cwd: root });
  });

  it('agree with the schema of the configuration', () => {
    execFileSync('npx', ['tsx', 'scripts/generate-configuration.ts', '--check'], { cwd: root });
  });
});
