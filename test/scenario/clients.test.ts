import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { createTransport } from 'nodemailer';
import type { Target } from './mail-sender.js';
import { locate, missing, run, scratchFolder } from './programs.js';
import { shippedTopology, startTopology, type RunningTopology } from './running-topology.js';

/** Without a login at the relay listener, with TLS and the user `app` at the submission listener. */
type Way = 'relay' | 'submission';

test('mail of common clients goes through three tiers', async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'));
  const folder = await scratchFolder(t);
  const submission = await topology.submission('edge');
  const relay = topology.relay('edge');

  for (const [way, target] of [
    ['submission', submission],
    ['relay', relay],
  ] as const) {
    const reason = missing('swaks') || (way === 'submission' && (await swaksWithoutTls()));
    await t.test(`swaks at ${way}`, { skip: reason }, async () => {
      const recipient = `swaks-${way}@client.test`;
      await sendWithSwaks(target, topology.state.caFile, recipient);
      await assertArrivedOnce(topology, recipient, way);
    });

    await t.test(`smtplib at ${way}`, { skip: missing('python3') }, async () => {
      const recipient = `smtplib-${way}@client.test`;
      await sendWithSmtplib(target, topology.state.caFile, recipient);
      await assertArrivedOnce(topology, recipient, way);
    });
  }

  await t.test('nodemailer, with STARTTLS and login', async () => {
    const recipient = 'nodemailer@client.test';
    const transport = createTransport({
      host: submission.host,
      port: submission.port,
      requireTLS: true,
      tls: { ca: submission.ca },
      auth: { user: 'app', pass: submission.user?.password },
    });
    await transport.sendMail({
      from: 'sender@client.test',
      to: recipient,
      subject: 'an attachment and 8-bit text',
      text: 'Grüße aus der Ferne\n',
      attachments: [{ filename: 'bytes.bin', content: Buffer.alloc(100_000, 0xff) }],
    });
    transport.close();
    await assertArrivedOnce(topology, recipient, 'submission');
  });

  await t.test('smtp-source, several sessions', { skip: missing('smtp-source') }, async () => {
    await sendWithSmtpSource(t, relay, topology, folder);
  });
});

/** The reason to skip what needs it; Debian has the TLS of swaks in a package of its own. */
async function swaksWithoutTls(): Promise<string | false> {
  const { stdout, stderr } = await run('swaks', ['--support']);
  const absent = /TLS not available: (.*)/.exec(stdout + stderr)?.[1];
  return absent === undefined ? false : `swaks has no TLS here: ${absent}`;
}

async function sendWithSwaks(
  { host, port, user }: Target,
  caFile: string | null,
  recipient: string,
): Promise<void> {
  const args = ['--server', host, '--port', String(port), '--body', 'sent by swaks'];
  args.push('--from', 'sender@client.test', '--to', recipient);
  if (user !== undefined) {
    args.push('--tls', '--tls-verify', '--tls-ca-path', caFile ?? '');
    args.push('--auth', 'PLAIN', '--auth-user', user.username);
  }
  const { code, stdout, stderr } = await run('swaks', args, {
    env: user === undefined ? {} : { SWAKS_OPT_auth_password: user.password },
  });
  assert.equal(code, 0, stdout + stderr);
}

async function sendWithSmtplib(
  target: Target,
  caFile: string | null,
  recipient: string,
): Promise<void> {
  const script = `
import os, smtplib, ssl
client = smtplib.SMTP(os.environ["HOST"], int(os.environ["PORT"]), timeout=20)
if "PASSWORD" in os.environ:
    client.starttls(context=ssl.create_default_context(cafile=os.environ["CA"]))
    client.login("app", os.environ["PASSWORD"])
message = "From: <sender@client.test>\\r\\nTo: <{0}>\\r\\nSubject: smtplib\\r\\n\\r\\n.dot\\r\\n"
refused = client.sendmail("sender@client.test", [os.environ["TO"]], message.format(os.environ["TO"]))
client.quit()
assert refused == {}, refused
`;
  const { code, stderr } = await run('python3', ['-'], {
    input: script,
    env: {
      HOST: target.host,
      PORT: String(target.port),
      TO: recipient,
      ...(target.user === undefined ? {} : { PASSWORD: target.user.password, CA: caFile ?? '' }),
    },
  });
  assert.equal(code, 0, stderr);
}

/** Its messages are all the same, so that the numbers before their recipients tell them apart. */
async function sendWithSmtpSource(
  t: TestContext,
  relay: Target,
  topology: RunningTopology,
  folder: string,
): Promise<void> {
  const count = 20;
  const file = path.join(folder, 'message.eml');
  await writeFile(file, 'Subject: smtp-source\n\nA line.\n.A line with a dot.\n');
  const args = ['-s', '4', '-m', String(count), '-N', '-F', file, '-M', 'client.test'];
  args.push('-f', 'sender@client.test', '-t', 'source@client.test', `${relay.host}:${relay.port}`);
  const { code, stderr } = await run(locate('smtp-source') ?? '', args);
  assert.equal(code, 0, stderr);
  const sink = topology.sink();
  const recipients = Array.from({ length: count }, (_, index) => `${index + 1}source@client.test`);
  const arrivals = await sink.untilArrived(recipients);
  for (const recipient of recipients) {
    assert.equal(arrivals.get(recipient)?.length, 1, recipient);
  }
  await assertArrivedOnce(topology, recipients[0] ?? '', 'relay');
  t.diagnostic(`smtp-source: ${count} messages over 4 sessions`);
}

/** At the sink once, and its path is whole: every hop between our nodes with TLS and its login. */
async function assertArrivedOnce(
  topology: RunningTopology,
  recipient: string,
  way: Way,
): Promise<void> {
  const sink = topology.sink();
  const arrived = await sink.untilMessage(recipient);
  assert.deepEqual([arrived.tls, arrived.user], [null, null]);

  const trace = await topology.api('edge').untilComplete(recipient);
  assert.deepEqual(
    trace.hops.map(({ node }) => node),
    ['edge', 'core', 'exit'],
  );
  assert.deepEqual(trace.unreachable, []);
  const [edge, core, exit] = trace.hops;
  // smtp-source says HELO, the others EHLO.
  assert.match(edge?.protocol ?? '', way === 'submission' ? /^ESMTPSA$/ : /^E?SMTP$/);
  assert.equal(edge?.client.user, way === 'submission' ? 'app' : null);
  for (const [hop, next] of [
    [edge, core],
    [core, exit],
  ]) {
    assert.equal(hop?.attempts.length, 1);
    const attempt = hop?.attempts[0];
    assert.equal(attempt?.next_hop, next?.node);
    assert.equal(attempt?.tls?.verified, true);
    assert.equal(attempt?.user, hop?.node);
    assert.equal(attempt?.remote_queue_id, next?.queue_id);
    assert.equal(next?.client.user, hop?.node);
    assert.equal(next?.protocol, 'ESMTPSA');
    assert.equal(hop?.action, 'transferred');
  }
  const last = exit?.attempts[0];
  assert.deepEqual([last?.next_hop, last?.tls, last?.user], ['mx', null, null]);
  assert.equal(last?.remote_queue_id, arrived.id);
  // All hops are settled, so nothing more can come.
  assert.equal((await sink.messages(recipient)).length, 1);
}
