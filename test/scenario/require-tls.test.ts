import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { makeCertificate } from '../send/certificates.js';
import { runScriptedServer, type ScriptedServer } from '../send/scripted-server.js';
import { parseReport } from './delivery-report.js';
import { BodySource, makeMail, seeded, submissionOf } from './mail-content.js';
import { submit, type Submission } from './mail-sender.js';
import { scratchFolder } from './programs.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

/*
 * REQUIRETLS (RFC 8689) over three tiers to a server that honours it, and to foreign ones that do not.
 */

interface Foreign {
  /** Verified TLS, and no REQUIRETLS in it. */
  unaware: ScriptedServer;
  /** No TLS at all. */
  clear: ScriptedServer;
  /** Where the senders are at home; it knows REQUIRETLS. */
  origin: ScriptedServer;
}

function topologyText({ unaware, clear, origin }: Foreign): string {
  return `version: 1
name: require-tls
tls: { ephemeral: true }
secrets: { app: { generate: true }, edge-core: { generate: true }, core-exit: { generate: true } }
nodes:
  edge:
    listen: [{ name: submission, port: auto, tls: required }]
    api: { port: auto }
    users: [{ username: app, password: { secret: app } }]
    smarthost: core
  core: { listen: [{ port: auto, tls: required }], api: { port: auto }, smarthost: exit }
  exit:
    listen: [{ port: auto, tls: required }]
    api: { port: auto }
    tls: { ca: foreign.pem }
    smarthost: mx
    routes:
      - { recipient: "*@unaware.test", smarthost: { hostname: localhost, port: ${unaware.port}, tls: verified } }
      - { recipient: "*@clear.test", smarthost: { hostname: 127.0.0.1, port: ${clear.port}, tls: none } }
      - { recipient: "*@origin.test", smarthost: { hostname: localhost, port: ${origin.port}, tls: verified } }
links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core }, tls: verified }
  - { from: core, to: exit, username: core, password: { secret: core-exit }, tls: verified }
sinks: { mx: { port: auto, tls: required } }
`;
}

async function start(t: TestContext): Promise<Foreign & { topology: RunningTopology }> {
  const folder = await scratchFolder(t);
  const certificate = await makeCertificate('foreign');
  await writeFile(path.join(folder, 'foreign.pem'), certificate.ca);
  const unaware = await runScriptedServer(t, {
    certificate,
    offers: ['STARTTLS', 'REQUIRETLS'],
    offersInTls: ['PIPELINING', '8BITMIME'],
  });
  const clear = await runScriptedServer(t);
  const offersInTls = ['PIPELINING', 'DSN', 'REQUIRETLS'];
  const origin = await runScriptedServer(t, { certificate, offers: ['STARTTLS'], offersInTls });
  const servers = { unaware, clear, origin };
  return { ...servers, topology: await startTopology(t, topologyText(servers), { folder }) };
}

const source = new BodySource(seeded(8689));

/** From a sender of its own, by whom its report is found. */
function mailTo(recipient: string, requireTls: boolean): Submission {
  const { raw } = submissionOf(makeMail(recipient, 3000, source));
  const sender = `${recipient.replace('@', '.')}@origin.test`;
  return { sender, recipients: [recipient], raw, requireTls };
}

/** The whole report to a sender; it came with REQUIRETLS (RFC 8689 §5). */
function untilReport({ sessions }: ScriptedServer, sender: string): Promise<string> {
  return until(`the report to ${sender}`, () => {
    for (const { lines, contents } of sessions) {
      const recipients = lines.filter((line) => line.startsWith('RCPT'));
      const index = recipients.findIndex((line) => line.includes(`<${sender}>`));
      const content = contents[index];
      if (content !== undefined) {
        const [mail] = lines.filter((line) => line.startsWith('MAIL')).slice(index);
        assert.match(mail ?? '', /^MAIL FROM:<>.* REQUIRETLS$/);
        return content;
      }
    }
    return null;
  });
}

const mails = (server: ScriptedServer): string[] =>
  server.lines().filter((line) => line.startsWith('MAIL'));

test('REQUIRETLS over three tiers', async (t) => {
  const { topology, unaware, clear, origin } = await start(t);
  const edge = await topology.submission('edge');

  await t.test('arrives at the last server with REQUIRETLS said at every hop', async () => {
    await submit(edge, mailTo('fit@far.test', true));
    await submit(edge, mailTo('plain@far.test', false));
    await topology.sink('mx').untilArrived(['fit@far.test', 'plain@far.test']);
    const [fit] = await topology.sink('mx').messages('fit@far.test');
    const [plain] = await topology.sink('mx').messages('plain@far.test');
    assert.deepEqual([fit?.require_tls, plain?.require_tls], [true, undefined]);
    for (const name of ['edge', 'core', 'exit']) {
      const [record] = await until(`the record of ${name}`, async () => {
        const records = await topology.api(name).records('fit@far.test');
        return records[0]?.finished_at == null ? null : records;
      });
      assert.equal(record?.envelope.require_tls, true, name);
      assert.equal(record.attempts[0]?.require_tls, true, name);
      assert.equal(record.attempts[0]?.tls?.verified, true, name);
    }
    const [record] = await topology.api('edge').records('plain@far.test');
    assert.equal(record?.envelope.require_tls, undefined);
  });

  await t.test(
    'a server that does not know it gets none of it, and the sender a report',
    async () => {
      const mail = mailTo('one@unaware.test', true);
      await submit(edge, mail);
      await assertReturned(origin, mail, '5.7.30', /REQUIRETLS support required/);
      assert.deepEqual(mails(unaware), []);
    },
  );

  await t.test('a server without TLS gets none of it either', async () => {
    const mail = mailTo('one@clear.test', true);
    await submit(edge, mail);
    await assertReturned(origin, mail, '5.7.10', /Encryption needed/);
    assert.deepEqual(mails(clear), []);
  });

  await t.test(
    'other mail to these servers goes on, and no queue of theirs is paused',
    async () => {
      const names = ['unaware', 'clear'].flatMap((place) =>
        [1, 2, 3, 4, 5, 6].map((number) => `m${number}@${place}.test`),
      );
      const asking = names.filter((_, index) => index % 2 === 0).map((name) => mailTo(name, true));
      const others = names.filter((_, index) => index % 2 === 1).map((name) => mailTo(name, false));
      await Promise.all([...asking, ...others].map((mail) => submit(edge, mail)));
      await until('the mail that asks for nothing', () =>
        [unaware, clear].every((server) => server.contents().length === 3),
      );
      for (const { sender } of asking) {
        await untilReport(origin, sender);
      }
      for (const server of [unaware, clear]) {
        assert.ok(mails(server).every((line) => !line.includes('REQUIRETLS')));
      }
      for (const { sender } of others) {
        const [record] = await topology
          .api('exit')
          .records(sender.replace(/^(\w+)\.(.*)@.*$/, '$1@$2'));
        assert.equal(record?.attempts.length, 1, 'at the first attempt');
      }
      assert.ok((await topology.api('exit').queues()).every(({ state }) => state === 'active'));
    },
  );
});

async function assertReturned(
  origin: ScriptedServer,
  { sender, recipients, raw }: Submission,
  status: string,
  words: RegExp,
): Promise<void> {
  const content = (await untilReport(origin, sender)).replaceAll(/^\.\./gm, '.');
  const report = parseReport(Buffer.from(content, 'latin1'));
  const [failed] = report.recipients;
  assert.equal(failed?.get('status'), status);
  assert.equal(failed.get('final-recipient'), `rfc822; ${recipients[0]}`);
  assert.match(report.explanation, words);
  assert.match(report.original.type, /^text\/rfc822-headers/);
  const [, body = ''] = (raw as Buffer).toString('latin1').split('\r\n\r\n');
  assert.ok(!content.includes(body.slice(0, 60)));
}
