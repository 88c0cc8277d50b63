import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { QueueView } from '../../src/queue/queue-view.js';
import { letter, numbered } from './letters.js';
import {
  planLoginPostfix,
  startLoginPostfix,
  withoutLoginPostfix,
  type LoginPostfix,
  type LoginService,
} from './login-postfix.js';
import { submit } from './mail-sender.js';
import { scratchFolder } from './programs.js';
import { reload, reloadWith } from './reload.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const RIGHT = { alice: 'alice-knows-this', bob: 'bob-knows-that' };
/** Each login is refused at least this often before it is mended. */
const REFUSALS = 2;
const AT_ONCE = 5;

/** A running node and Postfix, which knows alice and bob; the node reads alice's password here. */
interface Bench {
  topology: RunningTopology;
  postfix: LoginPostfix;
  text: (ways: Ways) => string;
  passwordFile: string;
}

interface Ways {
  /** The hop of all mail that no route takes, as it stands in the topology. */
  smarthost: string;
  routes?: string[];
}

test('Postfix that demands a login', { skip: withoutLoginPostfix() }, async (t) => {
  const folder = await scratchFolder(t);
  const passwordFile = path.join(folder, 'alice-password');
  await writeFile(passwordFile, RIGHT.alice);
  await writeFile(path.join(folder, 'bob-password'), RIGHT.bob);
  const plan = await planLoginPostfix([
    { mechanisms: ['PLAIN'] },
    { mechanisms: ['LOGIN'], implicitTls: true },
    { mechanisms: ['CRAM-MD5'] },
    { mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5'] },
  ]);
  await writeFile(path.join(folder, 'ca.pem'), plan.certificate.ca);
  const [plain, login, cram, all] = plan.services as Four;
  const start = {
    smarthost: hopAt(all, 'alice'),
    routes: [plain, login, cram].map(
      (service) =>
        `{ recipient: "*@${service.mechanisms[0]?.toLowerCase()}.test", smarthost: ${hopAt(service, 'alice')} }`,
    ),
  };
  const topology = await startTopology(t, topologyText(start), { folder });
  const postfix = await startLoginPostfix(t, plan, topology.state.sinks['mx']?.port ?? 0);
  await postfix.setPassword('alice', RIGHT.alice);
  await postfix.setPassword('bob', RIGHT.bob);
  const bench = { topology, postfix, text: topologyText, passwordFile };
  const pid = topology.pid('edge');

  for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
    await t.test(`a login by ${mechanism}`, () => assertLogsInBy(mechanism, bench));
  }
  await t.test('a wrong password', () => assertWrong(bench));
  await t.test('a user whom Postfix does not know', () => assertUnknownUser(bench));
  await t.test('no login at all', () => assertNoLogin(bench, all));
  await t.test('a password that was changed at Postfix', () => assertRotated(bench, all));
  await t.test('two logins do not mix', (sub) => assertApart(sub, bench, all));

  assert.equal(topology.pid('edge'), pid);
  assert.ok(process.kill(pid, 0), 'the node that was started is the one that runs');
  for (const secret of [RIGHT.alice, RIGHT.bob]) {
    assert.ok(!JSON.stringify(await topology.log('edge')).includes(secret));
  }
});

type Four = [LoginService, LoginService, LoginService, LoginService];

function hopAt(service: LoginService, user: keyof typeof RIGHT, more = ''): string {
  const { port, implicitTls = false } = service;
  const login = `username: ${user}, password: { secret: ${user} }`;
  return `{ hostname: localhost, port: ${port}, implicit-tls: ${implicitTls}, ${login}${more} }`;
}

function topologyText({ smarthost, routes = [] }: Ways): string {
  return `version: 1
name: postfix-login
secrets:
  alice: { file: alice-password }
  bob: { file: bob-password }
tls: { ca: ca.pem }
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    routes: [${routes.join(', ')}]
    smarthost: ${smarthost}
sinks:
  mx: { port: auto }
`;
}

async function assertLogsInBy(mechanism: string, { topology, postfix }: Bench): Promise<void> {
  const recipient = `mechanism@${mechanism.toLowerCase()}.test`;
  await submit(topology.relay('edge'), letter({ recipients: recipient }));
  await topology.sink().untilMessage(recipient);
  const client = await clientOf(recipient, postfix);
  assert.match(client, new RegExp(`sasl_method=${mechanism}, sasl_username=alice(@|$)`, 'm'));
  const record = await topology.api('edge').untilRecord(recipient);
  const [attempt] = record.attempts;
  assert.equal(attempt?.user, 'alice');
  assert.equal(attempt.tls?.verified, true);
}

async function assertWrong(bench: Bench): Promise<void> {
  const { topology, passwordFile } = bench;
  await writeFile(passwordFile, 'not-what-alice-knows');
  await reload(topology, 'edge');
  const recipients = await sendSome(topology, 'wrong');
  const fault = await assertWaits(topology, recipients);
  assert.equal(fault.code, 535);
  assert.equal(fault.enhanced_code, '5.7.8');
  assert.match(fault.description, /authentication failed/);
  await writeFile(passwordFile, RIGHT.alice);
  await reload(topology, 'edge');
  await topology.sink().untilArrived(recipients);
}

async function assertUnknownUser({ topology, postfix }: Bench): Promise<void> {
  await postfix.removeUser('alice');
  // What was logged in before stays so: a reload ends it.
  await reload(topology, 'edge');
  const recipients = await sendSome(topology, 'unknown');
  const fault = await assertWaits(topology, recipients);
  assert.equal(fault.code, 535);
  assert.match(fault.description, /authentication failed/);
  await postfix.setPassword('alice', RIGHT.alice);
  // Nobody tells the node: its next probe finds out.
  await topology.sink().untilArrived(recipients);
}

async function assertNoLogin({ topology, text }: Bench, service: LoginService): Promise<void> {
  const { port } = service;
  const without = `{ hostname: localhost, port: ${port}, tls: required }`;
  await reloadWith(topology, 'edge', text({ smarthost: without }));
  const recipients = await sendSome(topology, 'missing');
  const fault = await assertWaits(topology, recipients);
  assert.equal(fault.code, 530);
  assert.match(fault.description, /Authentication required/);
  await reloadWith(topology, 'edge', text({ smarthost: hopAt(service, 'alice') }));
  await topology.sink().untilArrived(recipients);
}

async function assertRotated(bench: Bench, service: LoginService): Promise<void> {
  const { topology, postfix, text, passwordFile } = bench;
  // A login for each message, so that none goes over what an old password has opened.
  const smarthost = hopAt(service, 'alice', ', max-messages-per-connection: 1');
  await reloadWith(topology, 'edge', text({ smarthost }));
  const before = await sendSome(topology, 'before-rotation');
  await topology.sink().untilArrived(before);
  await postfix.setPassword('alice', 'alice-knows-something-new');
  const recipients = await sendSome(topology, 'rotated');
  const fault = await assertWaits(topology, recipients);
  assert.equal(fault.code, 535);
  await writeFile(passwordFile, 'alice-knows-something-new');
  await reload(topology, 'edge');
  await topology.sink().untilArrived(recipients);
}

async function assertApart(t: TestContext, bench: Bench, service: LoginService): Promise<void> {
  const { topology, postfix, text } = bench;
  // So few connections that each is used for several messages.
  const few = ', max-connections: 2';
  const routes = [`{ sender: "*@bob.test", smarthost: ${hopAt(service, 'bob', few)} }`];
  await reloadWith(topology, 'edge', text({ smarthost: hopAt(service, 'alice', few), routes }));
  const logged = (await postfix.log()).length;
  const users = ['alice', 'bob'].map((user) => ({
    user,
    recipients: numbered(20, user, 'apart.test'),
  }));
  const letters = users.flatMap(({ user, recipients }) =>
    recipients.map((recipient) => letter({ sender: `sender@${user}.test`, recipients: recipient })),
  );
  await Promise.all(letters.map((one) => submit(topology.relay('edge'), one)));
  const arrivals = await topology.sink().untilArrived(users.flatMap((one) => one.recipients));
  const queues = new Set<string>();
  for (const { user, recipients } of users) {
    let reused = 0;
    for (const recipient of recipients) {
      const [message, ...others] = arrivals.get(recipient) ?? [];
      assert.equal(others.length, 0);
      const raw = (await topology.sink().raw(message?.id ?? '')).toString('latin1');
      assert.match(raw, new RegExp(`\\(Authenticated sender: ${user}(@[^)]*)?\\)`));
      const { queue, attempts } = await topology.api('edge').untilRecord(recipient);
      queues.add(`${user}: ${queue}`);
      assert.deepEqual(
        attempts.map((attempt) => attempt.user),
        [user],
      );
      reused += attempts[0]?.reused === true ? 1 : 0;
    }
    assert.ok(reused > 0, `each message of ${user} had a connection of its own`);
  }
  assert.equal(queues.size, 2, [...queues].join(', '));
  // Each connection has one login, so that what was sent over it was sent under that.
  const logins = (await postfix.log()).slice(logged).match(/disconnect from .* auth=\d+/g) ?? [];
  assert.ok(logins.every((line) => line.endsWith('auth=1')));
  t.diagnostic(`${letters.length} messages; ${[...queues].join(', ')}`);
}

async function sendSome(topology: RunningTopology, name: string): Promise<string[]> {
  const recipients = numbered(AT_ONCE, name, 'password.test');
  for (const recipient of recipients) {
    await submit(topology.relay('edge'), letter({ recipients: recipient }));
  }
  return recipients;
}

/** The mail is refused time and again, stays, and nobody gets a bounce. */
async function assertWaits(
  topology: RunningTopology,
  recipients: readonly string[],
): Promise<NonNullable<QueueView['last_fault']>> {
  let views: QueueView[] = [];
  const look = async (): Promise<QueueView | undefined> => {
    const records = await topology.api('edge').allRecords();
    // One of them, whichever it is, finds out at times how the hop is.
    const mostTried = Math.max(
      ...records
        .filter(({ envelope }) => recipients.includes(envelope.recipients[0] ?? ''))
        .map(({ attempts }) => attempts.length),
    );
    views = await topology.api('edge').queues();
    return mostTried < REFUSALS ? undefined : views.find(({ state }) => state === 'backoff');
  };
  const queue = await until('the login to be refused', look, { seen: () => views });
  assert.equal(queue.ready + queue.deferred, recipients.length);
  assert.ok(queue.last_fault !== null && queue.next_attempt_at !== null);
  for (const recipient of recipients) {
    assert.deepEqual(await topology.sink().messages(recipient), []);
    const [record] = await topology.api('edge').records(recipient);
    assert.ok(!['failed', 'delivered', 'relayed'].includes(record?.action ?? ''));
  }
  assert.deepEqual(await topology.sink().messages('sender@scenario.test'), []);
  return queue.last_fault;
}

/** What Postfix has logged of the client that brought the message of a recipient. */
async function clientOf(recipient: string, postfix: LoginPostfix): Promise<string> {
  return until(`the log of ${recipient}`, async () => {
    const log = await postfix.log();
    const id = new RegExp(`smtp\\[\\d+\\]: (\\w+): to=<${recipient}>`).exec(log)?.[1];
    return new RegExp(`^.*: ${id}: client=.*$`, 'm').exec(log)?.[0];
  });
}
