import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Locator } from 'playwright-core';
import type { Queue } from '../../src/console/pages/queues/queue-names.js';
import { goTo, logIn, openBrowser, takeScreens, withoutBrowser } from './browser.js';
import { letter, numbered } from './letters.js';
import { submit } from './mail-sender.js';
import { shippedTopology, startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const QUEUE = '(smarthost)';
const PLACE = `/queues/core/${encodeURIComponent(QUEUE)}`;

// An operator at edge looks after core, in the order in which it is done.
test('queues in the console', { skip: withoutBrowser() }, async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'));
  const page = await openBrowser(t);
  await logIn(page, topology, 'edge', '/queues');

  await t.test('all queues of all nodes are listed, and found by a word', async () => {
    await sendSome(topology, 'first', 1);
    await topology.sink().untilArrived(['first-1@queues.test']);
    const table = page.getByRole('table', { name: 'Queues' });
    await until('a queue of each node', async () => (await bodyRows(table).count()) === 3);
    await page.getByLabel('Find').fill('core (');
    await until('the queue to core', async () => (await bodyRows(table).count()) === 1);
    assert.match(await bodyRows(table).innerText(), /^\(smarthost\)\s+edge\s+core \(/);
    await page.getByLabel('Find').fill('');
    await page.getByLabel('Node', { exact: true }).selectOption('core');
    await until('the queue of core', async () => /core/.test(await bodyRows(table).innerText()));
    // Sorted by the keyboard, and said so.
    await table.getByRole('button', { name: 'Next hop' }).focus();
    await page.keyboard.press('Enter');
    const head = table.getByRole('columnheader', { name: 'Next hop' });
    assert.equal(await head.getAttribute('aria-sort'), 'ascending');
    await takeScreens(page, 'queues');
  });

  await t.test('a queue is paused by keyboard; the dialog shows the command', async () => {
    await page.getByRole('link', { name: QUEUE }).click();
    await page.getByRole('heading', { name: QUEUE, level: 1 }).waitFor();
    await page.getByRole('button', { name: `Pause ${QUEUE}` }).focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: `Pause ${QUEUE}?` });
    const { api } = topology.node('edge');
    await dialog
      .getByText(`relaymesh queue pause '(smarthost)' --node core --url ${api}`)
      .waitFor();
    await takeScreens(page, 'queue-pause');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal((await queue(topology))?.state, 'active');
    // Whoever closes it is where he was.
    await page.keyboard.press('Enter');
    await dialog.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('status').getByText(`${QUEUE} is paused`).waitFor();
    await until('the pause', async () => (await queue(topology))?.state === 'paused');
    await page.getByRole('button', { name: `Resume ${QUEUE}` }).waitFor();
  });

  await t.test('what waits is seen, held, released and deleted', async () => {
    await sendSome(topology, 'waits', 3);
    const rows = bodyRows(page.getByRole('table', { name: `Messages in ${QUEUE}` }));
    await until('three messages', async () => (await rows.count()) === 3);
    const row = (recipient: string): Locator => rows.filter({ hasText: recipient });
    await row('waits-1@').getByRole('button', { name: /^Hold/ }).click();
    await row('waits-1@').getByText('held', { exact: true }).waitFor();
    await row('waits-2@').getByRole('button', { name: /^Hold/ }).click();
    await row('waits-2@')
      .getByRole('button', { name: /^Release/ })
      .click();
    await row('waits-2@').getByText('ready', { exact: true }).waitFor();
    await row('waits-3@')
      .getByRole('button', { name: /^Delete/ })
      .click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/relaymesh queue delete --message \w+ --node core/).waitFor();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await until('two messages', async () => (await rows.count()) === 2);
    await takeScreens(page, 'queue-messages');
  });

  await t.test('limits are changed while it runs, and only those that were typed', async () => {
    await page.getByLabel('Connections', { exact: true }).fill('0');
    await page.getByText('a whole number from 1 to 10000').waitFor();
    await page.getByLabel('Connections', { exact: true }).fill('3');
    await page.getByLabel('Messages per minute').fill('600');
    await page
      .getByText(/queue limit '\(smarthost\)' max-connections=3 max-messages-per-minute=600/)
      .waitFor();
    await page.getByRole('button', { name: 'Change until the node ends' }).click();
    await page
      .getByRole('status')
      .getByText(/^The limits of \(smarthost\) are changed/)
      .waitFor();
    const { capacity } = (await queue(topology)) ?? assert.fail('no queue');
    assert.deepEqual(
      [capacity.max_connections, capacity.max_messages_per_minute, capacity.idle_timeout_seconds],
      [3, 600, 30],
    );
    await page.getByLabel('Messages per minute').fill('');
    await page.keyboard.press('Enter');
    const isFree = async (): Promise<boolean> =>
      (await queue(topology))?.capacity.max_messages_per_minute === null;
    await until('no limit', isFree);
  });

  await t.test(
    'a resumed queue delivers what is not held, and the rest when released',
    async () => {
      await page.getByRole('button', { name: `Resume ${QUEUE}` }).click();
      await topology.sink().untilArrived(['waits-2@queues.test']);
      await page.getByRole('button', { name: /^Release/ }).click();
      await topology.sink().untilArrived(['waits-1@queues.test']);
      const empty = page.getByText(/^Nothing more waits here\.|^Nothing waits in this queue now\./);
      await empty.waitFor();
    },
  );

  await t.test('a quarantine with nothing in it says so', async () => {
    await goTo(page, topology, 'edge', `/queues/core/${encodeURIComponent('(quarantine)')}`);
    await page.getByText('Nothing is in quarantine.').waitFor();
    await takeScreens(page, 'quarantine');
  });

  await t.test(
    'a token that is refused leads to the login, and back to the same page',
    async () => {
      await goTo(page, topology, 'edge', PLACE);
      await page.getByRole('heading', { name: QUEUE, level: 1 }).waitFor();
      await page.evaluate("sessionStorage.setItem('relaymesh.token', 'not-the-token')");
      await page.reload();
      await page.getByLabel('API token of this node').fill(topology.state.apiToken);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('heading', { name: QUEUE, level: 1 }).waitFor();
    },
  );
});

function bodyRows(table: Locator): Locator {
  return table.getByRole('row').filter({ has: table.page().getByRole('rowheader') });
}

async function queue(topology: RunningTopology): Promise<Queue | undefined> {
  const { queues } = await topology.api('core').get<{ queues: Queue[] }>('/v1/queues');
  return queues.find(({ name }) => name === QUEUE);
}

async function sendSome(topology: RunningTopology, name: string, count: number): Promise<void> {
  for (const recipients of numbered(count, name, 'queues.test')) {
    await submit(topology.relay('edge'), letter({ recipients }));
  }
}
