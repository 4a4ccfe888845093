import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const MODULE = 'go.etcd.io/raft/v3';
/** The oldest Go 1 minor that builds the module; an older one counts as absent. */
const MINOR_NEEDED = 26;

export type ModuleLookup = { readonly directory: string } | { readonly missing: string };

function go(...args: readonly string[]): { status: number | null; output: string; errors: string } {
  // The toolchain that is there, never a downloaded one.
  const env = { ...process.env, GOTOOLCHAIN: 'local' };
  const result = spawnSync('go', args, { cwd: HERE, encoding: 'utf8', env });
  if (result.error !== undefined) return { status: null, output: '', errors: result.error.message };
  return { status: result.status, output: result.stdout, errors: result.stderr };
}

/** Where the Go module cache keeps the raft module of the version that go.mod pins; downloads it when needed. */
export function findRaftModule(): ModuleLookup {
  const version = go('env', 'GOVERSION');
  if (version.status !== 0) return { missing: 'Go is not installed' };
  const minor = /^go1\.(\d+)/.exec(version.output)?.[1];
  if (minor !== undefined && Number(minor) < MINOR_NEEDED) {
    return { missing: `Go 1.${MINOR_NEEDED} or newer is needed, ${version.output.trim()} is installed` };
  }
  const download = go('mod', 'download', '-json', MODULE);
  if (download.status !== 0) {
    throw new Error(`go mod download ${MODULE} failed: ${download.errors.trim() || download.output.trim()}`);
  }
  return { directory: (JSON.parse(download.output) as { Dir: string }).Dir };
}
