import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import axe, { type AxeResults } from 'axe-core';
import { chromium, type Browser, type Page } from 'playwright-core';
import { atEnd } from './at-end.js';
import { locate, missing } from './programs.js';
import type { RunningTopology } from './running-topology.js';

/** Looked at by people; written anew by each run. */
const SCREENS = fileURLToPath(new URL('../../../.screens/', import.meta.url));

/** Of one step; the machine may be busy with other things. */
const STEP_DEADLINE_MS = 20_000;
const START_DEADLINE_MS = 60_000;
const WIDTHS = [1280, 390] as const;
const THEMES = ['light', 'dark'] as const;

/** Why there is no browser, for a test that needs one; false where there is. */
export function withoutBrowser(): string | false {
  return missing('chromium');
}

/**
 * A tab of Debian's Chromium. The test fails at its end when the page threw an error, asked anything
 * of another host, or broke its Content-Security-Policy.
 */
export async function openBrowser(t: TestContext): Promise<Page> {
  const browser: Browser = await chromium.launch({
    executablePath: locate('chromium') ?? 'chromium',
    // Its sandbox does not work for root.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    timeout: START_DEADLINE_MS,
  });
  const wrong: string[] = [];
  atEnd(t, async () => {
    await browser.close();
    assert.deepEqual(wrong, [], 'what the page did wrong');
  });
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  context.setDefaultTimeout(STEP_DEADLINE_MS);
  const page = await context.newPage();
  page.on('pageerror', (error) => wrong.push(error.stack ?? error.message));
  page.on('console', (message) => {
    // Chromium reports what Content-Security-Policy stops; a refused request is no error of the page.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      wrong.push(message.text());
    }
  });
  let origin: string | null = null;
  page.on('request', (request) => {
    const url = new URL(request.url());
    origin ??= url.origin;
    if (url.origin !== origin && url.protocol !== 'data:') wrong.push(`asks ${url.origin}`);
  });
  return page;
}

/** The address of a page of a node's console. */
export function consoleUrl(topology: RunningTopology, node: string, place = '/'): string {
  const { api } = topology.node(node);
  assert.ok(api !== null);
  return `${api}/console${place}`;
}

/** Opens a page of a node's console and logs in there. */
export async function logIn(
  page: Page,
  topology: RunningTopology,
  node: string,
  place = '/',
): Promise<void> {
  await page.goto(consoleUrl(topology, node, place));
  const { apiToken = topology.state.apiToken } = topology.node(node);
  await page.getByLabel('API token of this node').fill(apiToken);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
}

/** Goes to another page of the console in the same session. */
export async function goTo(
  page: Page,
  topology: RunningTopology,
  node: string,
  place: string,
): Promise<void> {
  await page.goto(consoleUrl(topology, node, place));
}

/** Fails for everything that axe finds serious or critical in the page as it is. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<AxeResults>('axe.run(document)');
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(
    serious.map(({ id, nodes }) => [id, ...nodes.slice(0, 3).map((one) => one.html)]),
    [],
    what,
  );
}

/**
 * Pictures of the page in both themes and both widths, each of them checked by axe, and none wider
 * than the window.
 */
export async function takeScreens(page: Page, name: string): Promise<void> {
  await mkdir(SCREENS, { recursive: true });
  for (const theme of THEMES) {
    for (const width of WIDTHS) {
      await page.emulateMedia({ colorScheme: theme });
      await page.setViewportSize({ width, height: 800 });
      const file = `${name}-${theme}-${width}.png`;
      await page.screenshot({ path: path.join(SCREENS, file), fullPage: true });
      await assertAccessible(page, file);
      const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
      assert.ok(wide <= width, `${file} is ${wide} px wide`);
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 800 });
}
