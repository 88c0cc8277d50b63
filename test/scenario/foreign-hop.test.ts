import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { BodySource, makeMail, seeded, submissionOf } from './mail-content.js';
import { submit } from './mail-sender.js';
import { startPostfix, withoutPostfix, type Postfix } from './postfix.js';
import { freePort, locate, missing, run, scratchFolder } from './programs.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { duplicates } from './sink-client.js';

/** `first` and `second` do not know each other: what stands between them takes no login. */
function topologyAround(foreignPort: number): string {
  return `version: 1
name: around-a-foreign-hop
nodes:
  first:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: { hostname: 127.0.0.1, port: ${foreignPort}, tls: none, trace: header }
  second:
    listen: [{ name: relay, port: auto, trace: accept }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: mx
sinks:
  mx: { port: auto }
`;
}

test('Postfix between two nodes', { skip: withoutPostfix() }, async (t) => {
  const port = await freePort();
  const topology = await startTopology(t, topologyAround(port));
  const relayPort = topology.relay('second').port;
  const postfix = await startPostfix(t, { port, relayPort });

  await t.test('mail passes it once and whole', () => assertWhole(topology, postfix));
  await t.test('the trace id goes on behind it', () => assertOneTrace(topology));
  await t.test('200 messages of smtp-source pass it', { skip: missing('smtp-source') }, () =>
    assertManyPass(t, topology, postfix),
  );
});

async function assertWhole(topology: RunningTopology, postfix: Postfix): Promise<void> {
  const source = new BodySource(seeded(4));
  const mails = [1000, 70_000, 400_000].map((size) =>
    makeMail(`whole-${size}@foreign.test`, size, source),
  );
  for (const mail of mails) await submit(topology.relay('first'), submissionOf(mail));
  const arrivals = await topology.sink().untilArrived(mails.map(({ recipient }) => recipient));
  for (const { recipient, bodySha256 } of mails) {
    assert.deepEqual(
      arrivals.get(recipient)?.map(({ body_sha256 }) => body_sha256),
      [bodySha256],
    );
  }
  // It was really there, and took its part by name.
  assert.match(await postfix.log(), /postfix\/smtp\[.* to=<whole-1000@foreign\.test>.*status=sent/);
}

async function assertOneTrace(topology: RunningTopology): Promise<void> {
  const recipient = 'traced@foreign.test';
  const mail = makeMail(recipient, 500, new BodySource(seeded(5)));
  await submit(topology.relay('first'), submissionOf(mail));
  const { id } = await topology.sink().untilMessage(recipient);

  const { trace_id: traceId } = await topology.api('first').untilRecord(recipient);
  const trace = await topology.api('second').untilComplete(recipient);
  assert.equal(trace.trace_id, traceId);
  assert.deepEqual(
    trace.hops.map(({ node, path: before }) => [node, before]),
    [
      ['first', []],
      ['second', ['first']],
    ],
  );
  const [first, second] = trace.hops;
  assert.equal(second?.parent_span_id, first?.attempts[0]?.span_id);
  // Postfix has it: whether it went further cannot be known from its reply.
  assert.equal(first?.action, 'relayed');
  assert.equal(second?.client.helo, 'foreign.test');

  const raw = (await topology.sink().raw(id)).toString('latin1');
  const header = raw.slice(0, raw.indexOf('\r\n\r\n') + 2);
  assert.doesNotMatch(header, /x-mesh-trace/i);
  const received = header.match(/^Received: .*(\r\n[ \t].*)*/gm) ?? [];
  assert.equal(received.length, 3);
  assert.match(received[1] ?? '', /by foreign\.test \(Postfix\)/);
}

async function assertManyPass(
  t: TestContext,
  topology: RunningTopology,
  postfix: Postfix,
): Promise<void> {
  const count = 200;
  const { host, port } = topology.relay('first');
  const file = path.join(await scratchFolder(t), 'message.eml');
  await writeFile(file, `Subject: one of many\n\n${'A line of text.\n'.repeat(300)}`);
  const startMs = performance.now();
  const args = ['-s', '10', '-m', String(count), '-N', '-F', file, '-M', 'client.test'];
  args.push('-f', 'sender@client.test', '-t', 'many@foreign.test', `${host}:${port}`);
  const { code, stderr } = await run(locate('smtp-source') ?? '', args);
  assert.equal(code, 0, stderr);
  const recipients = Array.from({ length: count }, (_, index) => `${index + 1}many@foreign.test`);
  const arrivals = await topology.sink().untilArrived(recipients);
  assert.equal(duplicates(arrivals), 0);
  const took = ((performance.now() - startMs) / 1000).toFixed(1);
  t.diagnostic(`${count} messages through first, Postfix and second in ${took} s`);
  // Whatever one side said of SIZE and PIPELINING, the other side kept to it.
  const faults = (await postfix.log()).match(/.*(?:warning|error|fatal|improper).*/g) ?? [];
  assert.deepEqual(faults, []);
}
