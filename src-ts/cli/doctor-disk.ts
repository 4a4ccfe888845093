/** Directories, free space, sync latency, the secret's file. */
import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { readToken } from '../admin/token.ts';
import { bytes } from '../admin/units.ts';
import type { ServerConfig } from '../server/api.ts';
import { textOf } from '../server/errors.ts';
import type { Finding } from './finding.ts';
import { measureSyncs } from './sync-latency.ts';

const SYNCS = 100;
/** Several segments of the log and a snapshot or two. */
const FREE_BYTES_LEAST = 1024 ** 3;
const TMPFS = 0x01021994;
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB',
};

/** The directory, or the nearest one above it that is there. */
async function existing(path: string): Promise<string> {
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      await stat(at);
      return at;
    } catch {
      if (at === dirname(at)) return at;
    }
  }
}

export async function checkDirectory(check: string, path: string): Promise<readonly Finding[]> {
  const place = await existing(path);
  try {
    if (!(await stat(place)).isDirectory())
      return [
        { check, result: 'problem', text: `${place} is not a directory`, advice: 'move the file away' },
      ];
    await access(place, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const advice = `let the user of the server write there: chown or chmod ${place}`;
    return [{ check, result: 'problem', text: `${place}: ${textOf(error)}`, advice }];
  }
  const found: Finding[] = [];
  const { bavail, bsize, type } = await statfs(place);
  const free = bavail * bsize;
  const is = place === resolve(path) ? `${path}:` : `${path} will be made in ${place};`;
  if (free < FREE_BYTES_LEAST)
    found.push({
      check,
      result: 'warning',
      text: `${is} ${bytes(free)} are free`,
      advice: 'a server stops when its disk is full: give it room, or set max_wal_files and max_snap_files',
    });
  else found.push({ check, result: 'ok', text: `${is} ${bytes(free)} are free` });
  if (type === TMPFS)
    found.push({
      check,
      result: 'warning',
      text: `${place} is in memory (tmpfs)`,
      advice: 'all of it is lost when the machine restarts; use a disk',
    });
  const network = NETWORK_FILE_SYSTEMS[type];
  if (network !== undefined)
    found.push({
      check,
      result: 'warning',
      text: `${place} is on ${network}`,
      advice: 'locks and syncs of network file systems cannot be relied on; use a local disk',
    });
  return found;
}

/** A leader's log must be synced well within the time in which followers wait for it. */
export async function checkSyncs(config: ServerConfig): Promise<Finding> {
  const check = 'disk';
  try {
    const { p50Ms, p99Ms, maxMs, count } = await measureSyncs(await existing(config.walDirectory), SYNCS);
    const text = `a sync takes ${p50Ms.toFixed(2)} ms (median), ${p99Ms.toFixed(2)} ms (1 in 100), ${maxMs.toFixed(2)} ms (longest of ${count})`;
    const electionMs = config.electionTick * config.tickMs;
    const heartbeatMs = config.heartbeatTick * config.tickMs;
    if (p99Ms > electionMs / 2)
      return {
        check,
        result: 'problem',
        text,
        advice: `that is more than half of an election timeout (${electionMs} ms): use a faster disk, or raise election_tick`,
      };
    if (p99Ms > heartbeatMs)
      return {
        check,
        result: 'warning',
        text,
        advice: `that is longer than the time between heartbeats (${heartbeatMs} ms): every commit waits for it`,
      };
    return { check, result: 'ok', text };
  } catch (error) {
    return {
      check,
      result: 'problem',
      text: textOf(error),
      advice: 'the log could not be written there either',
    };
  }
}

export async function checkToken(path: string): Promise<Finding> {
  const check = 'admin_token_file';
  try {
    await readToken(path);
    if (((await stat(path)).mode & 0o077) !== 0)
      return {
        check,
        result: 'warning',
        text: `${path} can be read by others on this machine`,
        advice: `chmod 600 ${path}`,
      };
    return { check, result: 'ok', text: `${path} has a secret` };
  } catch (error) {
    return { check, result: 'problem', text: textOf(error).replace('admin_token_file ', '') };
  }
}
