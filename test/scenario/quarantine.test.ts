import assert from 'node:assert/strict';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { ClassicLevel } from 'classic-level';
import { ApiRequests } from '../smarthost/api-requests.js';
import { startRecordingServer, type RecordingServer } from '../smarthost/recording-server.js';
import { letter } from './letters.js';
import { submit } from './mail-sender.js';
import { relaymesh, type Ended } from './programs.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

/** A reply that would paint a terminal red and turn the rest of its line around. */
const WORDS = '\x1b[31mno such user\u202e here';
const SHOWN_WORDS = '550 5.1.1 \\x1b[31mno such user';

interface Quarantined {
  queue_id: string;
  kind: string;
  since: string;
  reason: string;
  sender: string | null;
  recipients: Array<{ address: string; code: number | null; description: string }>;
  trace_id: string | null;
  bounce_of: string | null;
}

/** A node and its next hop, which refuses the addresses in `refused`. */
interface Bench {
  topology: RunningTopology;
  hop: RecordingServer;
  refused: Set<string>;
  api: ApiRequests;
}

async function startBench(t: TestContext): Promise<Bench> {
  const refused = new Set<string>();
  const hop = await startRecordingServer(t, {
    replies: {
      RCPT: (session, line) => {
        const address = /<(.*?)>/.exec(line)?.[1] ?? '';
        session.say(refused.has(address) ? `550 5.1.1 ${WORDS}` : '250 2.1.5 ok');
      },
    },
  });
  const topology = await startTopology(
    t,
    `version: 1
name: quarantine
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: { hostname: 127.0.0.1, port: ${hop.port}, tls: none }
`,
  );
  const { api } = topology.node('edge');
  assert.ok(api !== null);
  return { topology, hop, refused, api: new ApiRequests(api, topology.state.apiToken) };
}

test('what can neither be delivered nor reported waits for an operator', async (t) => {
  const bench = await startBench(t);
  const report = 'report@quarantine.test';

  await t.test('a refused message from <> stands there with the words of the remote', async () => {
    bench.refused.add(report);
    await submit(bench.topology.relay('edge'), letter({ sender: '', recipients: report }));
    const message = await untilQuarantined(bench, report);
    assertRefused(message, report);
    assert.equal(message.bounce_of, null);
    const shown = await bench.api.message(message.queue_id);
    const { kind, since, reason } = message;
    assert.deepEqual(shown['quarantine'], { kind, since, reason });
    const queue = await bench.api.untilQueue('(quarantine)');
    assert.deepEqual([queue.held, queue.ready, queue.deferred], [1, 0, 0]);
    assert.deepEqual(bench.hop.messages, []);
  });

  await t.test('the command line shows it, and its terminal stays as it is', async () => {
    const { queue_id: id } = await untilQuarantined(bench, report);
    for (const words of [['quarantine'], ['show', '(quarantine)'], ['show', '--message', id]]) {
      const { stdout, stderr, code } = await operate(bench, ...words);
      assert.equal(code, 0, stderr);
      assert.ok(stdout.includes(id) && stdout.includes(report), stdout);
      assert.ok(stdout.includes(SHOWN_WORDS), stdout);
      assert.doesNotMatch(stdout, /[^\P{Cc}\n]|\p{Cf}/u);
    }
    const list = await operate(bench, 'list');
    assert.match(list.stdout, /^\(quarantine\) .* paused +0 +0 +0 +1 /m);
  });

  await t.test('kill -9 takes nothing of it', async () => {
    const before = await untilQuarantined(bench, report);
    await bench.topology.end('edge', 'SIGKILL');
    await bench.topology.startByHand('edge');
    assert.deepEqual(await untilQuarantined(bench, report), before);
    assert.equal((await bench.api.untilQueue('(quarantine)')).held, 1);
  });

  await t.test('tried again while the remote still refuses, it comes back', async () => {
    const { queue_id: id, since } = await untilQuarantined(bench, report);
    assert.equal((await operate(bench, 'retry', '--message', id)).code, 0);
    const back = await untilQuarantined(bench, report, (message) => message.since !== since);
    assert.equal(back.queue_id, id);
    assertRefused(back, report);
  });

  await t.test(
    'tried again when the remote takes it, it arrives and is gone from there',
    async () => {
      const { queue_id: id } = await untilQuarantined(bench, report);
      bench.refused.delete(report);
      const done = await operate(bench, 'retry', '--message', id);
      assert.equal(done.code, 0, done.stderr);
      assert.equal((await bench.hop.untilMessage(report)).sender, '');
      assert.deepEqual(await quarantine(bench), []);
      const shown = await bench.api.untilResult(id, ({ result }) => result === 'accepted');
      assert.equal(shown['quarantine'], null);
      assert.equal(await bench.api.queue('(quarantine)'), undefined);
      const again = await operate(bench, 'retry', '--message', id);
      assert.equal(again.code, 1);
      assert.match(again.stderr, /^error: .* \[NOT_IN_QUEUE\]\n {2}'relaymesh trace /);
    },
  );

  await t.test('a bounce that is refused is a dead letter, linked to what it reports on', () =>
    assertDeadLetter(bench),
  );
  await t.test('what is deleted is gone for good', () => assertDeleted(bench));
  await t.test('a record that cannot be read is shown, and can only be deleted', () =>
    assertUnreadable(bench),
  );
});

async function assertDeadLetter(bench: Bench): Promise<void> {
  const [sender, recipient] = ['sender@refusing.test', 'nobody@quarantine.test'];
  bench.refused.add(sender).add(recipient);
  await submit(bench.topology.relay('edge'), letter({ sender, recipients: recipient }));
  const bounce = await untilQuarantined(bench, sender);
  assertRefused(bounce, sender);
  const { queue_id: cause } = await bench.api.untilRecord(recipient);
  assert.equal(bounce.bounce_of, cause);
  const { stdout } = await operate(bench, 'show', '--message', bounce.queue_id);
  assert.match(stdout, new RegExp(`^reports on +${cause}$`, 'm'));
  assert.equal((await bench.api.message(cause))['quarantine'], null);
  assert.equal((await quarantine(bench)).length, 1, 'of its bounce there is none');

  bench.refused.delete(sender);
  assert.equal((await operate(bench, 'retry', '(quarantine)')).code, 0);
  const { content } = await bench.hop.untilMessage(sender);
  assert.match(content, /^Content-Type: multipart\/report;/im);
  assert.ok(content.includes(recipient) && content.includes('no such user'));
}

async function assertDeleted(bench: Bench): Promise<void> {
  const address = 'deleted@quarantine.test';
  bench.refused.add(address);
  await submit(bench.topology.relay('edge'), letter({ sender: '', recipients: address }));
  const { queue_id: id } = await untilQuarantined(bench, address);
  const done = await operate(bench, 'delete', '--message', id);
  assert.equal(done.code, 0, done.stderr);
  const gone = async (): Promise<void> => {
    assert.deepEqual(await quarantine(bench), []);
    assert.equal((await bench.api.request('GET', `/v1/quarantine/${id}`)).status, 404);
  };
  await gone();
  await bench.topology.end('edge', 'SIGTERM');
  await bench.topology.startByHand('edge');
  await until(
    'the spool to be read',
    async () =>
      (await bench.topology.log('edge')).filter(({ event }) => event === 'recovered').length >= 3,
  );
  await gone();
  assert.ok(bench.hop.messages.every(({ recipients }) => !recipients.includes(address)));
}

async function assertUnreadable(bench: Bench): Promise<void> {
  const { topology, api } = bench;
  const address = 'damaged@quarantine.test';
  bench.refused.add(address);
  await submit(topology.relay('edge'), letter({ sender: '', recipients: address }));
  const { queue_id: id } = await untilQuarantined(bench, address);
  await topology.end('edge', 'SIGTERM');
  await damageRecord(path.join(topology.node('edge').dataDir, 'spool', 'store'), id);
  await topology.startByHand('edge');
  const [message] = await until('the record in quarantine', async () => {
    const all = await quarantine(bench);
    return all.length > 0 ? all : null;
  });
  assert.deepEqual([message?.queue_id, message?.kind, message?.sender], [id, 'corrupt', null]);
  const { kind } = (await api.message(id))['quarantine'] as { kind: string };
  assert.equal(kind, 'corrupt');
  for (const target of [['--message', id], ['(quarantine)']]) {
    const { code, stderr } = await operate(bench, 'retry', ...target);
    assert.equal(code, 1);
    assert.match(stderr, /\[MESSAGE_UNREADABLE\]\n {2}'relaymesh queue delete --message/);
  }
  assert.equal((await operate(bench, 'delete', '--message', id)).code, 0);
  assert.deepEqual(await quarantine(bench), []);
}

/** Changes one bit in the record of a message, in a spool that no process has open. */
async function damageRecord(store: string, id: string): Promise<void> {
  const level = new ClassicLevel<string, Buffer>(store, { valueEncoding: 'buffer' });
  const key = `q!${id}`;
  const record = await level.get(key);
  assert.ok(record !== undefined);
  const at = record.length >> 1;
  record.writeUInt8(record.readUInt8(at) ^ 1, at);
  await level.put(key, record);
  await level.close();
}

function assertRefused({ kind, reason, recipients, sender }: Quarantined, address: string): void {
  assert.equal(kind, 'undeliverable');
  assert.equal(sender, '');
  const [first, ...others] = recipients;
  assert.deepEqual([first?.address, first?.code, others], [address, 550, []]);
  assert.ok(first?.description.includes('no such user'), first?.description);
  assert.ok(reason.includes('550 5.1.1') && reason.includes('no such user'), reason);
}

async function quarantine({ api }: Bench): Promise<Quarantined[]> {
  const { status, body, text } = await api.request('GET', '/v1/quarantine');
  assert.equal(status, 200, text);
  return body['messages'] as Quarantined[];
}

/** The message to an address, once it is in quarantine and as it should be. */
function untilQuarantined(
  bench: Bench,
  address: string,
  is: (message: Quarantined) => boolean = () => true,
): Promise<Quarantined> {
  let seen: Quarantined[] = [];
  const look = async (): Promise<Quarantined | undefined> => {
    seen = await quarantine(bench);
    return seen.find((one) => one.recipients.some((to) => to.address === address) && is(one));
  };
  return until(`${address} in quarantine`, look, { seen: () => seen });
}

/** `relaymesh queue …` as an operator calls it. */
function operate({ api, topology }: Bench, ...words: string[]): Promise<Ended> {
  return relaymesh(['queue', ...words, '--url', api.url], {
    env: { RELAYMESH_API_TOKEN: topology.state.apiToken },
  });
}
