/** The two kinds of servers of a mixed cluster, and the client of both. Go and the example programs may be missing. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildDirectory } from '../scenario/figures.ts';

export type Kind = 'polyraft' | 'etcd';

const GO_MINOR_MIN = 26;
const root = fileURLToPath(new URL('../..', import.meta.url));
const binaries = join(root, '.cache', 'interop');

export const kvServer = join(buildDirectory, 'examples', 'kv_server');
export const kvClient = join(buildDirectory, 'examples', 'kv_client');

let builds = 0;

function whyNotHere(): string | null {
  const version = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' });
  const minor = /^go1\.(\d+)/.exec(version.stdout ?? '')?.[1];
  if (minor === undefined) return `Go 1.${GO_MINOR_MIN} or newer is not installed`;
  if (Number(minor) < GO_MINOR_MIN)
    return `Go is ${version.stdout.trim()}, and 1.${GO_MINOR_MIN} is the oldest that will do`;
  if (!existsSync(kvServer)) return `${kvServer} is missing; run: npm run build`;
  return null;
}

/** Why tests with etcd's code cannot run here, in one line; null when they can. */
export const skipReason = whyNotHere();

/** The title of a suite; where it cannot run, that says why, and so does a line of output. */
export function titled(title: string): string {
  if (skipReason === null) return title;
  console.warn(`${title}: skipped, for ${skipReason}`);
  return `${title} (skipped: ${skipReason})`;
}

/**
 * Builds a Go program, of test/interop where nothing else is said, unless that is done. Test files that run side by side
 * may do so at once. Not synchronously: a build with a cold cache takes minutes, and the test's worker must talk to vitest.
 */
export async function buildGo(name: string, source = join(root, 'test', 'interop', name)): Promise<string> {
  const binary = join(binaries, name);
  const changedAt = Math.max(...readdirSync(source).map((file) => statSync(join(source, file)).mtimeMs));
  if (existsSync(binary) && statSync(binary).mtimeMs > changedAt) return binary;
  mkdirSync(binaries, { recursive: true });
  // In place at once: a program that is running cannot be written over.
  const fresh = `${binary}.${process.pid}.${++builds}`;
  await promisify(execFile)('go', ['build', '-buildvcs=false', '-o', fresh, '.'], { cwd: source });
  renameSync(fresh, binary);
  return binary;
}
