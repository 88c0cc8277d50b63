import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { parseReport, type DeliveryReport } from './delivery-report.js';
import { startFaultySink, type FaultySink } from './faulty-sink.js';
import { BodySource, makeMail, seeded, submissionOf } from './mail-content.js';
import { submit, type Submission } from './mail-sender.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const FAULTS = `
- { at: rcpt, match: "refused*@*", reply: "550 5.1.1 <...> no such user here" }
- { at: rcpt, match: "busy@*", reply: "451 4.7.1 later, please", first: 2 }
`;

/** All mail of this node goes to the sink: also the bounces that it makes. */
function topologyTowards({ host, port }: FaultySink): string {
  return `version: 1
name: bounces
nodes:
  relay:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    retry-interval: [1]
    smarthost: { hostname: ${host}, port: ${port}, tls: none }
`;
}

const source = new BodySource(seeded(10));

/** A message of 3 kB from a sender of its own, by whom its bounce is found. */
function mailFrom(name: string, recipients: string[], dsn?: Submission['dsn']): Submission {
  const { raw } = submissionOf(makeMail(`${name}@content.test`, 3000, source));
  return {
    sender: `${name}@sender.test`,
    recipients,
    raw,
    ...(dsn === undefined ? {} : { dsn }),
  };
}

test('what a remote host refuses', async (t) => {
  const sink = await startFaultySink(t, FAULTS);
  const topology = await startTopology(t, topologyTowards(sink));

  await t.test('one of three recipients: a bounce for that one alone', () =>
    assertBounceForOne(topology, sink),
  );
  await t.test('the parameters of a DSN come back in the bounce', () =>
    assertDsnParameters(topology, sink),
  );
  await t.test('RET=FULL returns the whole message', () => assertWholeReturned(topology, sink));
  await t.test('no bounce of a bounce, none from <>, none for NOTIFY=NEVER', () =>
    assertSilence(topology, sink),
  );
  await t.test('451 twice, then accepted: tried by the schedule', (t) =>
    assertRetried(t, topology, sink),
  );
});

async function assertBounceForOne(topology: RunningTopology, sink: FaultySink): Promise<void> {
  const recipients = ['first@three.test', 'refused@three.test', 'third@three.test'];
  await submit(topology.relay('relay'), mailFrom('three', recipients));
  const report = await untilBounce(sink, 'three@sender.test');

  assert.equal(report.header.get('to'), 'three@sender.test');
  assert.match(report.header.get('from') ?? '', /<MAILER-DAEMON@relay\.bounces>$/i);
  assert.equal(report.header.get('auto-submitted'), 'auto-replied');
  assert.match(report.explanation, /<refused@three\.test>/);
  assert.match(report.explanation, /no such user here/);

  assert.equal(report.message.get('reporting-mta'), 'dns; relay.bounces');
  assert.ok(report.message.has('arrival-date'));
  assert.ok(!report.message.has('original-envelope-id'));
  assert.equal(report.recipients.length, 1);
  const [refused] = report.recipients;
  assert.equal(refused?.get('final-recipient'), 'rfc822; refused@three.test');
  assert.equal(refused.get('action'), 'failed');
  assert.equal(refused.get('status'), '5.1.1');
  assert.equal(refused.get('diagnostic-code'), 'smtp; 550 5.1.1 <...> no such user here');
  assert.ok(!refused.has('original-recipient'));

  assert.match(report.original.type, /^text\/rfc822-headers/);
  assert.match(report.original.text, /Message-ID: <three\.content\.test@scenario\.test>/);

  const [record] = await topology.api('relay').records('refused@three.test');
  assert.deepEqual(
    record?.recipients.map(({ address, action }) => [address, action]),
    [
      ['first@three.test', 'relayed'],
      ['refused@three.test', 'failed'],
      ['third@three.test', 'relayed'],
    ],
  );
  const arrived = (await sink.client.messages()).filter(
    ({ sender }) => sender === 'three@sender.test',
  );
  assert.deepEqual(
    arrived.map((message) => message.recipients),
    [['first@three.test', 'third@three.test']],
  );
}

async function assertDsnParameters(topology: RunningTopology, sink: FaultySink): Promise<void> {
  const dsn = {
    id: 'envelope+id=7',
    return: 'headers',
    notify: ['failure', 'delay'],
    recipient: 'original+address@dsn.test',
  };
  await submit(topology.relay('relay'), mailFrom('dsn', ['refused-dsn@dsn.test'], dsn));
  const report = await untilBounce(sink, 'dsn@sender.test');
  assert.equal(report.message.get('original-envelope-id'), 'envelope+id=7');
  const [refused] = report.recipients;
  assert.equal(refused?.get('original-recipient'), 'rfc822; original+address@dsn.test');
  assert.equal(refused.get('final-recipient'), 'rfc822; refused-dsn@dsn.test');
  assert.match(report.original.type, /^text\/rfc822-headers/);
}

async function assertWholeReturned(topology: RunningTopology, sink: FaultySink): Promise<void> {
  const mail = mailFrom('full', ['refused-full@dsn.test'], { return: 'full' });
  await submit(topology.relay('relay'), mail);
  const report = await untilBounce(sink, 'full@sender.test');
  assert.match(report.original.type, /^message\/rfc822/);
  const sent = (mail.raw as Buffer).toString('latin1');
  assert.ok(report.original.text.includes(sent.trimEnd()), 'the original is not whole');
}

async function assertSilence(topology: RunningTopology, sink: FaultySink): Promise<void> {
  const api = topology.api('relay');
  const bouncesBefore = (await api.allRecords()).filter((record) => record.bounce_of !== null);
  const relay = topology.relay('relay');
  await submit(relay, { ...mailFrom('null', ['refused-null@silent.test']), sender: '' });
  await submit(relay, mailFrom('never', ['refused-never@silent.test'], { notify: 'never' }));
  // Its bounce goes to a sender who is refused as well.
  await submit(relay, {
    ...mailFrom('loop', ['refused-loop@silent.test']),
    sender: 'refused@loop.test',
  });
  for (const name of ['null', 'never', 'loop'])
    await untilFailed(topology, `refused-${name}@silent.test`);
  await untilFailed(topology, 'refused@loop.test');

  // When the bounce of a later failure is there, those of the earlier ones would be, too.
  await submit(relay, mailFrom('later', ['refused-later@silent.test']));
  await untilBounce(sink, 'later@sender.test');
  const bounced = (await api.allRecords())
    .filter((record) => record.bounce_of !== null)
    .slice(0, -bouncesBefore.length)
    .flatMap((record) => record.envelope.recipients);
  assert.deepEqual(bounced.sort(), ['later@sender.test', 'refused@loop.test']);
  assert.deepEqual(await sink.client.messages('never@sender.test'), []);
}

async function assertRetried(
  t: TestContext,
  topology: RunningTopology,
  sink: FaultySink,
): Promise<void> {
  const recipient = 'busy@retry.test';
  await submit(topology.relay('relay'), mailFrom('retry', [recipient]));
  await sink.client.untilMessage(recipient);
  const { hops } = await topology.api('relay').untilComplete(recipient);
  const attempts = hops[0]?.attempts ?? [];
  assert.deepEqual(
    attempts.map(({ code, enhanced_code: enhanced, state }) => [code, enhanced, state]),
    [
      [451, '4.7.1', 'rcptto'],
      [451, '4.7.1', 'rcptto'],
      [250, '2.0.0', 'message'],
    ],
  );
  const starts = attempts.map((attempt) => Date.parse(attempt.started_at));
  const waits = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
  t.diagnostic(`retry-interval 1 s: attempts after ${waits.join(' ms and ')} ms`);
  // From above there is no bound on a machine with other work.
  for (const wait of waits) assert.ok(wait >= 1000, `only ${wait} ms`);
  assert.equal((await sink.client.messages(recipient)).length, 1);
  assert.deepEqual(await sink.client.messages('retry@sender.test'), []);
}

/** The one bounce that a sender gets. */
async function untilBounce(sink: FaultySink, sender: string): Promise<DeliveryReport> {
  const { id } = await sink.client.untilMessage(sender);
  const messages = await sink.client.messages(sender);
  assert.deepEqual(
    messages.map((message) => [message.sender, message.recipients]),
    [['', [sender]]],
  );
  return parseReport(await sink.client.raw(id));
}

async function untilFailed(topology: RunningTopology, recipient: string): Promise<void> {
  const api = topology.api('relay');
  await until(
    `the failure of ${recipient}`,
    async () => (await api.records(recipient))[0]?.action === 'failed',
  );
}
