import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue } from './dialogue.js';
import { APP_PASSWORD, authPlain, PEER_PASSWORD, POLICY } from './running-intake.js';
import { PLAIN, runSteering, steered, STEER_TO } from './steering-client.js';

const HOST = 'X-MQ-Smarthost-Hostname: esp.example';
const CANARY = 'qVxKzPwRtYhBnLmWdGcJ';

/* SMARTHOST: who may steer. */

hostileTest(
  'steering-headers',
  "a stranger's x-mq headers are removed unread, and the removal is recorded",
  async (t, cases) => {
    const { stranger, last, lastContent, resolved } = await runSteering(t);
    cases.add(8);
    const reply = await stranger.send(
      steered(
        HOST,
        'X-MQ-Smarthost-Port: broken',
        'X-MQ-SMARTHOST-Port: broken',
        `X-MQ-Smarthost-Password: ${CANARY}`,
        'X-MQ-Anything: x',
        'X-MQ-: x',
        'x-mq-delayed: 2099-01-01 00:00:00',
        'X-MQ-Tag: vip',
      ),
    );
    assert.match(reply, /^250 /);
    assert.equal(last().settings, undefined);
    assert.equal(last().recipients[0]?.state, 'ready');
    assert.deepEqual(last().arrival.removedHeaders, [
      'x-mq-smarthost-hostname',
      'x-mq-smarthost-port',
      'x-mq-smarthost-password',
      'x-mq-anything',
      'x-mq-',
      'x-mq-delayed',
      'x-mq-tag',
    ]);
    assert.equal(lastContent(), PLAIN);
    assert.deepEqual(resolved, []);
  },
);

hostileTest(
  'steering-headers',
  'a user or a link without the right to steer is a stranger in this',
  async (t, cases) => {
    const { port, last, lastContent } = await runSteering(t, {
      policy: { users: POLICY.users, peers: POLICY.peers },
    });
    for (const login of [
      authPlain('app', APP_PASSWORD),
      authPlain('reader', 'only reads'),
      authPlain('core-login', PEER_PASSWORD),
    ]) {
      cases.add();
      const client = await Dialogue.open(port, 'starttls');
      assert.match(await client.ask(login), /^235 /);
      assert.match(await client.send(steered(HOST)), /^250 /);
      assert.equal(last().settings, undefined);
      assert.deepEqual(last().arrival.removedHeaders, ['x-mq-smarthost-hostname']);
      assert.equal(lastContent(), PLAIN);
    }
  },
);

test('a link with the right to steer obeys, towards its own list', async (t) => {
  const [core] = POLICY.peers;
  const { port, last } = await runSteering(t, {
    policy: { peers: [{ ...(core ?? assert.fail()), may: ['steer'], steerTo: STEER_TO }] },
  });
  const client = await Dialogue.open(port, 'starttls');
  await client.ask(authPlain('core-login', PEER_PASSWORD));
  assert.match(await client.send(steered(HOST)), /^250 /);
  assert.equal(last().settings?.smarthost?.address, '198.51.100.1');
  assert.equal(last().arrival.removedHeaders, undefined);
});

hostileTest('steering-headers', 'the names that are remembered are bounded', async (t) => {
  const { stranger, last } = await runSteering(t);
  const many = Array.from({ length: 1000 }, (_, index) => `X-MQ-${index}: x`);
  await stranger.send(steered(`X-MQ-${'y'.repeat(5000)}: x`, ...many));
  const names = last().arrival.removedHeaders ?? [];
  assert.equal(names.length, 20);
  assert.ok(names.every((name) => name.length <= 100));
});

hostileTest(
  'steering-headers',
  'headers that nobody knows are removed and recorded, not refused',
  async (t) => {
    const { app, last, lastContent } = await runSteering(t);
    const reply = await app.send(
      steered('X-MQ-InlineCSS: 1', HOST, 'X-MQ-InlineCSS: 1', 'X-MQ-IP:'),
    );
    assert.match(reply, /^250 /);
    assert.deepEqual(last().arrival.removedHeaders, ['x-mq-inlinecss', 'x-mq-ip']);
    assert.equal(last().settings?.smarthost?.hostname, 'esp.example');
    assert.equal(lastContent(), PLAIN);
  },
);

hostileTest(
  'steering-hosts',
  'a refusal is 550 5.7.1 at the final dot, and nothing is stored',
  async (t) => {
    const { app, stored } = await runSteering(t);
    await app.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
    assert.match(await app.ask('DATA'), /^354 /);
    app.write(`${steered('X-MQ-Smarthost-Hostname: evil.example')}\r\n.\r\n`);
    assert.equal(
      await app.reply(),
      '550 5.7.1 Smarthost: evil.example:25 is not a smarthost that you may name',
    );
    assert.deepEqual(stored(), [0, 0]);
    assert.match(await app.send(steered(HOST)), /^250 /);
  },
);

test('DNS that cannot tell is 451 4.4.3, and nothing is stored', async (t) => {
  const dns = { 'esp.example': Object.assign(new Error('no'), { code: 'ESERVFAIL' }) };
  const { app, stored } = await runSteering(t, { dns });
  assert.equal(
    await app.send(steered(HOST)),
    '451 4.4.3 Smarthost: esp.example cannot be resolved now',
  );
  assert.deepEqual(stored(), [0, 0]);
});

test('a key that cannot be had is 451, and the message is not stored without its password', async (t) => {
  const { app, stored, sealer } = await runSteering(t);
  t.mock.method(sealer, 'seal', () => {
    throw new Error('the key is gone');
  });
  const login = ['X-MQ-Smarthost-Username: u', 'X-MQ-Smarthost-Password: p'];
  assert.match(await app.send(steered(HOST, ...login)), /^451 4\.3\.0 /);
  assert.deepEqual(stored(), [0, 0]);
});

/* HOSTILE: steering. */

hostileTest('steering-headers', 'headers in all spellings are found', async (t, cases) => {
  const { app, last, lastContent } = await runSteering(t);
  for (const spelling of [
    'x-mq-smarthost-hostname:esp.example',
    'X-MQ-SMARTHOST-HOSTNAME:   esp.example   ',
    'x-Mq-sMaRtHoSt-HoStNaMe: ESP.Example',
    'X-MQ-Smarthost-Hostname : esp.example',
    'X-MQ-Smarthost-Hostname \t : esp.example.',
    'X-MQ-Smarthost-Hostname:\r\n esp.example',
    'X-MQ-Smarthost-Hostname:\r\n\t\r\n \tesp.example\r\n ',
  ]) {
    cases.add();
    assert.match(await app.send(steered(spelling)), /^250 /, spelling);
    assert.equal(last().settings?.smarthost?.hostname, 'esp.example', spelling);
    assert.equal(lastContent(), PLAIN, spelling);
  }
});

hostileTest(
  'steering-headers',
  'text in the body, in a message/rfc822 part and in other headers stays and is not obeyed',
  async (t, cases) => {
    const { app, last, lastContent } = await runSteering(t);
    for (const content of [
      `A: 1\r\n\r\n${HOST}\r\n`,
      `\r\n${HOST}\r\n`,
      `Content-Type: message/rfc822\r\n\r\n${HOST}\r\nSubject: inner\r\n\r\nx\r\n`,
      `Subject: x\r\n ${HOST}\r\n\r\nx\r\n`,
      `Subject: ${HOST}\r\nY-${HOST}\r\nX-M: q\r\nXX-MQ-A: 1\r\n\r\nx\r\n`,
      `X: 1\r\n \r\n\r\n${HOST}\r\n`,
    ]) {
      cases.add();
      assert.match(await app.send(content.slice(0, -2)), /^250 /);
      assert.equal(last().settings, undefined, content);
      assert.equal(lastContent(), content);
    }
  },
);

hostileTest('steering-headers', 'a bare CR or LF never makes a header line', async (t, cases) => {
  const { port, spool } = await runSteering(t);
  for (const content of [
    `Subject: a\r${HOST}\r\n\r\nx`,
    `Subject: a\n${HOST}\r\n\r\nx`,
    `Subject: a\r\n${HOST}\r\r\n\r\nx`,
    `Subject: a\x00\r\n${HOST}\r\n\r\nx`,
  ]) {
    cases.add();
    const client = await Dialogue.open(port, 'starttls');
    await client.ask(authPlain('app', APP_PASSWORD));
    assert.match(await client.send(content), /^550 5\.6\.11 /, JSON.stringify(content));
  }
  assert.equal(spool.taken.length, 0);
});

hostileTest(
  'steering-headers',
  'lines that would continue our own header line do not hide what follows them',
  async (t, cases) => {
    const { app, stranger, last, lastContent } = await runSteering(t);
    for (const start of [' x\r\n', '\t\r\n', ' a: b\r\n\t c\r\n']) {
      cases.add(2);
      assert.match(
        await stranger.send(`${start}${HOST}\r\nX-Mesh-Trace: 1\r\nB: 2\r\n\r\nx`),
        /^250 /,
      );
      assert.equal(lastContent(), `${start}B: 2\r\n\r\nx\r\n`);
      assert.deepEqual(last().arrival.removedHeaders, ['x-mq-smarthost-hostname']);
      assert.match(await app.send(`${start}${HOST}\r\n\r\nx`), /^250 /);
      assert.equal(last().settings?.smarthost?.hostname, 'esp.example');
    }
  },
);

hostileTest(
  'steering-headers',
  'x-mq lines behind a line that is no header are refused: readers would not agree on them',
  async (t, cases) => {
    const { app, stranger, spool } = await runSteering(t);
    const content = (start: string): string =>
      `${start}X-mq-Smarthost-Password: ${CANARY}\r\n\r\nx`;
    for (const client of [app, stranger]) {
      for (const start of [
        'not a field\r\n',
        'A: 1\r\nnot a field\r\nB: 2\r\n',
        'From a@x.test Thu Jan 1 00:00:00 1970\r\nA: 1\r\n',
        ': no name\r\n',
        'X-MQ-Smarthost Hostname: x\r\n',
        'x\xfc: y\r\n',
      ]) {
        cases.add();
        assert.match(
          await client.send(Buffer.from(content(start), 'latin1')),
          /^550 5\.6\.0 /,
          start,
        );
      }
    }
    assert.equal(spool.taken.length, 0);
    assert.match(await stranger.send('not a field\r\n\r\nX-MQ-Tag: body'), /^250 /);
  },
);

hostileTest(
  'steering-hosts',
  'no connection that the list does not name, whatever the host is written like',
  async (t, cases) => {
    const { app, spool, resolved } = await runSteering(t);
    for (const host of [
      '127.0.0.1',
      'localhost',
      '0.0.0.0',
      '[::]',
      '[::1]',
      '::1',
      '[IPv6:::1]',
      '::ffff:127.0.0.1',
      '[::ffff:7f00:1]',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '169.254.169.254',
      '10.0.0.1',
      '172.16.0.1',
      '192.168.0.1',
      '[fd00::1]',
      '10.1.1.1',
      '198.51.100.10',
      'core.example',
      'inside.example',
    ]) {
      cases.add();
      const reply = await app.send(steered(`X-MQ-Smarthost-Hostname: ${host}`));
      assert.match(reply, /^550 5\.7\.1 Smarthost: /, host);
    }
    for (const port of [22, 80, 6379, 11_211]) {
      for (const host of ['esp.example', 'core', '198.51.100.9']) {
        cases.add();
        const reply = await app.send(
          steered(`X-MQ-Smarthost-Hostname: ${host}`, `X-MQ-Smarthost-Port: ${port}`),
        );
        assert.match(reply, /^550 5\.7\.1 /, `${host}:${port}`);
      }
    }
    assert.equal(spool.taken.length, 0);
    assert.deepEqual(resolved, ['inside.example']);
  },
);

hostileTest(
  'steering-hosts',
  'own listeners are reached only when they are listed by address',
  async (t) => {
    const { port } = await runSteering(t);
    const me = { kind: 'host', host: 'me.example', port } as const;
    const dns = { 'me.example': ['127.0.0.1'] };
    const fields = ['X-MQ-Smarthost-Hostname: me.example', `X-MQ-Smarthost-Port: ${port}`];
    const without = await runSteering(t, { dns, steerTo: [me] });
    assert.match(await without.app.send(steered(...fields)), /^550 5\.7\.1 /);
    const listed = await runSteering(t, { dns, steerTo: [me, { ...me, host: '127.0.0.1' }] });
    assert.match(await listed.app.send(steered(...fields)), /^250 /);
  },
);

hostileTest(
  'steering-hosts',
  'a name that changes its address between check and connect leads nowhere else',
  async (t) => {
    const { app, last, resolved } = await runSteering(t);
    await app.send(steered(HOST));
    assert.equal(last().settings?.smarthost?.address, '198.51.100.1');
    assert.deepEqual(resolved, ['esp.example'], 'the name is asked for once');
  },
);

hostileTest(
  'steering-headers',
  'a right that a reload takes away is gone in open sessions too',
  async (t) => {
    const { app, policy, last } = await runSteering(t);
    assert.match(await app.send(steered(HOST)), /^250 /);
    policy.reload(POLICY);
    assert.match(await app.send(steered(HOST)), /^250 /);
    assert.equal(last().settings, undefined);
    assert.deepEqual(last().arrival.removedHeaders, ['x-mq-smarthost-hostname']);
  },
);
