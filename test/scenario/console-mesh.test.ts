import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import {
  assertAccessible,
  consoleUrl,
  logIn,
  openBrowser,
  takeScreens,
  withoutBrowser,
} from './browser.js';
import { letter, numbered } from './letters.js';
import { submit } from './mail-sender.js';
import { shippedTopology, startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

test('the console and a browser', { skip: withoutBrowser() }, async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'));

  await t.test('without the token no page shows anything, and the place is kept', async (sub) => {
    const page = await openBrowser(sub);
    await page.goto(consoleUrl(topology, 'edge', '/queues?state=backoff'));
    assert.equal(await page.getByRole('navigation').count(), 0);
    await page.getByLabel('API token of this node').fill('not-the-token');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').getByText('This is not the token of this node.').waitFor();
    await takeScreens(page, 'login');
    await page.getByLabel('API token of this node').fill(topology.state.apiToken);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Queues', level: 1 }).waitFor();
    assert.equal(await page.getByLabel('State', { exact: true }).inputValue(), 'backoff');
    // It is nowhere that another tab, or the next one to sit here, could read it.
    const kept = await page.evaluate<string>('JSON.stringify(localStorage) + document.cookie');
    assert.ok(!kept.includes(topology.state.apiToken));
    assert.ok(!(await page.content()).includes(topology.state.apiToken));
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
  });

  await t.test('the first thing that Tab reaches skips to the content', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge');
    await page.reload();
    await page.getByRole('heading', { name: 'Mesh' }).waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await focusedText(page), 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate('document.activeElement.id'), 'content');
  });

  await t.test('the theme is chosen, and stays', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge');
    const ground = (): Promise<string> =>
      page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
    const light = await ground();
    const theme = page.getByRole('button', { name: /^Theme|Theme:/ });
    await theme.click();
    await theme.click();
    assert.notEqual(await ground(), light);
    const dark = await ground();
    await page.reload();
    await page.getByRole('heading', { name: 'Mesh' }).waitFor();
    assert.equal(await ground(), dark);
  });

  await t.test('where mail is stuck, and why, is seen and reached by keyboard', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge');
    await page.getByText('Every hop takes mail.').waitFor();
    await picture(page)
      .getByRole('button', { name: /^exit → mx: / })
      .waitFor();
    await sendSome(topology, 'flows', 30);
    await picture(page)
      .getByRole('button', { name: /^edge → core: \d\d a minute, .*TLS verified, login$/ })
      .waitFor();
    await takeScreens(page, 'mesh-flows');

    await topology.end('exit', 'SIGTERM');
    await sendSome(topology, 'stuck', 12);
    const attention = page.getByRole('region', { name: 'What needs attention' });
    await attention.getByText('exit does not answer').waitFor();
    await attention.getByRole('link', { name: /^core → exit: .*, 12 waiting/ }).waitFor();
    // Its figures are not known, which is not 0.
    const row = page.getByRole('table', { name: 'Nodes' }).getByRole('row', { name: /^exit/ });
    assert.equal((await row.innerText()).split('not known: exit does not answer').length - 1, 3);
    const silent = picture(page).getByRole('button', { name: /^exit → mx: not known/ });
    await silent.waitFor();

    const stuck = picture(page).getByRole('button', { name: /^core → exit: .*12 waiting/ });
    await stuck.focus();
    await page.keyboard.press('Enter');
    const panel = page.getByRole('complementary', { name: 'core → exit' });
    await panel.getByText('ECONNREFUSED').waitFor();
    assert.equal(await focusedText(page), 'core → exit');
    await takeScreens(page, 'mesh-stuck');
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'detached' });
    await until('the focus to be back', async () =>
      (await focusedText(page)).startsWith('core → exit'),
    );

    await attention.getByRole('link', { name: /^core → exit/ }).click();
    await panel.getByRole('link', { name: '(smarthost)' }).click();
    await page.getByRole('heading', { name: '(smarthost)', level: 1 }).waitFor();
    assert.match(page.url(), /\/queues\/core\/\(smarthost\)$|\/queues\/core\/%28smarthost%29$/);
    await topology.startByHand('exit');
    await topology.sink().untilArrived(numbered(12, 'stuck', 'mesh.test'));
    await page.getByRole('link', { name: 'Mesh' }).click();
    await page.getByText('Every hop takes mail.').waitFor();
  });

  await t.test('what is shown says how old it is when its node is gone', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'core');
    await page.getByTestId('connection').getByText('live').waitFor();
    await picture(page)
      .getByRole('button', { name: /^edge → core/ })
      .waitFor();
    await topology.end('core', 'SIGTERM');
    await page.getByText(/^as of \d+ s ago: this node does not answer/).waitFor();
    await page
      .getByTestId('connection')
      .getByText(/^no answer for/)
      .waitFor();
    // The last that was known stays.
    await picture(page)
      .getByRole('button', { name: /^edge → core/ })
      .waitFor();
    await assertAccessible(page, 'the page of a node that is gone');
  });
});

function picture(page: Page): ReturnType<Page['getByRole']> {
  return page.getByRole('group', { name: 'Nodes and the links between them' });
}

function focusedText(page: Page): Promise<string> {
  return page.evaluate('document.activeElement.textContent');
}

async function sendSome(topology: RunningTopology, name: string, count: number): Promise<void> {
  for (const recipients of numbered(count, name, 'mesh.test')) {
    await submit(topology.relay('edge'), letter({ recipients }));
  }
}
