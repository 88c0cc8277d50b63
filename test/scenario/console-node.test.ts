import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { goTo, logIn, openBrowser, takeScreens, withoutBrowser } from './browser.js';
import { letter, numbered } from './letters.js';
import { submit } from './mail-sender.js';
import { scratchFolder } from './programs.js';
import { startTopology } from './running-topology.js';
import { until } from './waiting.js';

const PASSWORD = 'a-password-that-no-page-may-show';

const TOPOLOGY = `version: 1
name: looked-at
secrets:
  link: { file: link-password }
tls: { ephemeral: true }
nodes:
  edge:
    listen:
      - { name: submission, port: auto, tls: required }
      - { name: relay, port: auto }
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: exit
  exit:
    listen: [{ port: auto, tls: required }]
    api: { port: auto }
    smarthost: mx
links:
  - { from: edge, to: exit, username: edge, password: { secret: link }, tls: verified }
sinks:
  mx: { port: auto }
`;

test('a node in the console', { skip: withoutBrowser() }, async (t) => {
  const folder = await scratchFolder(t);
  await writeFile(`${folder}/link-password`, PASSWORD);
  const topology = await startTopology(t, TOPOLOGY, { folder });
  const recipients = numbered(30, 'seen', 'node.test');
  for (const recipient of recipients) {
    await submit(topology.relay('edge'), letter({ recipients: recipient }));
  }
  await topology.sink().untilArrived(recipients);

  await t.test('its state, its last hour and its certificates are seen', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge', '/node');
    await page.getByRole('heading', { name: 'Node edge' }).waitFor();
    await page.getByRole('region', { name: 'State' }).getByText('ready', { exact: true }).waitFor();
    const listener = page
      .getByRole('table', { name: 'Listeners' })
      .getByRole('row', { name: /^submission/ });
    await listener.getByText('required').waitFor();
    await page
      .getByRole('table', { name: 'Next hops' })
      .getByRole('row', { name: /^exit/ })
      .waitFor();
    const certificates = page.getByRole('table', { name: 'Certificates' });
    // An ephemeral certificate is for 30 days.
    await certificates
      .getByText(/^(?:29|30) days left$/)
      .first()
      .waitFor();
    assert.match(await certificates.getByRole('row').nth(1).innerText(), /listener|link|tls/);

    // Both forms of the last hour tell of the same messages.
    await page.getByRole('img', { name: /^Latencies\. 30 messages in the last hour/ }).waitFor();
    await page.getByText('As a table').click();
    const hour = page.getByRole('table', { name: 'The last hour' });
    const delivered = async (): Promise<number> => {
      const cells = await hour.locator('td[data-title="Delivered"]').allInnerTexts();
      return cells.reduce((sum, text) => sum + (Number(text) || 0), 0);
    };
    assert.equal(await until('the table', async () => (await delivered()) || null), 30);
    assert.ok((await hour.innerText()).includes('–'), 'time before the start is not known');
    await takeScreens(page, 'node');
  });

  await t.test('another node is chosen, and asked through this one', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge', '/node');
    await page.getByRole('heading', { name: 'Node edge' }).waitFor();
    await page.getByLabel('Node', { exact: true }).selectOption('exit');
    await page.getByRole('heading', { name: 'Node exit' }).waitFor();
    assert.match(page.url(), /\/node\/exit$/);
    await page
      .getByRole('table', { name: 'Listeners' })
      .getByRole('row', { name: /^smtp/ })
      .waitFor();
    assert.equal(await page.getByRole('row', { name: /^submission/ }).count(), 0);
  });

  await t.test('settings are shown without their secrets, and searched', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge', '/node');
    const settings = page.getByRole('region', { name: 'Settings in force' });
    await settings.getByText('password', { exact: true }).first().waitFor();
    assert.ok((await settings.getByText('secret', { exact: true }).count()) > 0);
    const content = await page.content();
    assert.ok(!content.includes(PASSWORD));
    assert.ok(!content.includes(topology.state.apiToken));
    await settings.getByRole('searchbox').fill('spool');
    await until(
      'the others to be gone',
      async () => (await settings.getByRole('listitem').count()) <= 2,
    );
    await settings.getByRole('searchbox').fill('no-setting-is-called-this');
    await settings.getByText('No setting has “no-setting-is-called-this”.').waitFor();
  });

  await t.test('what came of a reload is said', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge', '/node');
    const state = page.getByRole('region', { name: 'State' });
    await state.getByText('none since the start').waitFor();
    await writeFile(topology.file, TOPOLOGY.replace('smarthost: exit', 'smarthost: exot'));
    await topology.signal('edge', 'SIGHUP');
    await state.getByText('refused').waitFor();
    await state.getByText(/exot/).waitFor();
    await writeFile(topology.file, TOPOLOGY);
    await topology.signal('edge', 'SIGHUP');
    await state.getByText('taken').waitFor();
  });

  await t.test('a node that is gone is not shown as one that does nothing', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge', '/node/exit');
    await page.getByRole('region', { name: 'State' }).getByText('ready', { exact: true }).waitFor();
    await topology.end('exit', 'SIGTERM');
    await page
      .getByText(/^as of \d+ s ago: /)
      .first()
      .waitFor();
    await goTo(page, topology, 'edge', '/node/exit');
    await page
      .getByRole('alert')
      .getByText(/^The node could not be asked: /)
      .waitFor();
    assert.equal(await page.getByRole('region', { name: 'State' }).count(), 0);
  });
});
