/** Chromium without a window, by playwright-core. */
import { existsSync } from 'node:fs';
import type { Browser } from 'playwright-core';

/** The oldest Node that playwright-core runs on; polyraft itself is content with less. */
const OLDEST_NODE = 20;
const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export interface Found {
  /** Null when there is none. */
  readonly program: string | null;
  /** Why there is none. */
  readonly missing: string;
}

/** CHROMIUM names the program; else it is looked for where distributions put it. */
export function findChromium(): Found {
  const named = process.env['CHROMIUM'];
  if (named !== undefined && named !== '')
    return existsSync(named)
      ? { program: named, missing: '' }
      : { program: null, missing: `CHROMIUM names ${named}, which does not exist` };
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE)
    return { program: null, missing: `Node ${process.versions.node} is too old for playwright-core` };
  const program = CANDIDATES.find((path) => existsSync(path)) ?? null;
  return { program, missing: program === null ? `no ${CANDIDATES.join(', ')}, and CHROMIUM is not set` : '' };
}

export async function openBrowser(program: string): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath: program, args: ['--disable-gpu', '--disable-dev-shm-usage'] });
}
