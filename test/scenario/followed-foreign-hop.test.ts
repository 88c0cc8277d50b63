import assert from 'node:assert/strict';
import { test } from 'node:test';
import { letter } from './letters.js';
import { submit, type Submission } from './mail-sender.js';
import { POSTFIX_NAME, startPostfix, withoutPostfix, type Postfix } from './postfix.js';
import { freePort } from './programs.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { askTrace, assertLinked, sentenceIn, traceFromAll, untilTrace } from './trace-command.js';

const NODES = ['inner', 'outer'];

/**
 * A Postfix stands between `inner` and `outer` and hands on what it gets, without a login. What is
 * for `untold.test` goes there without the trace.
 */
function topologyAround(port: number): string {
  const postfix = (trace: string): string =>
    `{ hostname: 127.0.0.1, port: ${port}, tls: none, trace: ${trace} }`;
  return `version: 1
name: followed-through
nodes:
  inner:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    routes:
      - { recipient: '*@untold.test', smarthost: ${postfix('none')} }
      - { recipient: '*@direct.test', smarthost: mx }
    smarthost: ${postfix('header')}
  outer:
    listen: [{ name: relay, port: auto, trace: accept }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: mx
sinks: { mx: { port: auto } }
`;
}

test(
  'a message that a Postfix hands on between two nodes',
  { skip: withoutPostfix() },
  async (t) => {
    const port = await freePort();
    const topology = await startTopology(t, topologyAround(port));
    const relayPort = topology.relay('outer').port;
    const postfix = await startPostfix(t, { port, relayPort });

    await t.test('both nodes tell both hops', () => assertWhole(topology));
    await t.test('while the Postfix has it, that is what the first node says', () =>
      assertHeldBetween(topology, postfix, port),
    );
    await t.test('nothing of the trace goes where it is not told', () => assertUntold(topology));
    assert.match(await postfix.log(), /to=<held@through\.test>.*status=deferred/);
  },
);

async function assertWhole(topology: RunningTopology): Promise<void> {
  const recipient = 'whole@through.test';
  const mail = letterTo(recipient);
  await submit(topology.relay('inner'), mail);
  await assertPlainAtSink(topology, recipient, mail);
  const { trace_id: traceId } = await topology.api('inner').untilRecord(recipient);
  await untilTrace(topology, 'inner', traceId, ({ complete }) => complete);
  await assertBothHops(topology, traceId);
  // A Message-ID is known on both sides, a queue id on one.
  for (const node of NODES) {
    const chain = await topology.api(node).trace('<whole.through.test@scenario.test>');
    assert.equal(chain.trace_id, traceId);
    assert.equal(chain.hops.length, 2);
  }
}

async function assertBothHops(topology: RunningTopology, traceId: string): Promise<void> {
  const chain = await traceFromAll(topology, NODES, traceId);
  assertLinked(chain);
  const [inner, outer] = chain.hops;
  assert.deepEqual(
    chain.hops.map(({ node, action }) => [node, action]),
    NODES.map((node) => [node, 'relayed']),
  );
  assert.equal(inner?.attempts.at(-1)?.carrier, 'header');
  assert.equal(outer?.client.helo, POSTFIX_NAME);
  assert.equal(outer?.attempts.at(-1)?.next_hop, 'mx');
  assert.equal(outer?.attempts.at(-1)?.carrier, undefined);
}

async function assertHeldBetween(
  topology: RunningTopology,
  postfix: Postfix,
  port: number,
): Promise<void> {
  const recipient = 'held@through.test';
  await topology.end('outer', 'SIGTERM');
  await submit(topology.relay('inner'), letterTo(recipient));
  const { trace_id: traceId } = await topology.api('inner').untilRecord(recipient);
  try {
    await assertSaidOfForeign(topology, port, traceId);
  } finally {
    await topology.startByHand('outer');
  }
  await postfix.flush();
  await topology
    .sink()
    .untilMessage(recipient)
    .catch(async (error: unknown) => {
      throw new Error(await postfix.log(), { cause: error });
    });
  await untilTrace(topology, 'inner', traceId, ({ complete }) => complete);
  await assertBothHops(topology, traceId);
}

async function assertSaidOfForeign(
  topology: RunningTopology,
  port: number,
  traceId: string,
): Promise<void> {
  const chain = await untilTrace(
    topology,
    'inner',
    traceId,
    ({ hops }) => hops[0]?.action === 'relayed',
  );
  assert.equal(chain.complete, false);
  assert.deepEqual(
    chain.unreachable.map(({ node, action }) => [node, action]),
    [['outer', 'opaque']],
  );
  const { code, stdout } = await askTrace(topology, 'inner', [traceId, '--chain']);
  assert.equal(code, 0);
  assert.match(
    sentenceIn(stdout),
    new RegExp(
      `^Relayed to 127\\.0\\.0\\.1:${port}: that host, which is no node, has it since [\\d:.]+; ` +
        'nodes that may have it from there could not be asked: outer \\(.*ECONNREFUSED.*\\)\\.$',
    ),
  );
}

async function assertUntold(topology: RunningTopology): Promise<void> {
  for (const recipient of ['a@untold.test', 'a@direct.test']) {
    const mail = letterTo(recipient);
    await submit(topology.relay('inner'), mail);
    await assertPlainAtSink(topology, recipient, mail);
    const { trace_id: traceId } = await topology.api('inner').untilRecord(recipient);
    const { hops } = await untilTrace(topology, 'inner', traceId, ({ complete }) => complete);
    assert.deepEqual(
      hops.map(({ node }) => node),
      ['inner'],
    );
    assert.equal(hops[0]?.attempts.at(-1)?.carrier, undefined);
  }
  // Without the header it is a new message to the other one.
  const [behind] = await topology.api('outer').records('a@untold.test');
  assert.deepEqual([behind?.parent_span_id, behind?.path], [null, []]);
}

function letterTo(recipient: string): Submission {
  // What has no date gets one from Postfix.
  return letter({ recipients: recipient, header: ['Date: Sun, 01 Nov 2026 12:00:00 +0000'] });
}

/** What left the mesh is what the client sent, under a `Received` of each host. */
async function assertPlainAtSink(
  topology: RunningTopology,
  recipient: string,
  mail: Submission,
): Promise<void> {
  const { id } = await topology.sink().untilMessage(recipient);
  const raw = (await topology.sink().raw(id)).toString('latin1');
  const sent = (mail.raw as Buffer).toString('latin1');
  const withoutReceived = raw.replaceAll(/^Received: .*\r\n(?:[ \t].*\r\n)*/gm, '');
  assert.equal(withoutReceived.trimEnd(), sent.trimEnd());
  assert.doesNotMatch(raw, /x-?mesh/i);
}
