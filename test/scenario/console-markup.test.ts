import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { hostileTest } from '../hostile/rows.js';
import { startRecordingServer } from '../smarthost/recording-server.js';
import { SmtpClient } from '../sink/client.js';
import { goTo, logIn, openBrowser, withoutBrowser } from './browser.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const TOPOLOGY = `version: 1
name: markup
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: { hostname: 127.0.0.1, port: PORT, tls: none }
`;

/** Each would do something in a page that takes it for more than text. */
const TEXTS = [
  '<script>window.struck=1</script>',
  '<img src=x onerror=window.struck=1>',
  '<svg/onload=window.struck=1>',
  '<a href=javascript:window.struck=1>click</a>',
  '</title></textarea></style><b>bold</b>',
  '"onerror="window.struck=1',
  "'onmouseover='window.struck=1",
  '"><script>window.struck=1</script>',
  '&lt;script&gt;window.struck=1&lt;/script&gt;',
  '{{constructor.constructor(1)}}${window.struck=1}',
  '\u001b[2J\u001b[31mred\u001b[0m\u0007',
  'safe\u202egpj.exe\u2066hidden\u2069',
  'zero\u200bwidth\u00adsoft',
];
/** Local parts that are let in: `<` and `>` are not. */
const LOCAL_PARTS = [
  '"\\"onerror=\\"window.struck=1"',
  '"\'onmouseover=\'window.struck=1"',
  '{{constructor}}',
  '"javascript:window.struck=1"',
  '"&lt;script&gt;"',
  'a\u202ecba\u200b',
];
const STRANGE = /(?![\t\n])[\p{Cc}\p{Cf}]/u;

hostileTest(
  'api-markup',
  'what strangers wrote is text on every page, and nothing of it runs',
  async (t, cases) => {
    const words = [...TEXTS];
    const hop = await startRecordingServer(t, {
      replies: { RCPT: (session) => session.say(`451 4.7.1 ${words.shift() ?? TEXTS.join(' ')}`) },
    });
    const topology = await startTopology(t, TOPOLOGY.replace('PORT', String(hop.port)));
    const ids: string[] = [];
    for (const [index, text] of TEXTS.entries()) {
      ids.push(await handIn(topology, text, LOCAL_PARTS[index % LOCAL_PARTS.length] ?? ''));
      cases.add(5);
    }
    for (const local of LOCAL_PARTS) {
      await until('an attempt', async () => {
        const records = await topology.api('edge').records(`${local}@victim.test`);
        return records.length > 0 && records.every(({ attempts }) => attempts.length > 0);
      });
    }

    const page = await openBrowser(t);
    const dialogs: string[] = [];
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    await logIn(page, topology, 'edge', '/messages');
    await page.getByText('{{constructor}}').first().waitFor();
    await assertText(page, 'the list of messages');
    for (const id of ids) {
      await goTo(page, topology, 'edge', `/messages/edge/${id}`);
      await page.getByRole('article').getByRole('status').first().waitFor();
      for (const part of ['As text', 'Header fields at edge', 'Results at edge']) {
        await page.getByText(part).click();
      }
      await page.getByRole('row', { name: /^Subject / }).waitFor();
      await page.locator('pre').first().waitFor();
      await assertText(page, `message ${id}`);
    }
    for (const place of ['/', '/queues', '/queues/edge/(smarthost)', '/node/edge', '/send']) {
      await goTo(page, topology, 'edge', place);
      await page.getByRole('main').getByRole('heading').first().waitFor();
      await assertText(page, place);
    }
    // what is searched for is echoed as it was typed
    for (const text of TEXTS.filter((one) => !STRANGE.test(one))) {
      await goTo(page, topology, 'edge', `/messages?recipient=${encodeURIComponent(text)}`);
      await page.getByRole('main').getByRole('heading').first().waitFor();
      await assertText(page, `a search for ${text}`);
      await goTo(page, topology, 'edge', `/${encodeURIComponent(text)}#${text}`);
      await page.getByRole('main').waitFor();
      await assertText(page, `a page ${text}`);
      cases.add(2);
    }
    assert.deepEqual(dialogs, []);
  },
  { skip: withoutBrowser() },
);

/** One message with `text` wherever a stranger may write it. @returns its queue id */
async function handIn(topology: RunningTopology, text: string, local: string): Promise<string> {
  const client = await SmtpClient.connect(topology.relay('edge').port);
  await client.reply();
  // a name that is none may be refused; then the session goes on with another one
  await client.ask(`EHLO ${text}`);
  await client.ask('EHLO client.example');
  assert.match(await client.ask(`MAIL FROM:<${local}@evil.test> SMTPUTF8`), /^250 /);
  assert.match(await client.ask(`RCPT TO:<${local}@victim.test>`), /^250 /);
  assert.match(await client.ask('DATA'), /^354 /);
  const content = `Subject: ${text}\r\nFrom: ${text} <a@evil.test>\r\nX-Evil: ${text}\r\n\r\n${text}`;
  const reply = await client.ask(`${content}\r\n.`);
  const [, id] = /^250 .* (\w+)$/.exec(reply) ?? assert.fail(reply);
  client.destroy();
  return id ?? '';
}

/** The page has no element that a stranger wrote, ran nothing of theirs, and shows no odd character. */
async function assertText(page: Page, what: string): Promise<void> {
  const seen = await page.evaluate<{ struck: unknown; elements: string[]; text: string }>(`({
    struck: window.struck ?? null,
    elements: [...document.querySelectorAll('*')]
      .filter((one) =>
        [...one.attributes].some(({ name, value }) =>
          name.startsWith('on') || /^\\s*javascript:/i.test(value)) ||
        (one.localName === 'script' && !one.src) || one.matches('img[src="x"], body b'))
      .map((one) => one.outerHTML.slice(0, 200)),
    text: document.title + document.body.innerText +
      [...document.querySelectorAll('*:not(input)')].flatMap((one) => [...one.attributes])
        .map(({ value }) => value).join(' '),
  })`);
  assert.deepEqual([seen.struck, seen.elements], [null, []], what);
  const [odd] = STRANGE.exec(seen.text) ?? [];
  assert.equal(odd, undefined, `${what} shows ${JSON.stringify(odd)}`);
}
