import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Dialogue } from '../intake/dialogue.js';
import {
  readIndependently,
  withoutPython,
  type IndependentReport,
} from '../queue/independent-report.js';
import type { Answer } from '../send/scripted-server.js';
import { startRecordingServer, type RecordingServer } from '../smarthost/recording-server.js';
import { assertUnseen, canary } from '../smarthost/secret-forms.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

/** Three nodes; behind them one hop that does not offer DSN, and one that does. */
function topologyTowards(plain: RecordingServer, dsn: RecordingServer): string {
  return `version: 1
name: status
secrets:
  edge-core: { generate: true }
  core-exit: { generate: true }
tls: { ephemeral: true }
defaults: { retry-interval: [1], delay-report-after: 1 }
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
    routes:
      - { recipient: "*@dsn.test", smarthost: { hostname: 127.0.0.1, port: ${dsn.port}, tls: none } }
    smarthost: { hostname: 127.0.0.1, port: ${plain.port}, tls: none }
links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core }, tls: verified }
  - { from: core, to: exit, username: core, password: { secret: core-exit }, tls: verified }
`;
}

/** The hop without DSN: refuses some recipients, and puts off others until it is told not to. */
class PlainHop {
  busy = true;

  readonly rcpt: Answer = (session, line) => {
    const refused = line.includes('<refused') ? '550 5.1.1 <...> no such user here' : null;
    const putOff = this.busy && line.includes('<busy') ? '451 4.7.1 later, please' : null;
    session.say(refused ?? putOff ?? '250 2.1.5 ok');
  };
}

interface Running {
  topology: RunningTopology;
  hop: PlainHop;
  plain: RecordingServer;
  dsn: RecordingServer;
}

test('what becomes of mail is told to its sender', { skip: withoutPython }, async (t) => {
  const hop = new PlainHop();
  const plain = await startRecordingServer(t, {
    auth: [],
    dsn: false,
    replies: { RCPT: hop.rcpt },
  });
  const dsn = await startRecordingServer(t, { auth: [] });
  const topology = await startTopology(t, topologyTowards(plain, dsn));
  const running = { topology, hop, plain, dsn };

  await t.test('a failure, with RET=FULL and without a secret', () => assertFailure(running));
  await t.test('ENVID, RET, NOTIFY and ORCPT pass three nodes unchanged, and we say nothing', () =>
    assertPassedOn(running),
  );
  await t.test('a success at a hop that does not confirm it', () => assertRelayed(running));
  await t.test('a delay, once', (t) => assertDelay(t, running));
  await t.test('addresses above ASCII, in UTF-8', () => assertInternational(running));
});

async function assertFailure(running: Running): Promise<void> {
  const secret = canary();
  const body = 'A line of the body.\r\n..and one with dots\r\n';
  await send(
    running,
    'MAIL FROM:<failure@sender.test> RET=FULL ENVID=batch+2B7',
    ['RCPT TO:<refused@plain.test> NOTIFY=FAILURE ORCPT=rfc822;Re+2Bfused@plain.test'],
    `Subject: x\r\nX-MQ-Smarthost-Hostname: evil.test\r\nx-mq-smarthost-password: ${secret}\r\n\r\n${body}`,
  );
  const report = await untilReport(running, 'failure@sender.test');
  assert.equal(report.header['auto-submitted'], 'auto-replied');
  assert.match(report.header['from'] ?? '', /<MAILER-DAEMON@exit\.status>$/);
  const [message, recipient, ...others] = report.groups;
  assert.deepEqual(others, []);
  assert.equal(message?.['original-envelope-id'], 'batch+7');
  assert.equal(message['reporting-mta'], 'dns; exit.status');
  assert.match(message['received-from-mta'] ?? '', /^dns; core\.status \(\[127\.0\.0\.1\]\)$/);
  assert.ok(Date.parse(message['arrival-date'] ?? '') <= Date.now());
  assert.equal(recipient?.['original-recipient'], 'rfc822; Re+fused@plain.test');
  assert.equal(recipient['final-recipient'], 'rfc822; refused@plain.test');
  assert.deepEqual([recipient['action'], recipient['status']], ['failed', '5.1.1']);
  assert.equal(recipient['remote-mta'], 'dns; [127.0.0.1]');
  assert.equal(recipient['diagnostic-code'], 'smtp; 550 5.1.1 <...> no such user here');
  const record = await running.topology.api('exit').untilRecord('refused@plain.test');
  assert.equal(recipient['final-log-id'], record.queue_id);
  assert.equal(report.parts[2]?.type, 'message/rfc822');
  assert.ok(
    report.parts[2].text
      .replaceAll('\r\n', '\n')
      .endsWith(`\n\n${body.replaceAll('\r\n', '\n').replace('\n..', '\n.')}`),
  );
  assertUnseen(secret, running.plain.heard, 'what the hop heard');
}

async function assertPassedOn(running: Running): Promise<void> {
  await send(running, 'MAIL FROM:<passed@sender.test> ENVID=QQ+2B1 RET=HDRS', [
    'RCPT TO:<a@dsn.test> ORCPT=rfc822;A+3DB@dsn.test NOTIFY=SUCCESS,DELAY',
    'RCPT TO:<b@dsn.test> NOTIFY=NEVER',
    'RCPT TO:<c@dsn.test> ORCPT=utf-8;gr\\x{FC}n@dsn.test',
    'RCPT TO:<d@dsn.test>',
  ]);
  const { session } = await running.dsn.untilMessage('d@dsn.test');
  const mail = session.lines.find((line) => line.startsWith('MAIL FROM:<passed@')) ?? '';
  assert.deepEqual(mail.split(' ').slice(2).filter(isOfDsn).sort(), ['ENVID=QQ+2B1', 'RET=HDRS']);
  assert.deepEqual(
    session.lines.filter((line) => line.startsWith('RCPT')),
    [
      'RCPT TO:<a@dsn.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;A+3DB@dsn.test',
      'RCPT TO:<b@dsn.test> NOTIFY=NEVER',
      'RCPT TO:<c@dsn.test> ORCPT=utf-8;gr\\x{FC}n@dsn.test',
      'RCPT TO:<d@dsn.test>',
    ],
  );
  // When the report of a later message is there, one of this would be, too.
  await send(running, 'MAIL FROM:<later@sender.test>', ['RCPT TO:<refused@plain.test>']);
  await untilReport(running, 'later@sender.test');
  assert.deepEqual(reportsTo(running, 'passed@sender.test'), []);
}

async function assertRelayed(running: Running): Promise<void> {
  await send(running, 'MAIL FROM:<relayed@sender.test> RET=FULL ENVID=E2', [
    'RCPT TO:<taken@plain.test> NOTIFY=SUCCESS ORCPT=rfc822;first@plain.test',
    'RCPT TO:<quiet@plain.test>',
  ]);
  const report = await untilReport(running, 'relayed@sender.test');
  const [message, recipient, ...others] = report.groups;
  assert.deepEqual(others, [], 'nothing of those who did not ask');
  assert.equal(message?.['original-envelope-id'], 'E2');
  assert.equal(message['reporting-mta'], 'dns; exit.status', 'not one of the nodes before');
  assert.equal(recipient?.['final-recipient'], 'rfc822; taken@plain.test');
  assert.equal(recipient['original-recipient'], 'rfc822; first@plain.test');
  assert.deepEqual([recipient['action'], recipient['status']], ['relayed', '2.0.0']);
  assert.equal(report.parts[2]?.type, 'text/rfc822-headers');
  assert.equal(reportsTo(running, 'relayed@sender.test').length, 1);
  const { session } = await running.plain.untilMessage('taken@plain.test');
  assert.ok(!session.lines.some((line) => / (?:NOTIFY|ORCPT|RET|ENVID)=/.test(line)));
}

async function assertDelay(t: TestContext, running: Running): Promise<void> {
  await send(running, 'MAIL FROM:<delay@sender.test>', [
    'RCPT TO:<busy@plain.test> NOTIFY=FAILURE,DELAY',
  ]);
  const startMs = performance.now();
  const report = await untilReport(running, 'delay@sender.test');
  t.diagnostic(`told after ${Math.round(performance.now() - startMs)} ms of delay-report-after: 1`);
  const [, recipient] = report.groups;
  assert.deepEqual([recipient?.['action'], recipient?.['status']], ['delayed', '4.7.1']);
  assert.equal(recipient?.['diagnostic-code'], 'smtp; 451 4.7.1 later, please');
  assert.ok(Date.parse(recipient['will-retry-until'] ?? '') > Date.now() + 3_600_000);
  const attempts = running.plain.heard.split('RCPT TO:<busy@').length;
  await until(
    'further attempts',
    () => running.plain.heard.split('RCPT TO:<busy@').length > attempts + 1,
  );
  running.hop.busy = false;
  await running.plain.untilMessage('busy@plain.test');
  assert.equal(reportsTo(running, 'delay@sender.test').length, 1);
}

async function assertInternational(running: Running): Promise<void> {
  const sender = 'j\u00f8rn@sender.test';
  await send(
    running,
    `MAIL FROM:<${sender}> SMTPUTF8 RET=HDRS`,
    ['RCPT TO:<refused-gr\u00fcn@plain.test> ORCPT=utf-8;gr\u00fcn\\x{2B}1@plain.test'],
    `From: <${sender}>\r\nSubject: gr\u00fc\u00dfe\r\n\r\nx\r\n`,
  );
  const wire = Buffer.from(sender).toString('latin1');
  const report = await untilReport(running, wire);
  const { session } = await running.plain.untilMessage(wire);
  assert.match(
    session.lines.findLast((line) => line.startsWith('MAIL FROM:<>')) ?? '',
    / SMTPUTF8\b/,
  );
  assert.equal(report.header['to'], sender);
  assert.deepEqual(
    report.parts.slice(1).map(({ type, encoding }) => [type, encoding]),
    [
      ['message/global-delivery-status', '8bit'],
      ['message/global-headers', '8bit'],
    ],
  );
  assert.match(report.parts[2]?.text ?? '', /^Subject: gr\u00fc\u00dfe\r?$/m);
  const [, recipient] = report.groups;
  assert.equal(recipient?.['final-recipient'], 'utf-8; refused-gr\u00fcn@plain.test');
  assert.equal(recipient['original-recipient'], 'utf-8; gr\u00fcn+1@plain.test');
}

function isOfDsn(parameter: string): boolean {
  return /^(?:RET|ENVID)=/.test(parameter);
}

/** Hands a message in at the first node. */
async function send(
  { topology }: Running,
  mail: string,
  rcpts: string[],
  content = 'Subject: x\r\n\r\nx\r\n',
): Promise<void> {
  const client = await Dialogue.open(topology.relay('edge').port);
  const replies = await client.askAll(mail, ...rcpts);
  for (const reply of replies) assert.match(reply, /^250 /);
  assert.match(await client.ask('DATA'), /^354 /);
  assert.match(await client.ask(`${content}.`), /^250 /);
  await client.ask('QUIT');
}

function reportsTo({ plain }: Running, address: string): string[] {
  return plain.messages
    .filter(({ sender, recipients }) => sender === '' && recipients.includes(address))
    .map(({ content }) => content);
}

async function untilReport(running: Running, address: string): Promise<IndependentReport> {
  const content = await until(`a report to ${address}`, () => reportsTo(running, address)[0]);
  const report = readIndependently(Buffer.from(content, 'latin1'));
  assert.deepEqual(
    [report.type, report.reportType, report.parts.length, report.defects],
    ['multipart/report', 'delivery-status', 3, []],
  );
  return report;
}
