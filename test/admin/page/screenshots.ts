/**
 * Makes docs/images/admin-*.webp from a cluster under load: `npm run screenshots`. Takes some minutes, so that the charts
 * have something to show.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Locator, Page } from 'playwright-core';
import { eventually } from '../real-cluster.ts';
import { findChromium, openBrowser } from './browser.ts';
import { PageCluster } from './page-cluster.ts';

const CHARTS_FILL_MS = Number(process.env['SCREENSHOTS_FILL_MS'] ?? 125_000);
const DOWN_MS = 12_000;
const WINDOW = 16;
const QUALITY = 88;
const PATIENCE_MS = 300_000;

const LOOKS = [
  { name: 'light', colorScheme: 'light', width: 1200 },
  { name: 'dark', colorScheme: 'dark', width: 1200 },
  { name: 'phone', colorScheme: 'light', width: 390 },
] as const;

const directory = resolve(process.argv[2] ?? 'docs/images');

/** `sign` is what the page shows in that state. */
async function picture(page: Page, state: string, sign: Locator): Promise<void> {
  const session = await page.context().newCDPSession(page);
  for (const look of LOOKS) {
    await page.emulateMedia({ colorScheme: look.colorScheme });
    await page.setViewportSize({ width: look.width, height: 800 });
    await sign.waitFor({ timeout: PATIENCE_MS });
    await page.waitForFunction("!document.body.innerText.includes('unknown')", null, {
      timeout: PATIENCE_MS,
    });
    const height = await page.evaluate('document.documentElement.scrollHeight');
    await page.setViewportSize({ width: look.width, height: Number(height) });
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: QUALITY });
    const file = `${directory}/admin-${state}-${look.name}.webp`;
    const bytes = Buffer.from(data, 'base64');
    writeFileSync(file, bytes);
    console.log(`${file}: ${Math.round(bytes.length / 1000)} kB`);
  }
  await session.detach();
}

async function main(): Promise<void> {
  const { program, missing } = findChromium();
  if (program === null) throw new Error(missing);
  mkdirSync(directory, { recursive: true });
  const cluster = await PageCluster.start('process', { max_size_per_msg: 1024 });
  const browser = await openBrowser(program);
  try {
    // One election more than the first one, to be seen in the table.
    const first = await cluster.leader();
    await cluster.node(first).process.kill('SIGKILL');
    const leader = await eventually('another leader', async () => {
      const found = (await cluster.view((first % 3) + 1)).leader;
      return found === null || found === String(first) ? null : Number(found);
    });
    await cluster.kv.restart(cluster.node(first));
    cluster.startLoad(WINDOW);
    const page = await browser.newPage({ deviceScaleFactor: 2 });
    await page.goto(cluster.url(leader));
    await delay(CHARTS_FILL_MS);
    await picture(page, 'healthy', page.locator('.fine'));
    await cluster.node(first).process.kill('SIGKILL');
    const down = page.getByText(`node ${first} was last heard of`);
    await down.waitFor({ timeout: PATIENCE_MS });
    await delay(DOWN_MS);
    await picture(page, 'node-down', down);
    await cluster.kv.restart(cluster.node(first));
    await picture(page, 'catching-up', page.getByText('catching up at'));
  } finally {
    await browser.close();
    await cluster.end();
  }
}

await main();
