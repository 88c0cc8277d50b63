import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dialogue } from './dialogue.js';
import { messages, MESSAGE, runInjecting } from './injecting.js';
import { APP_PASSWORD, authPlain, contentOf, PEER_PASSWORD, runIntake } from './running-intake.js';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const SPAN_ID = 'b7ad6b7169203331';
const TRACEPARENT = `00-${TRACE_ID}-${SPAN_ID}-01`;
const LINK = { traceId: TRACE_ID, spanId: SPAN_ID };
const CONTENT = `Traceparent: ${TRACEPARENT}\r\nA: 1\r\n\r\nx`;

test('a traceparent of a client that logged in is the parent, and stays in the message', async (t) => {
  const { port, spool } = await runIntake(t);
  const user = await Dialogue.open(port, 'starttls');
  await user.ask(authPlain('app', APP_PASSWORD));
  await user.send(CONTENT);
  const stored = spool.taken[0];
  assert.deepEqual(
    [stored?.item.trace.traceId, stored?.item.trace.parentSpanId, stored?.item.trace.path],
    [TRACE_ID, SPAN_ID, []],
  );
  assert.equal(stored?.item.trace.link, undefined);
  assert.equal(contentOf(stored), `${CONTENT}\r\n`);
});

test('a traceparent of anybody else is a link', async (t) => {
  const { port, spool } = await runIntake(t);
  const stranger = await Dialogue.open(port);
  await stranger.send(CONTENT);
  const trace = spool.taken[0]?.item.trace;
  assert.notEqual(trace?.traceId, TRACE_ID);
  assert.deepEqual([trace?.parentSpanId, trace?.link], [null, LINK]);
});

test('a listener that accepts traces accepts that one too', async (t) => {
  const { port, spool } = await runIntake(t, { listener: { acceptTraceHeader: true } });
  const client = await Dialogue.open(port);
  await client.send(CONTENT);
  assert.equal(spool.taken[0]?.item.trace.traceId, TRACE_ID);
});

test('what a mesh peer says of the trace goes first; without a word of its own the field counts', async (t) => {
  const { port, spool } = await runIntake(t);
  const peer = await Dialogue.open(port, 'starttls');
  await peer.ask(authPlain('core-login', PEER_PASSWORD));
  const mesh = `1;00-${'1'.repeat(32)}-${'2'.repeat(16)}-01;core;0ABC;core;0`;
  await peer.askAll(`MAIL FROM:<a@x.test> XMESH=${mesh}`, 'RCPT TO:<b@y.test>', 'DATA');
  await peer.ask(`${CONTENT}\r\n.`);
  await peer.send(CONTENT);
  const [carried, plain] = spool.taken.map(({ item }) => item.trace);
  assert.deepEqual([carried?.traceId, carried?.link], ['1'.repeat(32), undefined]);
  assert.equal(plain?.traceId, TRACE_ID);
});

test('what is no traceparent, or stands there twice, is not believed', async (t) => {
  const { port, spool } = await runIntake(t);
  const user = await Dialogue.open(port, 'starttls');
  await user.ask(authPlain('app', APP_PASSWORD));
  const values = [
    '',
    'x',
    `00-${TRACE_ID.toUpperCase()}-${SPAN_ID}-01`,
    `00-${'0'.repeat(32)}-${SPAN_ID}-01`,
    `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
    `ff-${TRACE_ID}-${SPAN_ID}-01`,
    `00-${TRACE_ID}-${SPAN_ID}-01-more`,
    `${TRACEPARENT}\r\nTraceparent: ${TRACEPARENT}`,
  ];
  for (const value of values) {
    await user.send(`Traceparent: ${value}\r\n\r\nx`);
    assert.notEqual(spool.taken.at(-1)?.item.trace.traceId, TRACE_ID, value);
  }
  await user.send(`Traceparent: 01-${TRACE_ID}-${SPAN_ID}-01-more\r\n\r\nx`);
  assert.equal(spool.taken.at(-1)?.item.trace.traceId, TRACE_ID, 'a later version');
});

test('the traceparent of a request to the API is the parent; one in the message goes first', async (t) => {
  const { json, stream, spool } = await runInjecting(t);
  const own = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`;
  const answered = messages(await json(MESSAGE, { traceparent: TRACEPARENT }));
  assert.equal(answered[0]?.trace_id, TRACE_ID);
  await stream([`Traceparent: ${own}\r\nA: 1\r\n\r\nx\r\n`], { traceparent: TRACEPARENT });
  await json(MESSAGE, { traceparent: 'nonsense' });
  const traces = spool.taken.map(({ item }) => [item.trace.traceId, item.trace.parentSpanId]);
  assert.deepEqual(traces.slice(0, 2), [
    [TRACE_ID, SPAN_ID],
    ['a'.repeat(32), 'b'.repeat(16)],
  ]);
  assert.notEqual(traces[2]?.[0], TRACE_ID);
});
