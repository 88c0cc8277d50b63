import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { scratchFolder } from '../scenario/programs.js';
import { withoutLoginPostfix } from '../scenario/login-postfix.js';
import { makeCertificate } from '../send/certificates.js';
import { get, runSink, SmtpClient } from '../sink/client.js';
import type { Absent, Contender } from './contender.js';
import { floor } from './floor-relay.js';
import { haraka } from './haraka-relay.js';
import { startHop } from './hop.js';
import { postfix } from './postfix-relay.js';
import { canMeasureProcesses } from './process-cost.js';
import { chainOf } from './relaymesh-mesh.js';
import { relaymesh } from './relaymesh-node.js';
import { tierOf } from './relaymesh-tier.js';
import { measureRound } from './round.js';
import { startSource } from './source.js';
import { cannotCountSyncs, syncCount } from './sync-count.js';
import type { Protection } from './traffic.js';

/* Whoever is compared does relay, on each way that a case speaks to it. */

const LOAD = { sessions: 3, messages: 12, bytes: 5000, kept: true };
const DEADLINE_MS = 60_000;
const TIMEOUT = { timeout: 120_000 };

async function relays(
  t: TestContext,
  contender: Contender,
  protection: Protection,
  wrap: readonly string[] = [],
): Promise<void> {
  const certificate = await makeCertificate('bench');
  const common = { protection, measuresDelay: false };
  const hop = await startHop(t, { ...common, certificate, replyDelayMs: 0 });
  const source = await startSource(t, { ...common, ca: certificate.ca, deadlineMs: DEADLINE_MS });
  const folder = await scratchFolder(t);
  const start = { hopPort: hop.port, protection, certificate, folder, wrap };
  const running = await contender.start(t, start);
  const bench = { hop, source, deadlineMs: DEADLINE_MS, quietMs: 100 };
  const { perSecond, cpuUs, peakBytes } = await measureRound(running, LOAD, bench);
  assert.ok(perSecond > 0);
  if (!canMeasureProcesses()) return;
  // Counted in steps of 10 ms for each process: of so few messages it may be none.
  assert.ok(cpuUs !== null && (peakBytes ?? 0) > 1e6, `${cpuUs} us, ${peakBytes} bytes`);
}

const both: Protection[] = ['clear', 'tls-login'];
const shared = tierOf(1, [], 'relaymesh shared');
const found = [relaymesh(), shared, floor(), floor(2), await postfix(), await haraka()];
for (const contender of found) {
  for (const protection of both) {
    test(
      `${contender.name} relays, ${protection}`,
      { skip: reasonOf(contender, protection), ...TIMEOUT },
      (t) => ('start' in contender ? relays(t, contender, protection) : undefined),
    );
  }
}

function reasonOf(contender: Contender | Absent, protection: Protection): string | false {
  if (!('start' in contender)) return contender.reason;
  return contender.name === 'postfix' && protection !== 'clear' && withoutLoginPostfix();
}

test('a chain relays', TIMEOUT, (t) => relays(t, chainOf(2, ['log-level=warn'], 'two'), 'clear'));

test('the syncs of a node are counted', { skip: cannotCountSyncs(), ...TIMEOUT }, async (t) => {
  const syncs = syncCount(await scratchFolder(t));
  assert.equal(syncs.count(), 0);
  await relays(t, relaymesh(), 'clear', syncs.wrap);
  assert.ok(syncs.count() > 0);
});

test(
  'the floor relays what it was given, and its 250 is that of the next hop',
  TIMEOUT,
  async (t) => {
    const sink = await runSink(t);
    const folder = await scratchFolder(t);
    const certificate = await makeCertificate('bench');
    const start = { hopPort: sink.smtp.port, protection: 'clear' as const, certificate, folder };
    const { port } = await floor().start(t, start);
    const client = await SmtpClient.greeted(port);
    t.after(() => client.destroy());
    const body = `first\r\n..a dot\r\n${'x'.repeat(900)}\r\n`.repeat(100);
    const replies = await client.send(
      'a@source.example',
      ['b@sink.example'],
      `Subject: a\r\n\r\n${body}`.trimEnd(),
    );
    assert.match(replies.at(-1) ?? '', /^250 /);
    // The 250 is the next hop's: the message is there.
    const { messages } = (await (await get(sink, '/messages')).json()) as {
      messages: Array<{ body_sha256: string; recipients: string[] }>;
    };
    const sha256 = createHash('sha256').update(body.replaceAll('\r\n..', '\r\n.')).digest('hex');
    assert.deepEqual(
      messages.map((one) => [one.recipients, one.body_sha256]),
      [[['b@sink.example'], sha256]],
    );
    await sink.stop();
    const refused = await client.send(
      'a@source.example',
      ['b@sink.example'],
      'Subject: b\r\n\r\nb',
    );
    assert.doesNotMatch(refused.at(-1) ?? '', /^250 /);
  },
);
