/** The page in a real browser, over three servers under load: what it shows, to whom, and what it leaves alone. */
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../real-cluster.ts';
import { findChromium, openBrowser } from './browser.ts';
import { PageCluster } from './page-cluster.ts';

const WINDOW = 4;
/** So many seconds of the load are missed by the node that is down: more than what is not worth a warning. */
const MISSED_SECONDS = 6;
const MISSED_LEAST = 3_000;
const PATIENCE_MS = 60_000;
const NARROW = { width: 360, height: 740 };
const WIDE = { width: 1200, height: 900 };
const FOCUSABLE = 'a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex="-1"])';

const chromium = findChromium();
if (chromium.program === null) console.warn(`the page is not tested in a browser: ${chromium.missing}`);

describe.skipIf(chromium.program === null)('the page in Chromium', () => {
  let cluster: PageCluster;
  let browser: Browser;
  let page: Page;
  let leader: number;
  const requested = new Set<string>();
  const complaints: string[] = [];

  beforeAll(async () => {
    [cluster, browser] = await Promise.all([PageCluster.start('process'), openBrowser(chromium.program!)]);
    leader = await cluster.leader();
    cluster.startLoad(WINDOW);
    page = await browser.newPage({ viewport: WIDE });
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('request', (request) => requested.add(new URL(request.url()).origin));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    await page.goto(cluster.url(leader));
  }, PATIENCE_MS);

  afterAll(async () => {
    await browser?.close();
    await cluster?.end();
  });

  afterEach(() => {
    expect(complaints).toEqual([]);
    expect([...requested]).toEqual([new URL(cluster.url(leader)).origin]);
  });

  const shows = (selector: string, text: string | RegExp): Promise<void> =>
    page.locator(selector, { hasText: text }).first().waitFor();

  async function expectNoViolation(when: string): Promise<void> {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(axe.source);
      const violations = (await page.evaluate(
        'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations.map((one) => one.id + ": " + one.nodes.map((node) => node.html + " " + node.failureSummary).join("; ")))',
      )) as string[];
      expect(violations, `${when}, ${colorScheme}`).toEqual([]);
    }
    await page.emulateMedia({ colorScheme: 'light' });
  }

  async function expectNoSideways(when: string): Promise<void> {
    await page.setViewportSize(NARROW);
    const outside = await page.evaluate(`[
      document.documentElement.scrollWidth,
      ...Array.from(document.querySelectorAll('#page *'))
        .filter((element) => element.getBoundingClientRect().right > ${NARROW.width} + 0.5)
        .map((element) => element.outerHTML.slice(0, 100)),
    ]`);
    expect(outside, when).toEqual([NARROW.width]);
    await page.setViewportSize(WIDE);
  }

  async function commitRate(): Promise<number> {
    const tile = page.locator('.tile', { hasText: 'Commits a second' });
    return Number((await tile.locator('.value').innerText()).replaceAll(',', '').replace('–', '0'));
  }

  /** The widths of the bars of a node, in parts of the whole. */
  const bars = async (id: number): Promise<{ match: number; commit: number }> =>
    (await page.evaluate(`(() => {
      const row = [...document.querySelectorAll('.nodes li')].find((each) =>
        each.querySelector('h3').textContent.startsWith('node ${id}'));
      const whole = row.querySelector('.bar').getBoundingClientRect().width;
      const part = (name) => row.querySelector('.bar .' + name).getBoundingClientRect().width / whole;
      return { match: part('match'), commit: part('commit') };
    })()`)) as { match: number; commit: number };

  test(
    'shows roles, terms, logs as bars, charts and elections of a cluster under load',
    async () => {
      await shows('.tile', `node ${leader}`);
      await shows('.tile', '3 of 3');
      for (const id of [1, 2, 3]) {
        const row = page.locator('.nodes li', { hasText: `node ${id}` });
        await row.locator('.badge', { hasText: id === leader ? 'leader' : 'follower' }).waitFor();
        await row.locator('dl div', { hasText: /^term\d/ }).waitFor();
        await row.locator('[role=img][aria-label*="committed up to"]').waitFor();
      }
      await eventually('the end of the log, committed, in each bar', async () => {
        const all = await Promise.all([1, 2, 3].map((id) => bars(id)));
        return all.every(({ match, commit }) => match > 0.5 && commit > 0.5 && match >= commit - 0.001);
      });
      await shows('.card tbody tr', `node ${leader}`);
      // Several seconds of load, in both charts.
      await eventually('lines in the charts', async () => {
        const points = (await page.evaluate(
          `[...document.querySelectorAll('.plot .line')].map((line) => (line.getAttribute('d').match(/[ML]/g) ?? []).length)`,
        )) as number[];
        return points.length === 3 && points.every((count) => count >= 3);
      });
      await eventually('commits a second', async () => (await commitRate()) > 0);
    },
    PATIENCE_MS,
  );

  test(
    'the keyboard reaches everything, and reads the charts',
    async () => {
      const ends = (await page.evaluate(`document.querySelectorAll('${FOCUSABLE}').length`)) as number;
      const reached = new Set<string>();
      await page.evaluate('document.activeElement?.blur()');
      for (let i = 0; i < ends; i++) {
        await page.keyboard.press('Tab');
        reached.add(
          (await page.evaluate(
            `(() => { const at = [...document.querySelectorAll('${FOCUSABLE}')].indexOf(document.activeElement);
             return at < 0 ? '' : String(at) + (getComputedStyle(document.activeElement).outlineStyle === 'none'
               && getComputedStyle(document.activeElement.nextElementSibling ?? document.activeElement).outlineStyle === 'none'
               ? ' without a sign' : ''); })()`,
          )) as string,
        );
      }
      reached.delete('');
      expect([...reached].filter((each) => each.includes('without'))).toEqual([]);
      // Of the two radio buttons the one that is chosen; arrows go to the other.
      expect(reached.size).toBe(ends - 1);
      await page.locator('.spans input:checked').focus();
      await page.keyboard.press('ArrowRight');
      await shows('.plot + .axis', '10 min ago');
      await page.keyboard.press('ArrowLeft');
      await shows('.plot + .axis', '2 min ago');
      const chart = page.locator('.chart', { hasText: 'Throughput' });
      await chart.locator('.plot').focus();
      await page.keyboard.press('Home');
      const first = await chart.locator('.reading').innerText();
      expect(first).toMatch(/^\d\d:\d\d:\d\d {2}[\d,]+$/);
      await page.keyboard.press('ArrowRight');
      await eventually(
        'the next second',
        async () => (await chart.locator('.reading').innerText()) !== first,
      );
      await page.keyboard.press('Escape');
      await eventually('no reading', async () => (await chart.locator('.reading').innerText()) === '');
    },
    PATIENCE_MS,
  );

  test(
    'axe finds nothing wrong with it, and a phone need not scroll sideways',
    async () => {
      await expectNoViolation('healthy');
      await expectNoSideways('healthy');
      await page.setViewportSize(NARROW);
      await expectNoViolation('healthy and narrow');
      await page.setViewportSize(WIDE);
    },
    PATIENCE_MS,
  );

  test(
    'says in words that a node is down, and how it catches up',
    async () => {
      const victim = (leader % 3) + 1;
      await cluster.node(victim).process.kill('SIGKILL');
      await shows(
        '.warnings li',
        '2 of 3 voters can be reached: if one more fails, nothing can be committed',
      );
      await shows(
        '.warnings li',
        new RegExp(`node ${victim} was last heard of .* ago, and is [\\d,]+ entries behind`),
      );
      await shows('.tile.warning', '2 of 3');
      await shows('.nodes li', /unreachable/);
      expect(await page.title()).toMatch(/^⚠ /);
      await expectNoViolation('one node down');
      await expectNoSideways('one node down');
      await eventually('a backlog', async () => {
        const row = (await cluster.view(leader)).nodes.find(({ id }) => id === String(victim));
        return (row?.behind ?? 0) > Math.max(MISSED_LEAST, MISSED_SECONDS * (await commitRate()));
      });
      await cluster.stopLoad();
      await cluster.kv.restart(cluster.node(victim));
      await cluster.whileHampered(
        victim,
        shows(
          '.warnings li',
          new RegExp(`node ${victim} is [\\d,]+ entries behind; catching up at [\\d,]+/s, there in about`),
        ),
      );
      const row = page.locator('.nodes li', { hasText: `node ${victim}` });
      await row.locator('.lag', { hasText: 'in sync' }).waitFor();
      await eventually(
        'no word of it',
        async () => !(await page.locator('.warnings').innerText()).includes(`node ${victim}`),
      );
    },
    2 * PATIENCE_MS,
  );

  test(
    'tells that it is old when its server does not answer',
    async () => {
      await cluster.node(leader).process.kill('SIGKILL');
      await shows('.live.old', /no answer for .* s; what is shown is old/);
      // Requests without an answer are the browser's to complain about.
      expect(complaints.filter((each) => !each.includes('ERR_CONNECTION_REFUSED'))).toEqual([]);
      complaints.length = 0;
    },
    PATIENCE_MS,
  );
});
