import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Locator, Page } from 'playwright-core';
import { startRecordingServer } from '../smarthost/recording-server.js';
import {
  assertAccessible,
  goTo,
  logIn,
  openBrowser,
  takeScreens,
  withoutBrowser,
} from './browser.js';
import { letter, numbered } from './letters.js';
import { submit } from './mail-sender.js';
import { scratchFolder } from './programs.js';
import { reload } from './reload.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const RIGHT = 'the-right-password';
/** A pause this long lets an operator act before the queue does by itself. */
const LONG_PAUSE_MS = 6500;

const TOPOLOGY = `version: 1
name: stuck
secrets:
  edge-core: { generate: true }
  core-exit: { file: link-password }
tls: { ephemeral: true }
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: core
  core:
    listen: [{ port: auto, tls: required }]
    api: { port: auto }
    smarthost: exit
  exit:
    listen: [{ port: auto, tls: required }]
    api: { port: auto }
    smarthost: mx
links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core }, tls: verified }
  - { from: core, to: exit, username: core, password: { secret: core-exit }, tls: verified }
sinks:
  mx: { port: auto }
`;

const TO_ONE_HOP = `version: 1
name: quarantined
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: { hostname: 127.0.0.1, port: PORT, tls: none }
`;

test('messages in the console', { skip: withoutBrowser() }, async (t) => {
  const folder = await scratchFolder(t);
  const passwordFile = path.join(folder, 'link-password');
  await writeFile(passwordFile, RIGHT);
  const topology = await startTopology(t, TOPOLOGY, { folder });

  await t.test('a message is followed over all nodes to its end', async (sub) => {
    const page = await openBrowser(sub);
    await send(topology, 'goes@stuck.test');
    await topology.sink().untilMessage('goes@stuck.test');
    await logIn(page, topology, 'edge', '/messages');
    await page.getByRole('link', { name: 'goes@stuck.test' }).click();
    await position(page, /^Delivered: mx has it/);
    for (const node of ['edge', 'core', 'exit']) {
      const bars = page.getByRole('group', { name: `Attempts at ${node}` });
      assert.equal(await bars.getByRole('button', { name: /: accepted 250/ }).count(), 1);
    }
    // The focus moves with the arrows, and what is told with it.
    await page.getByRole('button', { name: /^Attempt 1 to mx/ }).focus();
    await page.keyboard.press('ArrowUp');
    await page.getByRole('region', { name: 'Attempt 1 at core' }).getByText('TLSv1.3').waitFor();
    await page.keyboard.press('Home');
    await page.getByRole('region', { name: 'Attempt 1 at edge' }).waitFor();
    assert.match(await page.evaluate<string>('document.activeElement.ariaLabel'), /to core/);
    assert.equal(await page.getByRole('button', { name: 'Retry now' }).count(), 0);
    await page.getByText('As text').click();
    await page.locator('pre').getByText('● edge').waitFor();
    await takeScreens(page, 'message-delivered');
  });

  await breakLogin(topology, passwordFile);

  await t.test(
    'the stuck message is found, its reason read, mended, tried, seen arrive',
    async (sub) => {
      const page = await openBrowser(sub);
      await send(topology, 'stuck@stuck.test');
      await logIn(page, topology, 'edge', '/messages');
      await page.getByLabel('Recipient').fill('stuck@stuck.test');
      await page.keyboard.press('Enter');
      const row = page.getByRole('row', { name: /stuck@stuck\.test/ });
      await row.getByText('delayed').waitFor();
      await row.getByText('535 5.7.8').waitFor();
      await takeScreens(page, 'messages-found');
      await row.getByRole('link').click();

      await position(page, /^Waiting at core for exit since .*: the login failed: 535 5\.7\.8/);
      const waiting = page.getByRole('region', { name: 'Waiting at core' });
      await waiting.getByText('backoff').waitFor();
      await page
        .getByRole('button', { name: /^Attempt 2 to exit: error in auth\w* 535/ })
        .waitFor();
      await takeScreens(page, 'message-stuck');
      const plannedMs = await untilLongPause(topology);

      await writeFile(passwordFile, RIGHT);
      await reload(topology, 'exit');
      await waiting.getByRole('button', { name: 'Retry now' }).click();
      const notice = page.getByRole('status').getByText('is tried now at core');
      await notice.getByText(/relaymesh queue retry --message \w+ --node core --url/).waitFor();
      await position(page, /^Delivered: mx has it/);
      await waiting.waitFor({ state: 'detached' });
      assert.equal((await topology.sink().messages('stuck@stuck.test')).length, 1);
      const [record] = await topology.api('core').records('stuck@stuck.test');
      const tried = record?.attempts.at(-1);
      assert.ok(Date.parse(tried?.started_at ?? '') < plannedMs, 'it went before it would have');
      // Its retries stay to be seen.
      await page.getByRole('button', { name: /^Attempt 2 to exit: error/ }).waitFor();
      await page.getByText('Results at core').click();
      const results = page.getByRole('table', { name: 'Results at core' });
      await results.getByRole('row', { name: /stuck@stuck\.test accepted/ }).waitFor();
      await takeScreens(page, 'message-arrived');
    },
  );

  await breakLogin(topology, passwordFile);

  await t.test('a message is held, released and deleted where it waits', async (sub) => {
    const page = await openBrowser(sub);
    await send(topology, 'held@stuck.test');
    await topology.api('core').untilRecord('held@stuck.test');
    await logIn(
      page,
      topology,
      'edge',
      `/messages/core/${await queueId(topology, 'held@stuck.test')}`,
    );
    await position(page, /^Waiting at core for exit/);
    await untilLongPause(topology);
    await page.getByRole('button', { name: 'Hold' }).click();
    await position(page, /an operator holds it/);
    assert.ok(await page.getByRole('button', { name: 'Retry now' }).isDisabled());
    await page.getByText('Header fields at core').click();
    await page.getByRole('row', { name: /^Subject held@stuck\.test/ }).waitFor();
    await page.getByRole('button', { name: 'Release' }).click();
    await position(page, /the login failed/);

    const remove = page.getByRole('button', { name: 'Delete' });
    await remove.click();
    const dialog = page.getByRole('dialog', { name: 'Delete this message for good?' });
    await dialog.getByText(/held@stuck\.test will not get it/).waitFor();
    await dialog.getByText(/relaymesh queue delete --message \w+ --node core/).waitFor();
    await assertAccessible(page, 'the dialog');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'Delete');
    await remove.click();
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await position(page, /^Given up at core: .*deleted by an operator/);
    assert.deepEqual(await topology.sink().messages('held@stuck.test'), []);
  });

  await t.test('a search is merged over all nodes, page by page', async (sub) => {
    const page = await openBrowser(sub);
    const recipients = numbered(60, 'many', 'stuck.test');
    for (const recipient of recipients) await send(topology, recipient);
    await until('all to wait at core', async () => {
      const [queue] = await topology.api('core').queues();
      return queue !== undefined && queue.ready + queue.deferred + queue.sending >= 60;
    });
    await logIn(page, topology, 'edge', '/messages');
    const rows = page.getByRole('table', { name: 'Messages, newest first' }).getByRole('row');
    await rows.getByText('many-60@stuck.test').waitFor();
    await page.getByRole('button', { name: 'Show older ones' }).click();
    await page.getByRole('button', { name: 'Show older ones' }).click();
    await rows.getByText('many-1@stuck.test').waitFor();
    assert.equal(await rows.getByText(/^many-\d+@stuck\.test$/).count(), 60);

    await page.getByLabel('State at a node').selectOption('failed');
    await page.getByRole('button', { name: 'Search' }).click();
    await rows.getByText('held@stuck.test').waitFor();
    assert.equal(await rows.count(), 2);
    assert.match(page.url(), /\?state=failed$/);
    await page.goBack();
    await rows.getByText('many-60@stuck.test').waitFor();

    await page.getByLabel('Since').fill('yesterday');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('“yesterday” is no time').waitFor();
    await page.getByLabel('Since').fill('2001-01-01');
    await page.getByLabel('Until').fill('2001-01-02');
    await page.keyboard.press('Enter');
    await page.getByText('No message fits.').waitFor();
  });

  await t.test('ids lead to their message from any node, and unknown ones say so', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'exit', '/messages');
    const open = async (id: string): Promise<void> => {
      await page.getByLabel(/^Or open/).fill(id);
      await page.keyboard.press('Enter');
    };
    await open('<goes.stuck.test@scenario.test>');
    await position(page, /^Delivered: mx has it/);
    await page.getByRole('link', { name: 'Messages' }).last().click();
    await open('0123456789abcdef0123456789abcdef');
    await page.getByRole('alert').getByText('No node that could be asked has a record').waitFor();
  });

  await t.test('a node that cannot be asked is named, in a search and on the way', async (sub) => {
    const page = await openBrowser(sub);
    await topology.end('exit', 'SIGTERM');
    await logIn(page, topology, 'edge', '/messages');
    await page.getByText(/^exit could not be asked: /).waitFor();
    await goTo(
      page,
      topology,
      'edge',
      `/messages/edge/${await queueIdAt(topology, 'edge', 'goes@stuck.test')}`,
    );
    await position(page, /^Last seen leaving core for exit; exit could not be asked/);
    await page
      .getByRole('listitem')
      .getByText(/^could not be asked: /)
      .waitFor();
    await takeScreens(page, 'message-unreachable');
  });
});

test(
  'what lies in quarantine is tried again from its page',
  { skip: withoutBrowser() },
  async (t) => {
    const refused = new Set(['report@stuck.test']);
    const hop = await startRecordingServer(t, {
      replies: {
        RCPT: (session, line) => {
          const address = /<(.*?)>/.exec(line)?.[1] ?? '';
          session.say(refused.has(address) ? '550 5.1.1 no such user' : '250 2.1.5 ok');
        },
      },
    });
    const topology = await startTopology(t, TO_ONE_HOP.replace('PORT', String(hop.port)));
    const report = letter({ sender: '', recipients: 'report@stuck.test' });
    await submit(topology.relay('edge'), report);
    await topology.api('edge').untilRecord('report@stuck.test');
    const page = await openBrowser(t);
    const id = await queueIdAt(topology, 'edge', 'report@stuck.test');
    await logIn(page, topology, 'edge', `/messages/edge/${id}`);
    const place = page.getByRole('region', { name: 'In quarantine at edge' });
    await place.getByText('no such user').waitFor();
    assert.equal(await place.getByRole('button', { name: 'Hold' }).count(), 0);
    await takeScreens(page, 'message-quarantined');
    refused.clear();
    await place.getByRole('button', { name: 'Retry now' }).click();
    await until('the message at the hop', () => hop.messages.length === 1);
    await place.waitFor({ state: 'detached' });
  },
);

async function send(topology: RunningTopology, recipient: string): Promise<void> {
  await submit(topology.relay('edge'), letter({ recipients: recipient }));
}

/** The sentence that says where the message is now. */
async function position(page: Page, words: RegExp): Promise<void> {
  const sentence: Locator = page
    .getByRole('article')
    .getByRole('status')
    .filter({ hasText: words });
  await sentence.waitFor();
}

/** From now on exit knows core by another password. What is logged in already is cut. */
async function breakLogin(topology: RunningTopology, passwordFile: string): Promise<void> {
  await writeFile(passwordFile, 'another-password');
  await topology.end('exit', 'SIGTERM');
  await topology.startByHand('exit');
}

/** The queue of core has been refused so often that it asks exit again much later: then. */
function untilLongPause(topology: RunningTopology): Promise<number> {
  return until('a long pause of the queue', async () => {
    const [queue] = await topology.api('core').queues();
    const nextMs = Date.parse(queue?.next_attempt_at ?? '');
    return nextMs - Date.now() > LONG_PAUSE_MS ? nextMs : null;
  });
}

function queueId(topology: RunningTopology, recipient: string): Promise<string> {
  return queueIdAt(topology, 'core', recipient);
}

async function queueIdAt(
  topology: RunningTopology,
  node: string,
  recipient: string,
): Promise<string> {
  const [record] = await topology.api(node).records(recipient);
  assert.ok(record !== undefined);
  return record.queue_id;
}
