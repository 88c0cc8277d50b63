import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pinSink, redirectToSink } from '../../src/route/sink-redirect.js';
import type { RouteTable } from '../../src/route/table.js';
import { aNextHop, aTable } from './tables.js';

function withSink(host: string): RouteTable {
  return aTable({ sink: aNextHop('smtp-sink', { kind: 'sink', host }) });
}

test('a sink that is named by a hostname is resolved once, and that address stays', async () => {
  const asked: string[] = [];
  const answers = [['192.0.2.1', '192.0.2.2'], ['192.0.2.9']];
  const resolve = async (host: string): Promise<string[]> => {
    asked.push(host);
    return answers.shift() ?? [];
  };
  const first = await pinSink(withSink('sink.example'), null, resolve);
  assert.equal(first.sink?.address, '192.0.2.1');
  const second = await pinSink(withSink('sink.example'), first, resolve);
  assert.equal(second.sink?.address, '192.0.2.1');
  const other = await pinSink(withSink('other.example'), second, resolve);
  assert.equal(other.sink?.address, '192.0.2.9');
  assert.deepEqual(asked, ['sink.example', 'other.example']);
});

test('an address, or no sink at all, is not asked for', async () => {
  const resolve = (): Promise<string[]> => Promise.reject(new Error('asked'));
  for (const table of [withSink('192.0.2.1'), withSink('::1'), aTable()]) {
    assert.equal(await pinSink(table, null, resolve), table);
  }
});

test('a sink that cannot be resolved is said by its name, with the reason', async () => {
  const table = withSink('sink.example');
  await assert.rejects(
    pinSink(table, null, async () => []),
    {
      code: 'SINK_NOT_FOUND',
      message: 'the sink sink.example cannot be resolved: it has no address',
    },
  );
  await assert.rejects(
    pinSink(table, null, () => Promise.reject(new Error('SERVFAIL'))),
    { code: 'SINK_NOT_FOUND', message: /SERVFAIL/ },
  );
});

test('replies mean the same at the sink as they would at the hop', () => {
  const replyRules = [{ stages: ['dot'], codes: [550, 550], kind: 'deferred' }] as const;
  const sink = aNextHop('smtp-sink', { kind: 'sink' });
  assert.equal(redirectToSink(aNextHop('core', { replyRules }), sink).replyRules, replyRules);
  const plain = redirectToSink(aNextHop('core'), sink);
  assert.deepEqual(plain, { ...sink, loginIfOffered: true });
});
