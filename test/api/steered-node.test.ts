import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import { eventually } from '../base/eventually.js';
import { get, runSink, scratchDirectory } from '../sink/client.js';
import { localHop, runNode, type RunningNode } from './running-node.js';

const CANARY = 'qVxKzPwRtYhBnLmWdGcJ';
const MIME = 'X-MQ-Anything: x\r\nSubject: a\r\n\r\nbody\r\n';

type Shown = Record<string, unknown> & { results: Array<Record<string, unknown>> };

async function inject(node: RunningNode, body: object, key?: string): Promise<[number, unknown]> {
  const answer = await fetch(`${node.url}/v1/inject`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${node.settings.api.token.reveal()}`,
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: JSON.stringify(body),
  });
  return [answer.status, await answer.json()];
}

function queueIdOf(answer: unknown): string {
  return (answer as { messages: Array<{ queue_id: string }> }).messages[0]?.queue_id ?? '';
}

async function resultsOf(node: RunningNode, id: string, count: number): Promise<Shown> {
  let shown: Shown | undefined;
  await eventually(`${count} results`, async () => {
    shown = await node.client.getJson<Shown>(`/v1/messages/${id}`);
    return shown.results.length >= count;
  });
  return shown as Shown;
}

/** Every byte below a folder. */
async function bytesBelow(folder: string): Promise<Buffer> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Buffer.concat(
    await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name)))),
  );
}

test('a message goes to its own smarthost with its own login, and comes back with its results', async (t) => {
  const usual = await runSink(t);
  const captureDirectory = scratchDirectory(t);
  const own = await runSink(t, {
    captureDirectory,
    users: [{ username: 'example-user', password: new Secret(CANARY) }],
  });
  const { port } = own.smtp;
  const edge = await runNode(t, 'edge', localHop('mx', 'sink', usual.smtp.port), undefined, {
    apiSteerTo: [{ kind: 'host', host: '127.0.0.1', port }],
  });
  const smarthost = { hostname: '127.0.0.1', username: 'example-user', password: CANARY };
  const message = { envelope: 'a@x.test', recipient: 'b@y.test', mime: MIME, campaign: { id: 7 } };
  const [status, answer] = await inject(edge, { ...message, smarthost: { ...smarthost, port } });
  assert.equal(status, 202, JSON.stringify(answer));
  const shown = await resultsOf(edge, queueIdOf(answer), 1);
  assert.deepEqual(shown['campaign'], { id: 7 });
  assert.deepEqual(shown['smarthost'], { hostname: '127.0.0.1', port });
  assert.deepEqual([shown['envelope'], shown['recipient']], ['a@x.test', 'b@y.test']);
  const [result] = shown.results;
  assert.deepEqual(
    [result?.['state'], result?.['result'], result?.['code'], result?.['to']],
    ['message', 'accepted', 250, `127.0.0.1:${port}`],
  );
  assert.match(String(result?.['time']), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  const stats = async (sink: typeof own): Promise<unknown> =>
    ((await (await get(sink, '/stats')).json()) as { accepted: number }).accepted;
  assert.deepEqual([await stats(own), await stats(usual)], [1, 0]);
  const sent = (await bytesBelow(captureDirectory)).toString('latin1');
  assert.match(sent, /\r\nSubject: a\r\n\r\nbody\r\n/);
  assert.doesNotMatch(sent, /x-mq-/i);
  const [refused, why] = await inject(edge, { ...message, smarthost: { ...smarthost, port: 22 } });
  assert.deepEqual([refused, (why as { code: string }).code], [403, 'STEERING_REFUSED']);
});

test('what waits holds its password encrypted: it is found nowhere', async (t) => {
  const sink = await runSink(t);
  const closed = await runSink(t);
  const { port } = closed.smtp;
  await closed.stop();
  const edge = await runNode(t, 'edge', localHop('mx', 'sink', sink.smtp.port), undefined, {
    apiSteerTo: [{ kind: 'host', host: '127.0.0.1', port }],
  });
  const smarthost = { hostname: '127.0.0.1', port, username: 'u', password: CANARY };
  const message = { envelope: 'a@x.test', recipient: 'b@y.test', mime: MIME, smarthost };
  const [, answer] = await inject(edge, message, 'key');
  const id = queueIdOf(answer);
  const shown = await resultsOf(edge, id, 1);
  assert.deepEqual(shown['smarthost'], { hostname: '127.0.0.1', port, username: 'u' });
  assert.equal(shown.results[0]?.['state'], 'connect');
  const api = await Promise.all(
    [`/v1/messages/${id}`, `/trace/${id}`, '/trace', '/v1/queues'].map((path) =>
      edge.client.getText(path, 'application/json'),
    ),
  );
  const bytes = Buffer.concat([await bytesBelow(edge.folder), Buffer.from(api.join('\n'))]);
  assert.ok(bytes.includes('127.0.0.1'), 'there is something to look through');
  const base64 = [CANARY, ` ${CANARY}`, `  ${CANARY}`, `\0u\0${CANARY}`].map((text) =>
    Buffer.from(text).toString('base64').slice(4, 24),
  );
  for (const form of [CANARY, Buffer.from(CANARY).toString('hex'), ...base64]) {
    assert.ok(!bytes.includes(form), form);
  }
});

test('a request is still known after a restart', async (t) => {
  const sink = await runSink(t);
  const hop = localHop('mx', 'sink', sink.smtp.port);
  const message = { envelope: 'a@x.test', recipient: 'b@y.test', mime: MIME };
  const before = await runNode(t, 'edge', hop);
  const [status, first] = await inject(before, message, 'key');
  assert.equal(status, 202);
  await before.node.stop(1000);
  const after = await runNode(t, 'edge', hop, undefined, { within: before.folder });
  assert.deepEqual(await inject(after, message, 'key'), [202, first]);
  const [other, why] = await inject(after, { ...message, recipient: 'c@y.test' }, 'key');
  assert.deepEqual([other, (why as { code: string }).code], [422, 'IDEMPOTENCY_KEY_REUSED']);
});
