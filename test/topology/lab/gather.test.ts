import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { RelayError } from '../../../src/base/errors.js';
import { gather, type GatherOptions } from '../../../src/topology/lab/gather.js';
import type { RunState } from '../../../src/topology/state.js';
import type { ChainTrace } from '../../../src/trace/record.js';
import { isoAt } from '../../trace/chain-samples.js';
import { BODY, idOf, sentMessage, TOPOLOGY, traceOver } from './evidence-samples.js';

type Answer = (path: string, request: IncomingMessage) => unknown;

interface FakeServer {
  url: string;
  /** Paths, in the order in which they were asked for. */
  asked: string[];
}

/** Answers with JSON, and with 404 for null. */
async function serve(t: TestContext, answer: Answer): Promise<FakeServer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    asked.push(path);
    const value = answer(path, request);
    response.statusCode = value === null ? 404 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(value ?? { detail: 'nothing' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function stored(number: number, fields: object = {}): object {
  return {
    id: `id-${number}`,
    received_at: isoAt(number),
    sender: 'lab@relaymesh.test',
    recipients: [`u${number}@x.test`],
    size_bytes: 2000,
    sha256: BODY,
    body_sha256: BODY,
    user: 'core',
    tls: { protocol: 'TLSv1.3', cipher: 'x' },
    message_id: `<${idOf(number)}>`,
    header_names: ['subject'],
    ...fields,
  };
}

const sinkWith =
  (messages: object[]): Answer =>
  () => ({ messages, next_cursor: null });

/** A run of edge, core and mx; without an URL a server does not run. */
function stateOf(urls: { edge?: string; core?: string; mx?: string }): RunState {
  const node = (url: string | undefined) => ({
    pid: url === undefined ? null : 1,
    started: null,
    smtp: [],
    api: url ?? 'http://127.0.0.1:1',
    dataDir: '/',
    logFile: '/',
  });
  const { mx } = urls;
  return {
    name: 'mesh',
    ready: true,
    file: '/mesh.yaml',
    apiToken: 'token-of-the-run',
    caFile: null,
    runner: null,
    stopDeadlineMs: 1000,
    nodes: { edge: node(urls.edge), core: { ...node(urls.core), apiToken: 'token-of-core' } },
    sinks: {
      mx: { ...node(mx), host: '127.0.0.1', port: 1, tls: 'none' },
    },
    brokers: {},
    users: {},
  };
}

function options(state: RunState, fields: Partial<GatherOptions> = {}): GatherOptions {
  return {
    state,
    topology: TOPOLOGY,
    sent: [sentMessage(1), sentMessage(2)],
    steps: [],
    run: { queued: () => Promise.resolve(0) },
    seed: 1,
    signal: new AbortController().signal,
    deadlineMs: 3000,
    stallMs: 7,
    ...fields,
  };
}

test('the mail of the test and bounces to its senders are kept, from all pages', async (t) => {
  const bounce = stored(3, {
    message_id: '<b@core>',
    sender: '',
    recipients: ['lab@RELAYMESH.test'],
  });
  const pages: Record<string, object> = {
    '/messages?limit=1000': { messages: [stored(1), stored(9)], next_cursor: '17' },
    '/messages?limit=1000&cursor=17': {
      messages: [
        stored(2, { header_names: undefined, tls: null }),
        bounce,
        stored(8, { message_id: null }),
      ],
      next_cursor: null,
    },
  };
  const mx = await serve(t, (path) => pages[path] ?? null);
  const edge = await serve(t, (path) =>
    traceOver(path.includes('0001X') ? 1 : 2, ['edge', 'core', 'mx']),
  );
  const evidence = await gather(options(stateOf({ edge: edge.url, mx: mx.url })));
  assert.deepEqual(
    evidence.arrived.map(({ id, messageId, headerNames, tls }) => [
      id,
      messageId,
      headerNames,
      tls,
    ]),
    [
      ['id-1', idOf(1), ['subject'], true],
      ['id-2', idOf(2), null, false],
      ['id-3', 'b@core', ['subject'], true],
    ],
  );
  assert.equal(evidence.arrived[0]?.receivedAtMs, Date.parse(isoAt(1)));
  assert.equal(evidence.stallMs, 7);
});

test('a sink that runs and does not answer is an error, one that does not run is not asked', async (t) => {
  const broken = await serve(t, () => null);
  await assert.rejects(gather(options(stateOf({ mx: broken.url }))), RelayError);
  const edge = await serve(t, (path) => traceOver(path.includes('0001X') ? 1 : 2, ['edge', 'mx']));
  const evidence = await gather(options(stateOf({ edge: edge.url })));
  assert.deepEqual(evidence.arrived, []);
});

test('what a sink that has ended had is kept, and counts once', async (t) => {
  const mx = await serve(t, sinkWith([stored(1), stored(2)]));
  const edge = await serve(t, (path) => traceOver(path.includes('0001X') ? 1 : 2, ['edge', 'mx']));
  const state = stateOf({ edge: edge.url, mx: mx.url });
  const { arrived } = await gather(options(state));
  const now = await gather(options(stateOf({ edge: edge.url }), { earlier: arrived.slice(0, 1) }));
  assert.deepEqual(now.arrived, arrived.slice(0, 1));
  const both = await gather(options(state, { earlier: arrived }));
  assert.equal(both.arrived.length, 2);
});

test('the first node is asked by its queue id, with the token that is for it', async (t) => {
  const mx = await serve(t, sinkWith([stored(1)]));
  const tokens: unknown[] = [];
  const edge = await serve(t, (_path, { headers }) => {
    tokens.push(headers.authorization);
    return traceOver(1, ['edge', 'core', 'mx']);
  });
  const sent = [sentMessage(1, { queueId: 'QUEUE1' })];
  const evidence = await gather(options(stateOf({ edge: edge.url, mx: mx.url }), { sent }));
  assert.deepEqual(edge.asked, ['/trace/QUEUE1?chain=true']);
  assert.deepEqual(tokens, ['Bearer token-of-the-run']);
  assert.equal(evidence.traces.get(idOf(1))?.hops.length, 2);
  assert.equal(evidence.tracesSampled, false);
});

test('another node is asked by Message-ID when the first one does not run, and for doubtful mail', async (t) => {
  const mx = await serve(t, sinkWith([stored(1)]));
  const core = await serve(t, () => traceOver(1, ['edge', 'core', 'mx']));
  const sent = [sentMessage(1)];
  await gather(options(stateOf({ core: core.url, mx: mx.url }), { sent }));
  assert.deepEqual(core.asked, [`/trace/<${idOf(1)}>?chain=true`]);
  const edge = await serve(t, () => traceOver(1, ['edge', 'core', 'mx']));
  const doubtful = [sentMessage(1, { doubtful: true })];
  await gather(options(stateOf({ edge: edge.url, mx: mx.url }), { sent: doubtful }));
  assert.deepEqual(edge.asked, [`/trace/<${idOf(1)}>?chain=true`]);
});

test('a trace that is missing or not yet complete is asked for again until it is', async (t) => {
  const mx = await serve(t, sinkWith([stored(1)]));
  const whole = traceOver(1, ['edge', 'core', 'mx']);
  const part = { ...whole, complete: false, hops: whole.hops.slice(0, 1) };
  const answers: (ChainTrace | null)[] = [null, part, null, whole];
  const edge = await serve(t, () => answers.shift() ?? null);
  const core = await serve(t, () => null);
  const state = stateOf({ edge: edge.url, core: core.url, mx: mx.url });
  const { traces } = await gather(options(state, { sent: [sentMessage(1)] }));
  assert.equal(edge.asked.length, 4);
  assert.equal(traces.get(idOf(1))?.complete, true);
});

test('asking ends at the deadline; a message that nobody knows of has no hops', async (t) => {
  const mx = await serve(t, sinkWith([]));
  const edge = await serve(t, () => null);
  const state = stateOf({ edge: edge.url, mx: mx.url });
  const { traces, tracesSampled } = await gather(
    options(state, { sent: [sentMessage(1)], deadlineMs: 250 }),
  );
  assert.deepEqual(traces.get(idOf(1))?.hops, []);
  assert.equal(tracesSampled, false);
  assert.ok(edge.asked.length > 1);
});

test('what was known is not forgotten when a node stops to answer', async (t) => {
  const mx = await serve(t, sinkWith([stored(1)]));
  const whole = traceOver(1, ['edge', 'core', 'mx']);
  const answers = [{ ...whole, complete: false, hops: whole.hops.slice(0, 1) }];
  const edge = await serve(t, () => answers.shift() ?? null);
  const core = await serve(t, () => null);
  const state = stateOf({ edge: edge.url, core: core.url, mx: mx.url });
  const { traces } = await gather(options(state, { sent: [sentMessage(1)], deadlineMs: 250 }));
  assert.ok(edge.asked.length > 1);
  assert.equal(traces.get(idOf(1))?.hops.length, 1);
});

test('mail that waits in a queue, or behind a node that does not run, is asked for once', async (t) => {
  const mx = await serve(t, sinkWith([]));
  const whole = traceOver(1, ['edge', 'core', 'mx']);
  const behind = { ...whole, complete: false, hops: whole.hops.slice(0, 1) };
  const edge = await serve(t, () => behind);
  const sent = [sentMessage(1)];
  await gather(options(stateOf({ edge: edge.url, mx: mx.url }), { sent }));
  assert.equal(edge.asked.length, 1);
  const [first] = whole.hops;
  const waits = { ...behind, hops: [{ ...first!, attempts: [], action: 'queued' }] };
  const waiting = await serve(t, () => waits);
  await gather(options(stateOf({ edge: waiting.url, mx: mx.url }), { sent }));
  assert.equal(waiting.asked.length, 1);
});

test('of too many traces those are asked for whose mail did not arrive, the rest is drawn', async (t) => {
  const numbers = [1, 2, 3, 4, 5, 6];
  const sent = numbers.map((number) => sentMessage(number));
  const mx = await serve(t, sinkWith(numbers.slice(0, 5).map((number) => stored(number))));
  const edge = await serve(t, () => traceOver(1, ['edge', 'mx']));
  const state = stateOf({ edge: edge.url, mx: mx.url });
  const askedFor = async (seed: number): Promise<string[]> => {
    const { traces, tracesSampled } = await gather(options(state, { sent, seed, maxTraces: 3 }));
    assert.equal(tracesSampled, true);
    assert.equal(traces.size, 3);
    return [...traces.keys()];
  };
  const first = await askedFor(1);
  assert.ok(first.includes(idOf(6)));
  assert.deepEqual(await askedFor(1), first);
  const others = await Promise.all([2, 3, 4, 5].map(askedFor));
  assert.ok(others.some((ids) => ids.join() !== first.join()));
});

test('what was never accepted and did not arrive is not asked for', async (t) => {
  const mx = await serve(t, sinkWith([]));
  const edge = await serve(t, () => null);
  const sent = [sentMessage(1, { outcome: 'refused' }), sentMessage(2, { outcome: 'unsent' })];
  const evidence = await gather(options(stateOf({ edge: edge.url, mx: mx.url }), { sent }));
  assert.deepEqual(edge.asked, []);
  assert.equal(evidence.tracesSampled, false);
});

test('each node is asked what it holds; one that cannot say so holds nobody knows what', async () => {
  const queued = (node: string): Promise<number | null> =>
    node === 'core'
      ? Promise.reject(new Error('frozen'))
      : Promise.resolve(node === 'edge' ? 4 : null);
  const evidence = await gather(options(stateOf({}), { sent: [], run: { queued } }));
  assert.deepEqual(evidence.queued, { edge: 4, core: null, spare: null });
});
