import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  array,
  asyncProperty,
  assert as forAll,
  constantFrom,
  integer,
  record,
  string,
  uniqueArray,
} from 'fast-check';
import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/log.js';
import { IntakeCounts } from '../../src/intake/intake-counts.js';
import { ReceivedMessage, type ReceiveOptions } from '../../src/intake/receive-data.js';
import type { Transaction } from '../../src/intake/transaction.js';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue } from './dialogue.js';
import { retainedBytes } from './retained-bytes.js';
import { APP_PASSWORD, authPlain, EXPIRE_AFTER_MS, SETTINGS } from './running-intake.js';
import { runSteering, steered } from './steering-client.js';

/* What is meant for us is taken out of the raw bytes while they stream; all others stay as they came. */

const TRANSACTION: Transaction = {
  sender: 'a@x.test',
  recipients: [{ address: 'b@y.test', notify: null, orcpt: null }],
  ret: null,
  envid: null,
  smtpUtf8: false,
  eightBitMime: false,
  requireTls: false,
  mesh: null,
  handedOver: null,
  declaredBytes: null,
};

const KEPT = ['Subject', 'DKIM-Signature', 'X-M', 'XX-MQ-Tag', 'X-Mq', 'Received'];
const TAKEN = ['X-MQ-Tag', 'x-mq-anything', 'X-Mq-Smarthost-Hostname', 'X-Mesh-Trace', 'X-MQ-'];

const anyField = record({
  name: constantFrom(...KEPT, ...TAKEN),
  gap: constantFrom('', ' ', '\t', ' \t '),
  lines: array(string({ unit: constantFrom(...'ab:x-mq é\t'.split('')), maxLength: 12 }), {
    minLength: 1,
    maxLength: 3,
  }),
  fold: constantFrom('\r\n ', '\r\n\t'),
}).map(({ name, gap, lines, fold }) => ({
  taken: TAKEN.includes(name),
  bytes: Buffer.from(`${name}${gap}:${lines.join(fold)}\r\n`),
}));

hostileTest(
  'steering-headers',
  'all bytes but those of our fields stay, wherever the content is cut',
  async (t) => {
    const { queue, spool, sealer } = await runSteering(t);
    const options: ReceiveOptions = {
      counts: new IntakeCounts(),
      queue,
      clock: systemClock,
      log: silentLogger,
      node: 'edge',
      hostname: SETTINGS.hostname,
      maxMessageBytes: SETTINGS.maxMessageBytes,
      maxHeaderBytes: SETTINGS.maxHeaderBytes,
      expireAfterMs: EXPIRE_AFTER_MS,
      resolve: () => Promise.reject(new Error('nobody asks')),
      ownAddresses: () => [],
      sealer: () => sealer,
    };
    const session = {
      clientAddress: '127.0.0.1',
      helo: 'x',
      protocol: 'ESMTP',
      tls: null,
      user: null,
      mayBeParent: false,
      believed: false,
      steerTo: null,
    };
    const property = asyncProperty(
      array(anyField, { maxLength: 8 }),
      constantFrom('', '\r\n', '\r\nbody\r\n', '\r\nX-MQ-Tag: body\r\n\r\nX-MQ-Tag: x\r\n'),
      uniqueArray(integer({ min: 0, max: 400 }), { maxLength: 8 }),
      async (fields, rest, cuts) => {
        const content = Buffer.concat([...fields.map(({ bytes }) => bytes), Buffer.from(rest)]);
        const message = new ReceivedMessage(TRANSACTION, session, options);
        let from = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), content.length]) {
          const to = Math.min(cut, content.length);
          if (to > from) {
            await message.write(content.subarray(from, to));
          }
          from = Math.max(from, to);
        }
        assert.equal(await message.prepare(), null);
        assert.ok('queueId' in (await message.commit()));
        const stored = spool.taken.pop() ?? assert.fail();
        const kept = fields.filter(({ taken }) => !taken).map(({ bytes }) => bytes);
        assert.equal(
          stored.bytes.toString('latin1', stored.item.body.ownHeaderBytes),
          Buffer.concat([...kept, Buffer.from(rest)]).toString('latin1'),
        );
        assert.match(stored.bytes.toString('latin1'), /^Received: from /);
      },
    );
    await forAll(property, { numRuns: 500 });
  },
);

test('the same comes of a message whose bytes arrive one by one', async (t) => {
  const { app, lastContent, last } = await runSteering(t);
  await app.beginData();
  const content = steered(
    'X-MQ-Smarthost-Hostname :\r\n esp.example',
    'X-MQ-Unknown: \r\n\tx',
    'x-mq-tag:t',
  );
  for (const byte of Buffer.from(`${content}\r\n.\r\n`)) {
    app.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.match(await app.reply(), /^250 /);
  assert.equal(lastContent(), 'A: 1\r\nB: 2\r\n\r\nbody\r\n');
  assert.deepEqual(last().settings?.tags, ['t']);
});

hostileTest(
  'steering-headers',
  'a header with steering fields is bounded like any other',
  async (t) => {
    const { app, spool } = await runSteering(t, { settings: { maxHeaderBytes: 10_000 } });
    assert.match(await app.send(steered(`X-MQ-Tag:${' x'.repeat(6000)}`)), /^552 5\.3\.4 /);
    const many = Array.from({ length: 1000 }, () => 'X-MQ-Unknown: x');
    assert.match(await app.send(steered(...many)), /^552 5\.3\.4 /);
    assert.equal(spool.taken.length, 0);
  },
);

const BIG_BYTES = 50 * 1024 * 1024;

test('a steered message of 50 MB streams through: it is never in memory', async (t) => {
  const { port, spool, last } = await runSteering(t, {
    settings: { maxMessageBytes: 2 * BIG_BYTES },
  });
  spool.digestBodies = true;
  const client = await Dialogue.open(port, 'starttls');
  await client.ask(authPlain('app', APP_PASSWORD));
  await client.beginData();
  const block = Buffer.from(`${'x'.repeat(998)}\r\n`.repeat(1000));
  const blocks = Math.ceil(BIG_BYTES / block.length);
  client.write('A: 1\r\nX-MQ-Smarthost-Hostname: esp.example\r\nB: 2\r\n\r\n');
  const before = retainedBytes();
  let most = 0;
  for (let index = 0; index < blocks; index++) {
    await client.writeAndFlush(block);
    most = Math.max(most, retainedBytes() - before);
  }
  client.write('.\r\n');
  assert.match(await client.reply(), /^250 /);
  const { body, settings } = last();
  const headerBytes = body.ownHeaderBytes + 'A: 1\r\nB: 2\r\n\r\n'.length;
  assert.equal(body.sizeBytes, headerBytes + blocks * block.length);
  assert.equal(settings?.smarthost?.hostname, 'esp.example');
  assert.ok(most < 5 * 1024 * 1024, `${most} bytes more than before`);
});
