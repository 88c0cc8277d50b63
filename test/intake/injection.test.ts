import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InjectAnswer } from '../../src/intake/injection.js';
import { CLIENT, contentOfChunks, MESSAGE, messages, refusal, runInjecting } from './injecting.js';
import { ManualClock } from './manual-clock.js';
import { retainedBytes } from './retained-bytes.js';
import { contentOf } from './running-intake.js';
import { PLAIN, steered } from './steering-client.js';

test('a JSON message goes the way of all messages, and its Received line says how it came', async (t) => {
  const clock = new ManualClock();
  const { json, spool } = await runInjecting(t, { clock });
  const [answered] = messages(await json(MESSAGE));
  const { item, bytes } = spool.taken[0] ?? assert.fail();
  assert.deepEqual(answered, {
    recipient: 'b@y.test',
    queue_id: item.id,
    trace_id: item.trace.traceId,
  });
  assert.equal(
    bytes.toString(),
    'Received: from api ([192.0.2.9])\r\n' +
      ` by edge.example (relaymesh) with HTTP id ${item.id}\r\n` +
      ` for <b@y.test>;\r\n Fri, 2 Jan 2026 03:04:05 +0000\r\n${PLAIN}`,
  );
  assert.deepEqual(item.arrival, {
    protocol: 'HTTP',
    client: { address: '192.0.2.9', helo: 'api', user: 'api' },
  });
  assert.deepEqual([item.sender, item.recipients[0]?.address], ['a@x.test', 'b@y.test']);
  assert.deepEqual([item.eightBit, item.smtpUtf8], [false, false]);
});

test('lines that begin with a dot are content; nothing is stuffed or unstuffed', async (t) => {
  const { json, stream, spool } = await runInjecting(t);
  const mime = 'A: 1\r\n\r\n.\r\n..\r\n.x\r\n.\r\n';
  messages(await json({ ...MESSAGE, mime }));
  messages(await stream([mime]));
  messages(await stream(mime.split('')));
  assert.deepEqual(spool.taken.map(contentOf), [mime, mime, mime]);
});

test('8-bit content, addresses beyond ASCII, an empty envelope and a missing last line end', async (t) => {
  const { json, last, lastContent } = await runInjecting(t);
  messages(await json({ recipient: 'ö@y.test', mime: 'A: 1\r\n\r\nü' }));
  const { sender, eightBit, smtpUtf8 } = last();
  assert.deepEqual([sender, eightBit, smtpUtf8], ['', true, true]);
  assert.equal(Buffer.from(lastContent(), 'latin1').toString('utf8'), 'A: 1\r\n\r\nü\r\n');
});

test('a character whose low byte is a line feed is a letter everywhere', async (t) => {
  const { json, spool, sealer, last } = await runInjecting(t);
  const smarthost = { hostname: 'esp.example', username: 'u\u010ax', password: 'p\u010ax' };
  const answer = await json({
    envelope: 'a\u010a@x.test',
    recipient: 'b\u010aRCPT@y.test',
    mime: 'A: \u010aX-MQ-Tag: x\r\n\r\n\u010a.\u010d\u010a',
    smarthost,
    tag: 't\u010ax',
    dsn: { orcpt: 'rfc822;\u010a@x.test' },
  });
  messages(answer);
  const { settings, sender, recipients } = last();
  assert.deepEqual([sender, recipients[0]?.address], ['a\u010a@x.test', 'b\u010aRCPT@y.test']);
  assert.equal(recipients[0]?.orcpt, 'rfc822;+C4+8A@x.test');
  assert.deepEqual([settings?.smarthost?.username, settings?.tags], ['u\u010ax', ['t\u010ax']]);
  const { sealedPassword } = settings?.smarthost ?? assert.fail();
  assert.equal(sealer.unseal(sealedPassword ?? '')?.reveal(), 'p\u010ax');
  const text = spool.taken[0]?.bytes.toString('utf8') ?? '';
  assert.match(text, / for <b\u010aRCPT@y\.test>;\r\n/);
  assert.ok(text.endsWith('\r\nA: \u010aX-MQ-Tag: x\r\n\r\n\u010a.\u010d\u010a\r\n'));
  assert.ok(!/[^\r]\n/.test(text));
});

test('several recipients are one message, and each is answered for', async (t) => {
  const { json, spool } = await runInjecting(t);
  const answered = messages(await json({ ...MESSAGE, recipient: ['b@y.test', 'c@y.test'] }));
  assert.equal(spool.taken.length, 1);
  assert.deepEqual(
    answered.map(({ recipient, queue_id }) => [recipient, queue_id]),
    [
      ['b@y.test', spool.taken[0]?.item.id],
      ['c@y.test', spool.taken[0]?.item.id],
    ],
  );
});

test('JSON settings reach the queue, with the password sealed and the unknown keys kept', async (t) => {
  const { json, last, sealer } = await runInjecting(t);
  messages(
    await json({
      ...MESSAGE,
      smarthost: { hostname: 'esp.example', port: '587', username: 'u', password: 'p' },
      tags: ['vip'],
      dsn: { notify: 'NEVER' },
      campaign: { id: 7 },
    }),
  );
  const { settings, unknownKeys, recipients } = last();
  const { sealedPassword, ...own } = settings?.smarthost ?? assert.fail();
  assert.deepEqual(own, {
    hostname: 'esp.example',
    port: 587,
    address: '198.51.100.1',
    username: 'u',
  });
  assert.equal(sealer.unseal(sealedPassword ?? '')?.reveal(), 'p');
  assert.deepEqual(settings?.tags, ['vip']);
  assert.deepEqual(unknownKeys, { campaign: { id: 7 } });
  assert.equal(recipients[0]?.notify, 'NEVER');
});

test('JSON smarthost wins over headers in its own mime, which are removed in any case', async (t) => {
  const { json, last, lastContent } = await runInjecting(t);
  const mime = steered(
    'X-MQ-Smarthost-Hostname: core',
    'X-MQ-Smarthost-Username: u',
    'X-MQ-Smarthost-Password: p',
    'X-MQ-Tag: header',
    'X-MQ-MaxAttempts: 2',
  );
  messages(await json({ ...MESSAGE, mime, smarthost: { hostname: 'esp.example' }, tag: 'json' }));
  assert.deepEqual(last().settings, {
    smarthost: {
      hostname: 'esp.example',
      port: 25,
      address: '198.51.100.1',
      username: null,
      sealedPassword: null,
    },
    tags: ['json'],
    maxAttempts: 2,
  });
  assert.equal(lastContent(), PLAIN);
  messages(await json({ ...MESSAGE, mime }));
  assert.equal(last().settings?.smarthost?.hostname, 'core');
  assert.equal(lastContent(), PLAIN);
});

test("who holds the API's token steers towards the node's own list, else 403 and nothing is stored", async (t) => {
  const { json, stream, stored } = await runInjecting(t);
  const evil = { hostname: 'evil.example' };
  assert.deepEqual(refusal(await json({ ...MESSAGE, smarthost: evil })), [
    403,
    'STEERING_REFUSED',
    'smarthost',
  ]);
  const answer = await json([MESSAGE, { ...MESSAGE, smarthost: evil }]);
  assert.deepEqual(refusal(answer), [403, 'STEERING_REFUSED', '1.smarthost']);
  const header = steered('X-MQ-Smarthost-Hostname: 127.0.0.1');
  assert.deepEqual(refusal(await stream([header])).slice(0, 2), [403, 'STEERING_REFUSED']);
  assert.deepEqual(stored(), [0, 0]);
  const empty = await runInjecting(t, { policy: { apiSteerTo: [] } });
  const { json: closed } = empty;
  const esp = { hostname: 'esp.example' };
  assert.equal(refusal(await closed({ ...MESSAGE, smarthost: esp }))[0], 403);
  messages(await closed({ ...MESSAGE, tag: 'x' }));
});

test('DNS that cannot tell is 503, and nothing is stored', async (t) => {
  const { json, spool } = await runInjecting(t, { dns: { 'esp.example': new Error('no') } });
  const answer = await json({ ...MESSAGE, smarthost: { hostname: 'esp.example' } });
  assert.deepEqual(refusal(answer), [503, 'STEERING_UNRESOLVED', 'smarthost']);
  assert.equal(spool.taken.length, 0);
});

test('mail that holds a bare CR, a bare LF or NUL is 422 and says which', async (t) => {
  const { json, stream, stored } = await runInjecting(t);
  const attack = 'MAIL FROM:<evil@x.test>\r\nRCPT TO:<v@x.test>\r\nDATA\r\nx\r\n.\r\n';
  for (const [end, kind] of [
    ['\n.\n', 'bare LF'],
    ['\n.\r\n', 'bare LF'],
    ['\r.\r', 'bare CR'],
    ['\r.\n', 'bare CR'],
    ['\r.\r\n', 'bare CR'],
    ['\n.\r', 'bare LF'],
    ['\r\n.\n', 'bare LF'],
    ['\r\n.\r', 'bare CR'],
    ['\r\n\0.\r\n', 'NUL'],
    ['\r\n.\0\r\n', 'NUL'],
    ['\r\n.\r\r\n', 'bare CR'],
    ['\r\r\n.\r\r\n', 'bare CR'],
  ] as const) {
    const mime = `A: 1\r\n\r\nbody${end}${attack}`;
    for (const answer of [
      await json({ ...MESSAGE, mime }),
      await stream([mime]),
      await stream(mime.split('')),
    ]) {
      assert.deepEqual(refusal(answer), [422, 'CONTENT_INVALID', 'mime'], JSON.stringify(end));
      assert.ok('refusal' in answer && answer.refusal.detail.includes(kind), kind);
    }
  }
  assert.deepEqual(stored(), [0, 0]);
});

test('headers that SMTP would refuse are 422, too much is 413', async (t) => {
  const { json, stream, stored } = await runInjecting(t, { settings: { maxMessageBytes: 10_000 } });
  for (const mime of [
    steered('X-MQ-Tag: a', 'X-MQ-Tag: b'),
    steered('X-MQ-Smarthost-Port: 25'),
    `not a field\r\n${steered('X-MQ-Tag: a')}`,
    `${'Received: x\r\n'.repeat(100)}\r\nx`,
  ]) {
    const answer = await json([MESSAGE, { ...MESSAGE, mime }]);
    assert.deepEqual(refusal(answer), [422, 'CONTENT_INVALID', '1.mime'], mime);
  }
  const big = `A: 1\r\n\r\n${'x'.repeat(10_000)}`;
  assert.deepEqual(refusal(await json({ ...MESSAGE, mime: big })), [
    413,
    'MESSAGE_TOO_LARGE',
    'mime',
  ]);
  assert.equal(refusal(await stream([big.slice(0, 6000), big.slice(6000)]))[0], 413);
  assert.deepEqual(stored(), [0, 0]);
});

test('what is no JSON, no message or too much is refused without a word of it', async (t) => {
  const { injection, spool } = await runInjecting(t);
  const deep = (count: number): string =>
    `{"recipient":"b@y.test","mime":"","x":${'['.repeat(count)}${']'.repeat(count)}}`;
  const requests: ReadonlyArray<[body: string | Buffer, status: number, code: string]> = [
    ['', 400, 'JSON_INVALID'],
    ['{"password": "secret"', 400, 'JSON_INVALID'],
    ['{"mime": "secret" "x"}', 400, 'JSON_INVALID'],
    ['{"port": NaN}', 400, 'JSON_INVALID'],
    [Buffer.from('{"mime": "\xff"}', 'latin1'), 400, 'JSON_INVALID'],
    ['[]', 422, 'MESSAGE_INVALID'],
    ['"secret"', 422, 'MESSAGE_INVALID'],
    [JSON.stringify(Array.from({ length: 1001 }, () => MESSAGE)), 422, 'MESSAGE_INVALID'],
    [deep(100), 422, 'MESSAGE_INVALID'],
    ['['.repeat(1_000_000), 422, 'MESSAGE_INVALID'],
  ];
  for (const [body, status, code] of requests) {
    const answer = await injection.fromJson(Buffer.from(body), CLIENT);
    assert.deepEqual(refusal(answer).slice(0, 2), [status, code], String(body).slice(0, 50));
    assert.ok(!JSON.stringify(answer).includes('secret'));
  }
  messages(await injection.fromJson(Buffer.from(deep(60)), CLIENT));
  assert.equal(spool.taken.length, 1);
});

test('an array is checked whole before anything is stored; faults carry the index', async (t) => {
  const { json, spool, stored } = await runInjecting(t);
  const wrong = { ...MESSAGE, smarthost: { hostname: 'h', port: '25 x' } };
  assert.deepEqual(refusal(await json([MESSAGE, wrong, { ...MESSAGE, recipient: 1 }])), [
    422,
    'MESSAGE_INVALID',
    '1.smarthost.port',
    '2.recipient',
  ]);
  const last = await json([MESSAGE, MESSAGE, { ...MESSAGE, mime: 'A: 1\n' }]);
  assert.deepEqual(refusal(last), [422, 'CONTENT_INVALID', '2.mime']);
  assert.deepEqual(stored(), [0, 0]);
  const many = Array.from({ length: 1000 }, (_, at) => ({ ...MESSAGE, recipient: `${at}@y.test` }));
  const answered = messages(await json(many));
  assert.deepEqual(
    answered.map(({ recipient }) => recipient),
    many.map(({ recipient }) => recipient),
  );
  assert.deepEqual(
    new Map(answered.map(({ recipient, queue_id }) => [queue_id, recipient])),
    new Map(spool.taken.map(({ item }) => [item.id, item.recipients[0]?.address])),
  );
});

test('a stream is stored as it is; one that breaks off, or has bad addresses, is not', async (t) => {
  const { stream, injection, spool, stored } = await runInjecting(t);
  const content = 'A: \xfc\r\n\r\n\xff\x80';
  messages(await stream(content.split('')));
  assert.equal(contentOf(spool.taken[0]), `${content}\r\n`);
  await assert.rejects(stream(['A: 1\r\n', '\r\nbody', new Error('gone')]), { message: 'gone' });
  await assert.rejects(stream([new Error('gone')], { idempotencyKey: 'k' }), { message: 'gone' });
  const addressed = (sender: string, recipients: string[]): Promise<InjectAnswer> =>
    injection.fromStream(contentOfChunks([PLAIN]), { sender, recipients }, CLIENT);
  for (const [sender, recipients, ...paths] of [
    ['no address', ['b@y.test'], 'envelope'],
    ['a@x.test', [], 'recipient'],
    [
      'a@x.test',
      ['b@y.test', '', '<b@y.test>', 'b@y.test\r\nDATA'],
      'recipient.1',
      'recipient.2',
      'recipient.3',
    ],
    ['a@x.test', Array.from({ length: 101 }, () => 'b@y.test'), 'recipient'],
  ] as Array<[string, string[], ...string[]]>) {
    assert.deepEqual(refusal(await addressed(sender, recipients)), [
      422,
      'MESSAGE_INVALID',
      ...paths,
    ]);
  }
  assert.deepEqual(stored(), [1, 0]);
  messages(await addressed('', ['b@y.test']));
});

test('a message of 50 MB that comes as it is streams through: it is never in memory', async (t) => {
  const { injection, spool, last } = await runInjecting(t, {
    settings: { maxMessageBytes: 100_000_000 },
  });
  spool.digestBodies = true;
  const before = retainedBytes();
  let most = 0;
  async function* content(): AsyncGenerator<Buffer> {
    yield Buffer.from(steered('X-MQ-Smarthost-Hostname: core').slice(0, -4));
    for (let index = 0; index < 50; index++) {
      yield Buffer.from(`${'x'.repeat(998)}\r\n`.repeat(1000));
      most = Math.max(most, retainedBytes() - before);
    }
  }
  const envelope = { sender: 'a@x.test', recipients: ['b@y.test'] };
  messages(await injection.fromStream(content(), envelope, { ...CLIENT, idempotencyKey: 'k' }));
  const { body, settings } = last();
  assert.equal(body.sizeBytes, body.ownHeaderBytes + 'A: 1\r\nB: 2\r\n\r\n'.length + 50_000_000);
  assert.equal(settings?.smarthost?.hostname, 'core');
  assert.ok(most < 5 * 1024 * 1024, `${most} bytes more than before`);
});

test('a spool that refuses is 503, and nothing is left behind', async (t) => {
  const { json, stream, spool, stored } = await runInjecting(t);
  spool.refuseBodies = true;
  assert.deepEqual(refusal(await json(MESSAGE)), [503, 'NOT_STORED']);
  assert.deepEqual(refusal(await stream([PLAIN])), [503, 'NOT_STORED']);
  spool.refuseBodies = false;
  spool.healthy = false;
  assert.deepEqual(refusal(await json(MESSAGE)), [503, 'NOT_READY']);
  assert.deepEqual(refusal(await stream([PLAIN])), [503, 'NOT_READY']);
  assert.deepEqual(stored(), [0, 0]);
});
