import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startRecordingServer } from '../smarthost/recording-server.js';
import { goTo, logIn, openBrowser, takeScreens, withoutBrowser } from './browser.js';
import { letter } from './letters.js';
import { submit } from './mail-sender.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

/** A reply that would turn the rest of its line around. */
const WORDS = 'no such\u202e user';
const SHOWN_WORDS = 'no such\\u{202e} user';
const PLACE = `/queues/edge/${encodeURIComponent('(quarantine)')}`;

test('what waits for an operator is seen and decided', { skip: withoutBrowser() }, async (t) => {
  const { topology, mend } = await startBench(t);
  for (const recipients of ['first@quarantine.test', 'second@quarantine.test']) {
    await submit(topology.relay('edge'), letter({ sender: '', recipients }));
  }
  const held = async (): Promise<number> =>
    (await topology.api('edge').get<{ messages: unknown[] }>('/v1/quarantine')).messages.length;
  await until('both in quarantine', async () => (await held()) === 2);

  const page = await openBrowser(t);
  await logIn(page, topology, 'edge');
  await page.getByRole('link', { name: '2 in quarantine at edge' }).waitFor();
  await goTo(page, topology, 'edge', '/queues');
  await page.getByRole('link', { name: '(quarantine)' }).click();
  const row = (name: string) =>
    page.getByRole('row').filter({ hasText: `${name}@quarantine.test` });
  await row('first').getByText('undeliverable').waitFor();
  await row('first').getByText(SHOWN_WORDS).waitFor();
  await row('first').getByText('null sender').waitFor();
  await takeScreens(page, 'quarantine-held');

  await row('first')
    .getByRole('button', { name: /^Delete/ })
    .click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/relaymesh queue delete --message \w+ --url/).waitFor();
  assert.equal(await held(), 2);
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await row('first').waitFor({ state: 'detached' });
  assert.equal(await held(), 1);

  const taken = mend();
  await row('second')
    .getByRole('button', { name: /^Try again: / })
    .click();
  await row('second').waitFor({ state: 'detached' });
  await until('its arrival', () => taken().length === 1);
  await goTo(page, topology, 'edge', PLACE);
  await page.getByText('Nothing is in quarantine.').waitFor();
});

/** A node whose next hop refuses every recipient until it is mended. */
async function startBench(
  t: TestContext,
): Promise<{ topology: RunningTopology; mend: () => () => readonly unknown[] }> {
  let isWell = false;
  const hop = await startRecordingServer(t, {
    replies: {
      RCPT: (session) => session.say(isWell ? '250 2.1.5 ok' : `550 5.1.1 ${WORDS}`),
    },
  });
  const topology = await startTopology(
    t,
    `version: 1
name: console-quarantine
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: { hostname: 127.0.0.1, port: ${hop.port}, tls: none }
`,
  );
  return {
    topology,
    mend: () => {
      isWell = true;
      return () => hop.messages;
    },
  };
}
