import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { RelayError } from '../../src/base/errors.js';
import { Secret } from '../../src/base/secret.js';
import { SpoolRefusal } from '../../src/queue/group-commit.js';
import { eventually } from '../base/eventually.js';
import { Dialogue } from './dialogue.js';
import {
  authPlain,
  contentOf,
  PEER_PASSWORD,
  POLICY,
  runIntake,
  type IntakeOptions,
  type RunningIntake,
} from './running-intake.js';

const QUEUE_ID = '01KE6Q1XB500000077';
const OTHER_ID = '01KE6Q1XB500000078';
const CONTENT = 'Subject: x\r\n\r\nbody';

interface Mail {
  queueId?: string;
  /** The node that the sender says it is. */
  node?: string;
  recipients?: string[];
  content?: string;
  doubt?: 0 | 1;
  /** Span of the attempt: each one has its own. */
  span?: string;
}

function xmesh({ queueId = QUEUE_ID, node = 'core', doubt = 0, span = '1' }: Mail): string {
  const parent = `00-0123456789abcdef0123456789abcdef-${span.padStart(16, '0')}-01`;
  return `1;${parent};${node};${queueId};${node};${doubt}`;
}

/** Two peers, each with a login of its own. */
function runMesh(t: TestContext, options: IntakeOptions = {}): Promise<RunningIntake> {
  const other = {
    node: 'other',
    username: 'other-login',
    passwords: [new Secret(PEER_PASSWORD)],
    may: [],
    steerTo: [],
  };
  return runIntake(t, { policy: { peers: [...POLICY.peers, other] }, ...options });
}

async function peer(port: number, username = 'core-login'): Promise<Dialogue> {
  const client = await Dialogue.open(port, 'starttls');
  assert.match(await client.ask(authPlain(username, PEER_PASSWORD)), /^235 /);
  return client;
}

/** The reply that ended the transaction. */
async function handOver(client: Dialogue, mail: Mail = {}): Promise<string> {
  const { recipients = ['b@y.test'], content = CONTENT } = mail;
  assert.match(await client.ask(`MAIL FROM:<a@x.test> XMESH=${xmesh(mail)}`), /^250 /);
  for (const recipient of recipients) {
    assert.match(await client.ask(`RCPT TO:<${recipient}>`), /^250 /);
  }
  assert.match(await client.ask('DATA'), /^354 /);
  client.write(`${content}\r\n.\r\n`);
  return client.reply();
}

function idIn(reply: string): string {
  return /^250 2\.6\.0 queued as ([0-9A-Z]{18})$/.exec(reply)?.[1] ?? reply;
}

/** Recipients of each message that was stored. */
function taken({ spool }: RunningIntake): string[][] {
  return spool.taken.map(({ item }) => item.recipients.map(({ address }) => address));
}

test('what a peer hands over again is answered 250 with the first id, and nothing of it is stored', async (t) => {
  const running = await runMesh(t);
  const client = await peer(running.port);
  const first = await handOver(client);
  const [stored] = running.spool.taken;
  assert.equal(idIn(first), stored?.item.id);
  assert.equal(await handOver(client, { span: '2', doubt: 1 }), first, 'in the same session');
  const next = await peer(running.port);
  assert.equal(await handOver(next, { span: '3' }), first, 'in another one');
  assert.deepEqual(taken(running), [['b@y.test']]);
  assert.deepEqual([running.spool.openBodies.size, running.spool.looseBodies.size], [0, 0]);
});

test('a body that went to a file is deleted with the repeat', async (t) => {
  const running = await runMesh(t);
  running.spool.digestBodies = true;
  const client = await peer(running.port);
  const content = `Subject: x\r\n\r\n${'long line\r\n'.repeat(50_000)}`;
  const first = await handOver(client, { content });
  assert.equal(await handOver(client, { content }), first);
  assert.equal(running.spool.taken.length, 1);
  assert.equal(running.spool.looseBodies.size, 0);
});

test('with one more recipient only that one is stored, and the whole message with it', async (t) => {
  const running = await runMesh(t);
  const client = await peer(running.port);
  const first = await handOver(client, { recipients: ['b@y.test', 'c@y.test'] });
  const more = await handOver(client, { recipients: ['c@y.test', 'd@z.test', 'b@y.test'] });
  assert.notEqual(more, first);
  assert.deepEqual(taken(running), [['b@y.test', 'c@y.test'], ['d@z.test']]);
  const [, second] = running.spool.taken;
  assert.equal(idIn(more), second?.item.id);
  assert.equal(contentOf(second), `${CONTENT}\r\n`);
  assert.equal(await handOver(client, { recipients: ['d@z.test'] }), more);
});

test('another id, and another spelling of the recipient, are other mail', async (t) => {
  const running = await runMesh(t);
  const client = await peer(running.port);
  const ids = [
    await handOver(client),
    await handOver(client, { queueId: OTHER_ID }),
    await handOver(client, { recipients: ['B@y.test'] }),
  ].map(idIn);
  assert.equal(new Set(ids).size, 3);
  assert.equal(running.spool.taken.length, 3);
});

test('no peer can make the mail of another one look like a repeat', async (t) => {
  const running = await runMesh(t);
  const forger = await peer(running.port, 'other-login');
  const forged = await handOver(forger, { node: 'core' });
  const honest = await handOver(await peer(running.port));
  assert.notEqual(honest, forged);
  assert.equal(running.spool.taken.length, 2);
  assert.deepEqual(
    [...running.spool.keys.keys()].map((key) => (JSON.parse(key) as { node: string }).node),
    ['other', 'core'],
  );
});

/** Of `core-1` and `core-2`, which share their mail, and of `core`, which shares with neither. */
function runBehindTier(t: TestContext): Promise<RunningIntake> {
  const [core] = POLICY.peers;
  assert.ok(core !== undefined);
  const member = (node: string, sharesWith: string[]): typeof core => ({
    ...core,
    node,
    sharesWith,
    username: `${node}-login`,
  });
  const members = [member('core-1', ['core-2']), member('core-2', ['core-1'])];
  return runIntake(t, { policy: { peers: [core, ...members] } });
}

function nodesOfKeys({ spool }: RunningIntake): string[] {
  return [...spool.keys.keys()].map((key) => (JSON.parse(key) as { node: string }).node);
}

test('what a node of a tier took is the same message when another one of it hands it over', async (t) => {
  const running = await runBehindTier(t);
  const first = await handOver(await peer(running.port, 'core-1-login'), { node: 'core-1' });
  const mate = await peer(running.port, 'core-2-login');
  assert.equal(await handOver(mate, { node: 'core-1', doubt: 1 }), first);
  assert.notEqual(await handOver(mate, { node: 'core-2' }), first, 'its own with the same id');
  assert.deepEqual(nodesOfKeys(running), ['core-1', 'core-2']);
});

test('outside of the tier its names are not taken, and inside no names from outside', async (t) => {
  const running = await runBehindTier(t);
  const stranger = await peer(running.port, 'core-login');
  const forged = [
    await handOver(stranger, { node: 'core-1' }),
    await handOver(await peer(running.port, 'core-1-login'), { node: 'core' }),
    await handOver(await peer(running.port, 'core-2-login'), { node: 'nobody' }),
  ];
  assert.deepEqual(nodesOfKeys(running), ['core', 'core-1', 'core-2']);
  assert.equal(new Set(forged.map(idIn)).size, 3);
});

test('two sessions with the same message at once: it is stored once, and both hear its id', async (t) => {
  const running = await runMesh(t);
  const [one, two] = [await peer(running.port), await peer(running.port)];
  let open: () => void = () => undefined;
  running.spool.gate = new Promise((resolve) => (open = resolve));
  const replies = [handOver(one), handOver(two)];
  await eventually('both are at their end', () => running.spool.looseBodies.size === 2);
  open();
  const [first, second] = await Promise.all(replies);
  assert.equal(first, second);
  assert.match(first ?? '', /^250 /);
  assert.equal(running.spool.taken.length, 1);
  assert.equal(running.spool.looseBodies.size, 0);
});

test('of two at once the second is stored when the first could not be', async (t) => {
  const running = await runMesh(t);
  const [one, two] = [await peer(running.port), await peer(running.port)];
  let open: () => void = () => undefined;
  running.spool.gate = new Promise((resolve) => (open = resolve));
  let refused = 0;
  running.spool.refuses = () => ++refused === 1;
  const replies = [handOver(one), handOver(two)];
  await eventually('both are at their end', () => running.spool.looseBodies.size === 2);
  open();
  const codes = (await Promise.all(replies)).map((reply) => reply.slice(0, 3)).sort();
  assert.deepEqual(codes, ['250', '451']);
  assert.equal(running.spool.taken.length, 1);
  assert.equal(running.spool.looseBodies.size, 0);
});

test('a peer that hung up before it heard the 250 is answered with the same id', async (t) => {
  const running = await runMesh(t);
  const client = await peer(running.port);
  let open: () => void = () => undefined;
  running.spool.gate = new Promise((resolve) => (open = resolve));
  const lost = handOver(client).catch(() => '');
  await eventually('it is at its end', () => running.spool.looseBodies.size === 1);
  client.leave();
  open();
  await lost;
  await eventually('it is stored', () => running.spool.taken.length === 1);
  const reply = await handOver(await peer(running.port), { doubt: 1 });
  assert.equal(idIn(reply), running.spool.taken[0]?.item.id);
  assert.equal(running.spool.taken.length, 1);
});

test('the trace header never makes a repeat, whoever sends it', async (t) => {
  const running = await runMesh(t, { listener: { acceptTraceHeader: true } });
  const content = `X-Mesh-Trace: ${xmesh({})}\r\n${CONTENT}`;
  const client = await peer(running.port);
  const stranger = await Dialogue.open(running.port);
  const replies = [
    await client.send(content),
    await client.send(content),
    await stranger.send(content),
    await stranger.send(content),
    await handOver(client, { content }),
  ];
  assert.equal(new Set(replies.map(idIn)).size, 5);
  assert.equal(running.spool.taken.length, 5);
  assert.equal(running.spool.keys.size, 1, 'that of the envelope');
});

test('what is no queue id of ours is taken, and never a repeat', async (t) => {
  const running = await runMesh(t);
  const client = await peer(running.port);
  for (const queueId of ['0ABC', '01KE6Q1XB5000000771', '01KE6Q1XB50000007I']) {
    const [first, second] = [
      await handOver(client, { queueId }),
      await handOver(client, { queueId }),
    ];
    assert.notEqual(idIn(first), idIn(second), queueId);
  }
  assert.equal(running.spool.keys.size, 0);
});

test('a peer hears nothing about a write of which nobody knows whether it was made, and comes back', async (t) => {
  const running = await runMesh(t);
  const failure = new RelayError('SPOOL_FULL', 'no room', { fault: 'system' });
  running.spool.refuses = () => true;
  running.spool.refusal = new SpoolRefusal(failure, true);
  const client = await peer(running.port);
  assert.equal(await handOver(client), '', 'closed, without a reply');
  running.spool.refusal = new SpoolRefusal(failure, false);
  assert.match(await handOver(await peer(running.port)), /^452 4\.3\.1 /);
  // Anybody else would send it again after a lost reply: so it is told.
  running.spool.refusal = new SpoolRefusal(failure, true);
  const stranger = await Dialogue.open(running.port);
  assert.match(await stranger.send(CONTENT), /^452 4\.3\.1 /);
  running.spool.refuses = () => false;
  assert.match(await handOver(await peer(running.port), { doubt: 1 }), /^250 /);
  assert.equal(running.spool.taken.length, 1);
});

test('a write that is refused is answered 451, one that wants for room 452 4.3.1', async (t) => {
  const running = await runMesh(t);
  const client = await peer(running.port);
  running.spool.refuses = () => true;
  assert.match(await handOver(client), /^451 4\.3\.0 /);
  for (const code of ['SPOOL_FULL', 'QUEUE_FULL']) {
    running.spool.refusal = new RelayError(code, 'no room', { fault: 'system' });
    assert.match(await handOver(client), /^452 4\.3\.1 /, code);
  }
  running.spool.refusal = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  assert.match(await handOver(client), /^452 4\.3\.1 /);
  running.spool.refusal = new RelayError('SPOOL_FAILED', 'broken', { fault: 'system' });
  assert.match(await handOver(client), /^451 4\.3\.0 /);
  assert.deepEqual([running.spool.taken.length, running.spool.looseBodies.size], [0, 0]);
  running.spool.refuses = () => false;
  assert.match(await handOver(client), /^250 /, 'it was no repeat: nothing had been taken');
});
