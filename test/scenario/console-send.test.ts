import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { logIn, openBrowser, takeScreens, withoutBrowser } from './browser.js';
import { scratchFolder } from './programs.js';
import { shippedTopology, startTopology } from './running-topology.js';
import { until } from './waiting.js';

test('sending from the console', { skip: withoutBrowser() }, async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'));

  await t.test('a test message is sent and followed on the same page', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge', '/send');
    await fillEnvelope(page, 'ann@a.test', 'bob@send.test, eve@send.test');
    await page.getByRole('textbox', { name: 'Subject' }).fill('Grüße');
    await page.getByRole('textbox', { name: 'Text' }).fill('Ein Test.\n.\nMit Punkt.');
    await page.getByText('The command with this message').click();
    await page
      .locator('pre')
      .getByText('relaymesh send --from ann@a.test --to bob@send.test --to eve@send.test')
      .waitFor();
    await page.getByRole('button', { name: 'Send the message' }).click();
    await page.getByRole('heading', { name: 'Stored at edge' }).waitFor();
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'Stored at edge');
    await page
      .getByText(/^Delivered: mx has it since/)
      .first()
      .waitFor();
    await takeScreens(page, 'send-followed');

    const [message, ...others] = await topology.sink().messages('bob@send.test');
    assert.ok(message !== undefined && others.length === 0);
    assert.deepEqual(message.recipients, ['bob@send.test', 'eve@send.test']);
    const raw = (await topology.sink().raw(message.id)).toString('latin1');
    assert.match(raw, /^Subject: =\?utf-8\?B\?R3LDvMOfZQ==\?=\r$/m);
    assert.match(raw, /^From: <ann@a\.test>\r$/m);
    assert.ok(raw.endsWith('\r\n\r\nEin Test.\r\n.\r\nMit Punkt.\r\n'));
  });

  await t.test('the same words sent twice are two messages', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge', '/send');
    await fillEnvelope(page, 'ann@a.test', 'twice@send.test');
    for (const count of [1, 2]) {
      await page.getByRole('button', { name: 'Send the message' }).click();
      await until(`message ${count}`, async () => {
        const arrived = await topology.sink().messages('twice@send.test');
        return arrived.length === count;
      });
    }
  });

  await t.test('an .eml goes as it is, from another node', async (sub) => {
    const page = await openBrowser(sub);
    const file = path.join(await scratchFolder(sub), 'latin1.eml');
    const body = 'Gr\xfc\xdfe aus K\xf6ln\r\n';
    await writeFile(file, Buffer.from(`Subject: eml\r\nX-Own: yes\r\n\r\n${body}`, 'latin1'));
    await logIn(page, topology, 'edge', '/send');
    await page.getByLabel('Node').selectOption('core');
    await fillEnvelope(page, '', 'file@send.test');
    await page.getByLabel('A whole message (.eml)').check();
    await page.getByRole('button', { name: 'Send the message' }).click();
    await page.getByRole('alert').getByText('The message is empty.').waitFor();
    await page.getByLabel('Or a file').setInputFiles(file);
    await page.getByText('latin1.eml, ').waitFor();
    await page.getByRole('button', { name: 'Send the message' }).click();
    await page.getByRole('heading', { name: 'Stored at core' }).waitFor();
    const message = await topology.sink().untilMessage('file@send.test');
    assert.equal(message.sender, '');
    const raw = (await topology.sink().raw(message.id)).toString('latin1');
    assert.match(raw, /^X-Own: yes\r$/m);
    assert.ok(raw.endsWith(`\r\n\r\n${body}`));
  });

  await t.test('a dry run says where it would go and why, and sends nothing', async (sub) => {
    const page = await openBrowser(sub);
    const { accepted } = await topology.sink().stats();
    await logIn(page, topology, 'edge', '/send');
    await fillEnvelope(page, 'ann@a.test', 'one@send.test two@send.test');
    await page.getByRole('button', { name: 'Where would it go?' }).click();
    const routes = page.getByRole('table', { name: 'Routes' });
    const row = routes.getByRole('row', { name: /^one@send\.test/ });
    await row.getByText('core').first().waitFor();
    await row.getByText('verified, login edge').waitFor();
    await routes.getByRole('row', { name: /^two@send\.test/ }).waitFor();
    await page
      .getByText(/relaymesh route --from ann@a\.test --to one@send\.test --to two@send\.test --url/)
      .waitFor();
    await takeScreens(page, 'send-route');
    await page.getByLabel('Node').selectOption('exit');
    await page.getByRole('button', { name: 'Where would it go?' }).click();
    await page.getByRole('heading', { name: /^From exit it would go this way/ }).waitFor();
    await row.getByText('mx').first().waitFor();
    assert.equal((await topology.sink().stats()).accepted, accepted);
  });

  await t.test('what the node refuses is said in its words', async (sub) => {
    const page = await openBrowser(sub);
    await logIn(page, topology, 'edge', '/send');
    await fillEnvelope(page, 'not an address', 'bob@send.test');
    await page.getByRole('button', { name: 'Send the message' }).click();
    await page
      .getByRole('alert')
      .getByText(/\(MESSAGE_INVALID\)|\(BAD_QUERY\)/)
      .waitFor();
    assert.equal(await page.getByRole('heading', { name: /^Stored/ }).count(), 0);
  });
});

async function fillEnvelope(page: Page, sender: string, recipients: string): Promise<void> {
  await page.getByLabel('Sender').fill(sender);
  await page.getByLabel('Recipients').fill(recipients);
}
