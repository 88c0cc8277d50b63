import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReport } from './delivery-report.js';
import { letter } from './letters.js';
import { submit } from './mail-sender.js';
import { startTopology } from './running-topology.js';
import { askTrace, assertLinked, sentenceIn, traceFromAll, untilTrace } from './trace-command.js';

/** `a` and `b` each believe that the other one knows where mail for this domain goes. */
const TOPOLOGY = `version: 1
name: in-a-circle
secrets:
  a-b: { generate: true }
  b-a: { generate: true }
nodes:
  a:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    routes: [{ recipient: '*@circle.test', smarthost: b }]
    smarthost: mx
  b:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    routes: [{ recipient: '*@circle.test', smarthost: a }]
    smarthost: mx
links:
  - { from: a, to: b, username: a, password: { secret: a-b }, tls: none }
  - { from: b, to: a, username: b, password: { secret: b-a }, tls: none }
sinks: { mx: { port: auto } }
`;
const SENDER = 'sender@outside.test';
const RECIPIENT = 'nobody@circle.test';
const CUT = /554 5\.4\.6 Mail loop: a -> b -> a$/;

test('a loop is cut when the message comes back, and the cycle is named', async (t) => {
  const topology = await startTopology(t, TOPOLOGY);
  await submit(topology.relay('a'), letter({ recipients: RECIPIENT, sender: SENDER }));
  const { trace_id: traceId } = await topology.api('a').untilRecord(RECIPIENT);
  const { id } = await topology.sink().untilMessage(SENDER);

  await t.test('the bounce names it', async () => {
    const report = parseReport(await topology.sink().raw(id));
    const [failed, ...more] = report.recipients;
    assert.deepEqual(more, []);
    assert.equal(failed?.get('final-recipient'), `rfc822; ${RECIPIENT}`);
    assert.equal(failed.get('status'), '5.4.6');
    assert.match(failed.get('diagnostic-code') ?? '', CUT);
    assert.equal(report.message.get('reporting-mta'), 'dns; b.in-a-circle');
  });

  await t.test('both nodes tell the same path: it came once to each', async () => {
    await untilTrace(topology, 'a', traceId, ({ complete }) => complete);
    const chain = await traceFromAll(topology, ['a', 'b'], traceId);
    const [first, second, ...bounces] = chain.hops;
    assert.ok(first !== undefined && second !== undefined);
    assertLinked({ ...chain, hops: [first, second] });
    assert.deepEqual([first.node, first.action], ['a', 'transferred']);
    assert.deepEqual([second.node, second.action], ['b', 'failed']);
    const [attempt, ...others] = second.attempts;
    assert.deepEqual(others, [], 'it is not tried again');
    assert.deepEqual(
      [attempt?.next_hop, attempt?.result, attempt?.code, attempt?.enhanced_code],
      ['a', 'error', 554, '5.4.6'],
    );
    assert.deepEqual(
      bounces.map(({ node, bounce_of: of, envelope }) => [node, of, envelope.recipients]),
      [['b', second.queue_id, [SENDER]]],
    );
  });

  await t.test('the command says so', async () => {
    const { code, stdout } = await askTrace(topology, 'a', [traceId, '--chain']);
    assert.equal(code, 0);
    assert.equal(sentenceIn(stdout), 'Bounced at b: 554 5.4.6 Mail loop: a -> b -> a.');
  });
});
