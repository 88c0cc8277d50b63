import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ChainTrace } from '../../src/trace/record.js';
import { FAULTY, HOPS, startEightHops, STUCK, type EightHops } from './eight-hops.js';
import { letter } from './letters.js';
import { submit } from './mail-sender.js';
import { cannotMount } from './small-disk.js';
import {
  askTrace,
  assertLinked,
  findQueueId,
  sentenceIn,
  traceFromAll,
  untilTrace,
} from './trace-command.js';
import { until } from './waiting.js';

const FIRST = 'hop1';
const BEFORE = HOPS.slice(0, HOPS.indexOf(STUCK));
const BEHIND = HOPS.slice(HOPS.indexOf(STUCK) + 1);
const SENT_TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SENT_SPAN = '00f067aa0ba902b7';
const QUESTIONS = 30;

interface Fault {
  name: string;
  begin: (hops: EightHops) => Promise<void>;
  /** What the sentence says that happened. */
  words: string;
  heal: (hops: EightHops) => Promise<void>;
  /** Another id than the trace id, by which the message is asked for. */
  find?: (hops: EightHops, recipient: string) => Promise<string>;
  skip?: string | false;
}

const FAULTS: readonly [Fault, ...Fault[]] = [
  {
    name: 'wrong password',
    find: ({ topology }, recipient) => findQueueId(topology, FIRST, recipient),
    begin: (hops) => hops.changePassword('the second password', [STUCK]),
    words: 'the login failed: 535 5\\.7\\.8 Authentication credentials invalid',
    heal: (hops) => hops.changePassword('the second password', [FAULTY]),
  },
  {
    name: 'certificate of a stranger',
    begin: (hops) => hops.showForeignCertificate(),
    words: 'TLS failed: unable to verify the first certificate',
    heal: (hops) => hops.renewCertificate(),
  },
  {
    name: 'expired certificate',
    begin: (hops) => hops.letCertificateExpire(),
    words: 'TLS failed: certificate has expired',
    heal: (hops) => hops.renewCertificate(),
  },
  {
    name: 'full disk',
    begin: (hops) => hops.fillDisk(),
    words: '452 4\\.3\\.1 The disk is full; try again later',
    heal: (hops) => hops.freeDisk(),
    skip: cannotMount(),
  },
  {
    name: 'hop down',
    begin: ({ topology }) => topology.end(FAULTY, 'SIGKILL'),
    words: '[^;]*ECONNREFUSED 127\\.0\\.0\\.1:\\d+',
    heal: ({ topology }) => topology.startByHand(FAULTY),
  },
];

test('a message on its way over eight hops', async (t) => {
  const hops = await startEightHops(t);
  for (const fault of FAULTS) {
    await t.test(
      `stuck at the fifth, ${fault.name}: the first tells why, and it arrives once that is mended`,
      { skip: fault.skip ?? false },
      (sub) => assertFound(sub, hops, fault),
    );
  }
  await t.test('the trace of a client that logged in goes on, up to the last hop', () =>
    assertContinued(hops),
  );
  await t.test('the trace of a client without a login is linked, and another one begins', () =>
    assertOnlyLinked(hops),
  );
  await t.test('the whole path is told at once', (sub) => reportSpeed(sub, hops));
  await t.test(
    'the fifth hangs, then is killed: it is named, what stands before and behind it is told',
    () => assertPartial(hops),
  );
});

async function assertFound(t: TestContext, hops: EightHops, fault: Fault): Promise<void> {
  const { topology } = hops;
  const recipient = recipientOf(fault);
  await fault.begin(hops);
  const traceId = await send(hops, recipient);
  try {
    await untilTrace(topology, FIRST, traceId, isHeldUp);
    const id = (await fault.find?.(hops, recipient)) ?? traceId;
    const when = `${FAULTY} is asked again (?:in [1-9]\\d* s|now|now, by one message first)`;
    const since = `Waiting at ${STUCK} for ${FAULTY} since \\d+ (?:s|min)`;
    const right = new RegExp(`^${since}: ${fault.words}; ${when}\\.$`);
    t.diagnostic(await assertSays(hops, id, right, [...BEFORE, STUCK]));
  } finally {
    await fault.heal(hops);
    await hops.retry();
  }
  await assertArrived(hops, recipient, traceId);
}

function recipientOf({ name }: Fault): string {
  return `${name.replaceAll(' ', '-')}@followed.test`;
}

/**
 * Whoever asks the first node by the command is told this in one sentence, and of these hops; perhaps
 * not at once, since another attempt may just be under way.
 */
async function assertSays(
  { topology }: EightHops,
  id: string,
  right: RegExp,
  drawn: readonly string[],
): Promise<string> {
  let sentence = '';
  const ask = async (): Promise<string | null> => {
    const { code, stdout, stderr } = await askTrace(topology, FIRST, [id, '--chain']);
    assert.deepEqual([code, stderr], [0, '']);
    sentence = sentenceIn(stdout);
    return right.test(sentence) ? stdout : null;
  };
  const picture = await until(`the sentence ${right.source}`, ask, { seen: () => sentence });
  const hops = [...picture.matchAll(/^● (\S+) /gm)].map(([, node]) => node);
  assert.deepEqual(hops, drawn);
  return sentence;
}

/** It waits after a fault of the next hop. */
function isHeldUp({ hops }: ChainTrace): boolean {
  const waiting = hops.find(({ node }) => node === STUCK)?.waiting ?? [];
  return waiting.some(({ state }) => state === 'backoff');
}

/** Hands a message in at the first node. @returns its trace id */
async function send({ topology }: EightHops, recipient: string): Promise<string> {
  await submit(topology.relay(FIRST), letter({ recipients: recipient }));
  return (await topology.api(FIRST).untilRecord(recipient)).trace_id;
}

/** It is at the sink once, and each of the eight tells the same whole path. */
async function assertArrived(
  { topology }: EightHops,
  recipient: string,
  traceId: string,
): Promise<ChainTrace> {
  await topology.sink().untilMessage(recipient);
  await untilTrace(topology, FIRST, traceId, ({ complete }) => complete);
  const chain = await traceFromAll(topology, HOPS, traceId);
  assert.deepEqual(
    chain.hops.map(({ node, action }) => [node, action]),
    HOPS.map((node, index) => [node, index === HOPS.length - 1 ? 'relayed' : 'transferred']),
  );
  assertLinked(chain);
  assert.equal(chain.hops.at(-1)?.attempts.at(-1)?.next_hop, 'mx');
  assert.deepEqual(chain.unreachable, []);
  assert.equal((await topology.sink().messages(recipient)).length, 1);
  return chain;
}

async function assertContinued(hops: EightHops): Promise<void> {
  const { topology } = hops;
  const recipient = 'continued@followed.test';
  const mail = letter({ recipients: recipient, header: [traceparent()] });
  const dsn = { id: 'order+3D7', recipient: 'first+address@followed.test', notify: 'failure' };
  await submit(await topology.submission(FIRST), { ...mail, dsn });
  const { hops: path } = await assertArrived(hops, recipient, SENT_TRACE);
  assert.equal(path[0]?.parent_span_id, SENT_SPAN);
  // Parameters of the envelope go along as they are.
  const [origin] = path;
  assert.match(origin?.recipients[0]?.orcpt ?? '', /^rfc822;first/);
  for (const hop of path) {
    assert.equal(hop.envid, origin?.envid, hop.node);
    assert.equal(hop.recipients[0]?.orcpt, origin?.recipients[0]?.orcpt, hop.node);
    assert.equal(hop.links, undefined);
  }
}

async function assertOnlyLinked(hops: EightHops): Promise<void> {
  const { topology } = hops;
  const recipient = 'linked@followed.test';
  await submit(topology.relay(FIRST), letter({ recipients: recipient, header: [traceparent()] }));
  const { trace_id: traceId } = await topology.api(FIRST).untilRecord(recipient);
  assert.notEqual(traceId, SENT_TRACE);
  const { hops: path } = await assertArrived(hops, recipient, traceId);
  assert.equal(path[0]?.parent_span_id, null);
  assert.deepEqual(
    path.map(({ links }) => links),
    [[{ trace_id: SENT_TRACE, span_id: SENT_SPAN }], ...BEFORE, ...BEHIND].map((link) =>
      typeof link === 'string' ? undefined : link,
    ),
  );
}

function traceparent(): string {
  return `traceparent: 00-${SENT_TRACE}-${SENT_SPAN}-01`;
}

/** Time goes by the machine and what else it does, so that it is said and not judged. */
async function reportSpeed(t: TestContext, hops: EightHops): Promise<void> {
  const traceId = await send(hops, 'timed@followed.test');
  await assertArrived(hops, 'timed@followed.test', traceId);
  for (const node of [FIRST, STUCK, HOPS.at(-1) ?? '']) {
    const api = hops.topology.api(node);
    const took: number[] = [];
    for (let question = 0; question < QUESTIONS; question++) {
      const startMs = performance.now();
      const chain = await api.trace(traceId);
      took.push(performance.now() - startMs);
      assert.equal(chain.hops.length, HOPS.length);
    }
    took.sort((a, b) => a - b);
    const [median, slowest] = [took[QUESTIONS / 2] ?? NaN, took.at(-1) ?? NaN];
    t.diagnostic(
      `the path of eight from ${node}: median ${median.toFixed(1)} ms of ${QUESTIONS}, ` +
        `slowest ${slowest.toFixed(1)} ms`,
    );
  }
}

async function assertPartial(hops: EightHops): Promise<void> {
  const { topology } = hops;
  // A record of the last second before a kill may be gone; this one is older.
  const { trace_id: passed } = await topology.api(FIRST).untilRecord(recipientOf(FAULTS[0]));
  await hops.hold();
  const held = await send(hops, 'held@followed.test');
  await untilTrace(topology, FIRST, held, (chain) => chain.hops.length === BEFORE.length + 1);

  // It takes connections still, and answers none of them.
  await topology.signal(STUCK, 'SIGSTOP');
  try {
    await assertNamed(hops, { passed, held }, /no answer|timeout|timed out/i);
  } finally {
    await topology.end(STUCK, 'SIGKILL');
  }
  await assertNamed(hops, { passed, held }, /ECONNREFUSED/);

  // Those behind the gap know more than those before it.
  const all = [...BEFORE, ...BEHIND];
  await assertSays(hops, passed, /^Delivered: mx has it since /, all);
  const reason = 'connect ECONNREFUSED 127\\.0\\.0\\.1:\\d+';
  const lost = `^Last seen leaving hop4 for ${STUCK}; ${STUCK} could not be asked \\(${reason}\\)\\.$`;
  await assertSays(hops, held, new RegExp(lost), BEFORE);

  // A pause ends with the process.
  await topology.startByHand(STUCK);
  await assertArrived(hops, 'held@followed.test', held);
  assert.equal((await traceFromAll(topology, HOPS, passed)).hops.length, HOPS.length);
}

/** The others tell what they know, and of the fifth that it cannot be asked, and why. */
async function assertNamed(
  { topology }: EightHops,
  { passed, held }: { passed: string; held: string },
  reason: RegExp,
): Promise<void> {
  const others = [...BEFORE, ...BEHIND];
  const check = async (id: string, told: readonly string[]): Promise<void> => {
    const { complete, hops, unreachable } = await traceFromAll(topology, others, id);
    assert.equal(complete, false);
    assert.deepEqual(
      hops.map(({ node }) => node),
      told,
    );
    assert.deepEqual(
      unreachable.map(({ node, action }) => [node, action]),
      [[STUCK, 'opaque']],
    );
    assert.match(unreachable[0]?.reason ?? '', reason);
  };
  // Together: with one that hangs each waits as long as a question may take.
  await Promise.all([check(passed, others), check(held, BEFORE)]);
}
