import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { capturedLog } from '../base/captured-log.js';
import { hostileTest } from '../hostile/rows.js';
import { ManualClock } from './manual-clock.js';
import { EXPIRE_AFTER_MS } from './running-intake.js';
import { PLAIN, runSteering, steered } from './steering-client.js';

const HOST = 'X-MQ-Smarthost-Hostname: esp.example';
const CANARY = 'qVxKzPwRtYhBnLmWdGcJ';

/* SMARTHOST: one message. */

test('MIME headers x-mq-smarthost-hostname, -port, -username, -password mean a smarthost', async (t) => {
  const { app, last, lastContent, sealer } = await runSteering(t);
  const reply = await app.send(
    steered(
      'x-mq-smarthost-hostname: esp.example',
      'x-mq-smarthost-port:     587',
      'x-mq-smarthost-username: example-user',
      'x-mq-smarthost-password: example-password',
    ),
  );
  assert.match(reply, /^250 /);
  const own = last().settings?.smarthost ?? assert.fail('no smarthost');
  const { sealedPassword, ...rest } = own;
  assert.deepEqual(rest, {
    hostname: 'esp.example',
    port: 587,
    address: '198.51.100.1',
    username: 'example-user',
  });
  assert.equal(sealer.unseal(sealedPassword ?? '')?.reveal(), 'example-password');
  assert.equal(lastContent(), PLAIN);
});

test('only the hostname is needed; the port defaults to 25', async (t) => {
  const { app, last } = await runSteering(t);
  await app.send(steered(HOST));
  assert.deepEqual(last().settings, {
    smarthost: {
      hostname: 'esp.example',
      port: 25,
      address: '198.51.100.1',
      username: null,
      sealedPassword: null,
    },
  });
});

test('without username and password no login is tried; half of a login is none', async (t) => {
  const { app, last } = await runSteering(t);
  for (const half of [
    ['X-MQ-Smarthost-Username: u'],
    ['X-MQ-Smarthost-Password: p'],
    ['X-MQ-Smarthost-Username:', 'X-MQ-Smarthost-Password: p'],
    ['X-MQ-Smarthost-Username: u', 'X-MQ-Smarthost-Password: '],
  ]) {
    assert.match(await app.send(steered(HOST, ...half)), /^250 /, half.join());
    const { username, sealedPassword } = last().settings?.smarthost ?? assert.fail();
    assert.deepEqual([username, sealedPassword], [null, null], half.join());
  }
});

test('a name of the topology is a smarthost too: the topology says where it is', async (t) => {
  const { app, last } = await runSteering(t);
  await app.send(steered('X-MQ-Smarthost-Hostname: core'));
  const own = { hostname: 'core', address: null, username: null, sealedPassword: null };
  assert.deepEqual(last().settings?.smarthost, { ...own, port: null });
  await app.send(steered('X-MQ-Smarthost-Hostname: core', 'X-MQ-Smarthost-Port: 2525'));
  assert.deepEqual(last().settings?.smarthost, { ...own, port: 2525 });
});

test('its password is stored encrypted, and is nowhere else', async (t) => {
  const captured = capturedLog();
  const { app, spool, last } = await runSteering(t, { log: captured.log });
  const fields = [HOST, 'X-MQ-Smarthost-Username: u', `X-MQ-Smarthost-Password: ${CANARY}`];
  assert.match(await app.send(steered(...fields)), /^250 /);
  const sealed = last().settings?.smarthost?.sealedPassword ?? '';
  const stored = spool.taken[0] ?? assert.fail();
  const replies = [
    await app.send(steered(...fields, HOST)),
    await app.send(steered(...fields, 'X-MQ-Smarthost-Port: x')),
    await app.send(steered(...fields.slice(1))),
    await app.send(steered(...fields, `X-MQ-Smarthost-Password: ${CANARY}`)),
    await app.send(steered(HOST, `X-MQ-Smarthost-Password: ${CANARY}\t\x01`)),
    await app.send(steered('X-MQ-Smarthost-Hostname: nowhere.example', ...fields.slice(1))),
  ];
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    Array(6).fill('550'),
  );
  const shown = [
    JSON.stringify(stored.item),
    stored.bytes.toString('latin1'),
    Buffer.from(sealed.slice(3), 'base64url').toString('latin1'),
    ...replies,
    JSON.stringify(captured.lines),
    inspect(stored.item, { depth: 10 }),
  ].join('\n');
  const forms = [
    CANARY,
    Buffer.from(CANARY).toString('hex'),
    ...[CANARY, ` ${CANARY}`, `  ${CANARY}`, `\0u\0${CANARY}`].map((text) =>
      Buffer.from(text).toString('base64').slice(4, 24),
    ),
  ];
  for (const form of forms) {
    assert.ok(!shown.includes(form), form);
  }
});

test('a password is taken as it stands: unfolded, without the white space around it', async (t) => {
  const { app, last, sealer } = await runSteering(t);
  const passwords: ReadonlyArray<[written: string, meant: string]> = [
    ['a b  c', 'a b  c'],
    ['\t pa:ss=wo;rd "\'\\ ', 'pa:ss=wo;rd "\'\\'],
    ['first\r\n second', 'first second'],
    ['\r\n folded', 'folded'],
    ['=?utf-8?q?a?=', '=?utf-8?q?a?='],
    ['\u00fc\u4e2d\ud83d\udce7', '\u00fc\u4e2d\ud83d\udce7'],
    ['\u00a0nbsp\u00a0', '\u00a0nbsp\u00a0'],
    ['x'.repeat(1024), 'x'.repeat(1024)],
  ];
  for (const [written, meant] of passwords) {
    const reply = await app.send(
      steered(HOST, 'X-MQ-Smarthost-Username: u', `X-MQ-Smarthost-Password:${written}`),
    );
    assert.match(reply, /^250 /, written);
    const sealed = last().settings?.smarthost?.sealedPassword ?? '';
    assert.equal(sealer.unseal(sealed)?.reveal(), meant);
  }
});

hostileTest(
  'steering-headers',
  'a header that stands twice refuses the message and is named',
  async (t, cases) => {
    const { app, stored } = await runSteering(t);
    for (const [first, second, name] of [
      [HOST, HOST, 'x-mq-smarthost-hostname'],
      [HOST, 'x-mq-smarthost-hostname : core', 'x-mq-smarthost-hostname'],
      ['X-MQ-Tag: a', 'X-Mq-Tag: b', 'x-mq-tag'],
      ['X-MQ-Retries: 60', 'X-MQ-RETRIES: 60', 'x-mq-retries'],
    ] as const) {
      cases.add();
      const reply = await app.send(steered(first, second));
      assert.equal(reply, `550 5.6.0 Header field ${name} stands twice`);
    }
    assert.deepEqual(stored(), [0, 0]);
    assert.match(await app.send(steered(HOST)), /^250 /);
  },
);

hostileTest(
  'steering-headers',
  'a broken value refuses the message and names its header, never the value',
  async (t, cases) => {
    const { app, stored } = await runSteering(t);
    const broken: ReadonlyArray<[name: string, ...values: string[]]> = [
      [
        'smarthost-port',
        '0',
        '-1',
        '65536',
        '25 x',
        '1e3',
        'NaN',
        '',
        '+25',
        '25.0',
        '0x19',
        '25,26',
      ],
      [
        'smarthost-hostname',
        '',
        'two words',
        'a..b',
        '.a',
        '-a.example',
        'a-.example',
        'a_b!.example',
        '=?utf-8?q?esp=2Eexample?=',
        'esp.example:587',
        'user@esp.example',
        'http://esp.example/',
        '[esp.example]',
        '[::1',
        '::1]',
        'fe80::1%eth0',
        'b\u00fccher.example',
        'esp\u3002example',
        `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}`,
        'x'.repeat(64),
        'esp.example\x01',
      ],
      ['smarthost-username', 'u'.repeat(256), 'u\x01', 'u\x7f', 'u\u0085', '\xff'],
      ['smarthost-password', 'p'.repeat(1025), 'p\x01', 'p\u009b', '\xff\xfe'],
      ['maxattempts', '0', '-1', '1.5', '', 'many', '1000001'],
      [
        'maxdelivertime',
        '',
        'tomorrow',
        '2030-12-31',
        '2030-02-30 00:00:00',
        '2030-12-31T00:00:00Z',
      ],
      ['delayed', '60', '2030-13-01 00:00:00', '2030-01-01 24:00:00', '2030-01-01 00:00:60'],
      ['nextattempt', 'now'],
      ['retries', '', '0', '60,', '60, x', '-60', '60 300', '31536001', '1,'.repeat(100) + '1'],
      ['tag', '', 't'.repeat(256), 'a\x01'],
      ['tags', '', 'a,,b', 't,'.repeat(100) + 't'],
      ['dsn-notify', '', 'SOMETIMES', 'NEVER,FAILURE', 'SUCCESS,'],
      ['dsn-ret', '', 'BODY'],
      ['dsn-orcpt', 'a@x.test', ';a@x.test', 'rfc822;', `rfc822;${'a'.repeat(494)}`],
      ['dsn-envid', '', 'x'.repeat(101), '='.repeat(34), '\u00fc'],
      ['security', '', 'maximal', 'none,verified'],
    ];
    for (const [name, ...values] of broken) {
      const others = name.startsWith('smarthost-') && name !== 'smarthost-hostname' ? [HOST] : [];
      for (const value of values) {
        cases.add();
        const bytes = value.startsWith('\xff') ? 'latin1' : 'utf8';
        const message = Buffer.from(steered(...others, `X-MQ-${name}: ${value}`), bytes);
        const reply = await app.send(message);
        assert.match(
          reply,
          new RegExp(`^550 5\\.6\\.0 Header field x-mq-${name} `),
          `${name}: ${value}`,
        );
        assert.ok(!name.startsWith('smart') || value.length < 6 || !reply.includes(value), reply);
      }
    }
    assert.deepEqual(stored(), [0, 0]);
  },
);

hostileTest(
  'steering-headers',
  'a value that is longer than any setting is refused whole, not cut',
  async (t) => {
    const { app } = await runSteering(t);
    const reply = await app.send(steered(`X-MQ-Tag:${' '.repeat(20_000)}x`));
    assert.equal(reply, '550 5.6.0 Header field x-mq-tag is too long');
  },
);

hostileTest(
  'steering-headers',
  'port, username and password mean nothing without a hostname',
  async (t, cases) => {
    const { app, spool } = await runSteering(t);
    for (const name of ['port', 'username', 'password']) {
      cases.add();
      const reply = await app.send(steered(`X-MQ-Smarthost-${name}: 25`));
      assert.equal(
        reply,
        `550 5.6.0 Header field x-mq-smarthost-${name} needs x-mq-smarthost-hostname`,
      );
    }
    assert.equal(spool.taken.length, 0);
  },
);

test('other per-message keys are honoured', async (t) => {
  const clock = new ManualClock(Date.UTC(2030, 0, 1));
  const { app, last, lastContent } = await runSteering(t, { clock });
  const reply = await app.send(
    steered(
      'X-MQ-MaxAttempts: 3',
      'X-MQ-MaxDeliverTime: 2030-01-02 00:00:00',
      'X-MQ-Retries: 60, 300,3600',
      'X-MQ-Delayed: 2030-01-01 00:10:00',
      'X-MQ-NextAttempt: 2030-01-01 00:05:00',
      'X-MQ-Tags: news, a b',
      'X-MQ-Tag: vip',
      'X-MQ-DSN-Notify: success, Failure',
      'X-MQ-DSN-Ret: hdrs',
      'X-MQ-DSN-Orcpt: rfc822;a+b@x.test',
      'X-MQ-DSN-Envid: id=1 +',
      'X-MQ-Security: Verified',
    ),
    ['b@y.test', 'c@y.test'],
  );
  assert.match(reply, /^250 /);
  const item = last();
  assert.deepEqual(item.settings, {
    maxAttempts: 3,
    retryIntervalsSeconds: [60, 300, 3600],
    tags: ['news', 'a b', 'vip'],
    security: 'verified',
  });
  assert.equal(item.expiresAtMs, Date.UTC(2030, 0, 2));
  assert.deepEqual([item.ret, item.envid], ['HDRS', 'id+3D1+20+2B']);
  for (const recipient of item.recipients) {
    const { state, nextAttemptAtMs, notify, orcpt } = recipient;
    assert.deepEqual(
      [state, nextAttemptAtMs, notify, orcpt],
      ['deferred', Date.UTC(2030, 0, 1, 0, 10), 'SUCCESS,FAILURE', 'rfc822;a+2Bb@x.test'],
    );
  }
  assert.equal(lastContent(), PLAIN);
});

test('what stands on the envelope wins over the header', async (t) => {
  const { app, last } = await runSteering(t);
  await app.askAll(
    'MAIL FROM:<a@x.test> RET=FULL ENVID=mine',
    'RCPT TO:<b@y.test> NOTIFY=NEVER ORCPT=rfc822;b@y.test',
    'RCPT TO:<c@y.test>',
    'DATA',
  );
  const dsn = ['Notify: DELAY', 'Ret: HDRS', 'Orcpt: rfc822;o@x.test', 'Envid: yours'];
  app.write(`${steered(...dsn.map((field) => `X-MQ-DSN-${field}`))}\r\n.\r\n`);
  assert.match(await app.reply(), /^250 /);
  const item = last();
  assert.deepEqual([item.ret, item.envid], ['FULL', 'mine']);
  assert.deepEqual(
    item.recipients.map(({ notify, orcpt }) => [notify, orcpt]),
    [
      ['NEVER', 'rfc822;b@y.test'],
      ['DELAY', 'rfc822;o@x.test'],
    ],
  );
});

test('a message never waits longer than the node lets it, and is not begun behind its end', async (t) => {
  const clock = new ManualClock(Date.UTC(2030, 0, 1));
  const { app, last, spool } = await runSteering(t, { clock });
  await app.send(steered('X-MQ-MaxDeliverTime: 2040-01-01 00:00:00'));
  assert.equal(last().expiresAtMs, clock.nowMs() + EXPIRE_AFTER_MS);
  await app.send(steered('X-MQ-Delayed: 2029-01-01 00:00:00'));
  assert.equal(last().recipients[0]?.state, 'ready');
  for (const fields of [
    ['X-MQ-Delayed: 2030-02-01 00:00:00'],
    ['X-MQ-Delayed: 2030-01-02 00:00:00', 'X-MQ-MaxDeliverTime: 2030-01-02 00:00:00'],
    ['X-MQ-NextAttempt: 2030-01-03 00:00:00', 'X-MQ-MaxDeliverTime: 2030-01-02 00:00:00'],
  ]) {
    const name = (fields[0] ?? '').split(':')[0]?.toLowerCase();
    assert.match(
      await app.send(steered(...fields)),
      new RegExp(`^550 5\\.6\\.0 ${name} `),
      fields.join(),
    );
  }
  assert.equal(spool.taken.length, 2);
});
