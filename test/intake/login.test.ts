import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashPassword } from '../../src/base/password-hash.js';
import { Secret } from '../../src/base/secret.js';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue } from './dialogue.js';
import { APP_PASSWORD, authPlain, PEER_PASSWORD, POLICY, runIntake } from './running-intake.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function authLogin(client: Dialogue, username: string, password: string): Promise<string> {
  const replies = await client.askAll('AUTH LOGIN', base64(username), base64(password));
  assert.deepEqual(replies.slice(0, 2), ['334 VXNlcm5hbWU6', '334 UGFzc3dvcmQ6']);
  return replies[2] as string;
}

test('PLAIN and LOGIN in each of their forms, and then mail may be relayed', async (t) => {
  const { port } = await runIntake(t, { policy: { relayFrom: [] } });
  const forms: Array<(client: Dialogue) => Promise<string>> = [
    (client) => client.ask(authPlain('app', APP_PASSWORD)),
    async (client) => {
      assert.equal(await client.ask('AUTH PLAIN'), '334');
      return client.ask(base64(`\0app\0${APP_PASSWORD}`));
    },
    (client) => authLogin(client, 'app', APP_PASSWORD),
    async (client) => {
      assert.equal(await client.ask(`AUTH LOGIN ${base64('app')}`), '334 UGFzc3dvcmQ6');
      return client.ask(base64(APP_PASSWORD));
    },
    (client) => client.ask(authPlain('app', APP_PASSWORD).replace('AUTH PLAIN', 'auth plain')),
  ];
  for (const form of forms) {
    const client = await Dialogue.open(port, 'starttls');
    assert.match(await form(client), /^235 /);
    assert.match(await client.send('x: y\r\n\r\nx'), /^250 /);
  }
});

test('a wrong password and an unknown user get the same words', async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port, 'starttls');
  const answers = new Set([
    await client.ask(authPlain('app', 'wrong')),
    await client.ask(authPlain('nobody', 'wrong')),
    await client.ask(authPlain('app', '')),
    await client.ask(authPlain('nobody', APP_PASSWORD)),
    await client.ask(authPlain('__proto__', APP_PASSWORD)),
    await authLogin(client, 'app', 'wrong'),
    await authLogin(client, 'nobody', 'wrong'),
  ]);
  assert.equal(answers.size, 1);
  assert.match([...answers][0] as string, /^535 5\.7\.8 /);
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^235 /);
});

hostileTest('state', 'a second login is refused, and the first one stays', async (t) => {
  const { port, spool } = await runIntake(t, { policy: { relayFrom: [] } });
  const client = await Dialogue.open(port, 'starttls');
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^235 /);
  assert.match(await client.ask(authPlain('core-login', PEER_PASSWORD)), /^503 /);
  assert.doesNotMatch(await client.ask('EHLO client.example'), /AUTH/);
  assert.match(await client.send('x: y\r\n\r\nx'), /^250 /);
  assert.equal(spool.taken.length, 1);
});

test('a login is broken off with *, and garbage is no login', async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port, 'starttls');
  await client.ask('AUTH LOGIN');
  assert.match(await client.ask('*'), /^501 /);
  await client.ask('AUTH PLAIN');
  assert.match(await client.ask('*'), /^501 /);
  assert.match(await client.ask(`AUTH PLAIN ${base64('app')}`), /^501 /);
  assert.match(await client.ask(`AUTH PLAIN ${base64('\0a\r\nb\0x')}`), /^501 /);
  assert.match(await client.ask('AUTH CRAM-MD5'), /^504 /);
  assert.match(await client.ask('AUTH'), /^501 5\.5\.4 /);
  assert.match(await client.ask('MAIL FROM:<a@x.test>'), /^250 /);
});

test('in clear text a login is offered to loopback alone, and there not where TLS is required', async (t) => {
  const { port, listener } = await runIntake(t);
  const client = await Dialogue.connect(port);
  await client.reply();
  assert.match(await client.ask('EHLO client.example'), /AUTH PLAIN LOGIN/);
  // The same session as from elsewhere: the address is all that decides.
  for (const connection of listener.connections) {
    connection.remoteAddress = '192.0.2.1';
  }
  assert.doesNotMatch(await client.ask('EHLO client.example'), /AUTH/);
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^538 5\.7\.11 /);
  await client.startTls();
  for (const connection of listener.connections) {
    connection.remoteAddress = '192.0.2.1';
  }
  assert.match(await client.ask('EHLO client.example'), /AUTH PLAIN LOGIN/);
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^235 /);
});

test('a login is offered only where somebody could log in', async (t) => {
  const { port, policy } = await runIntake(t, { policy: { users: [], peers: [] } });
  const client = await Dialogue.connect(port);
  await client.reply();
  assert.doesNotMatch(await client.ask('EHLO client.example'), /AUTH|XMESH/);
  assert.match(await client.ask(authPlain('', '')), /^500 /);
  policy.reload(POLICY);
  assert.match(await client.ask('EHLO client.example'), /AUTH PLAIN LOGIN\n250 XMESH/);
});

test('after a reload the old password is refused and the new one taken, in open sessions too', async (t) => {
  const { port, policy } = await runIntake(t);
  const client = await Dialogue.open(port, 'starttls');
  policy.reload({
    ...POLICY,
    users: [{ username: 'app', password: new Secret('new one'), may: ['relay'], steerTo: [] }],
  });
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^535 /);
  assert.match(await client.ask(authPlain('app', 'new one')), /^235 /);
});

test('a user without the right to relay is refused like a stranger', async (t) => {
  const { port } = await runIntake(t, { policy: { relayFrom: [] } });
  const client = await Dialogue.open(port, 'starttls');
  assert.match(await client.ask(authPlain('reader', 'only reads')), /^235 /);
  await client.ask('MAIL FROM:<a@x.test>');
  assert.match(await client.ask('RCPT TO:<b@y.test>'), /^550 5\.7\.1 /);
});

hostileTest('state', 'a login has no place within a transaction', async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port, 'starttls');
  await client.ask('MAIL FROM:<a@x.test>');
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^503 5\.5\.1 /);
  await client.ask('RSET');
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^235 /);
});

test('a user with a hash logs in by its password, and nobody by the hash', async (t) => {
  const hash = await hashPassword(APP_PASSWORD, { ln: 10, r: 8, p: 1 });
  const app = { username: 'app', password: new Secret(hash), may: ['relay' as const], steerTo: [] };
  const { port, policy } = await runIntake(t, { policy: { users: [app], relayFrom: [] } });
  const client = await Dialogue.open(port, 'starttls');
  const refused = new Set([
    await client.ask(authPlain('app', 'wrong')),
    await client.ask(authPlain('app', hash)),
    await client.ask(authPlain('nobody', APP_PASSWORD)),
    await authLogin(client, 'app', hash),
  ]);
  assert.match([...refused].join(), /^535 5\.7\.8 [^,]*$/);
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^235 /);
  assert.match(await client.send('x: y\r\n\r\nx'), /^250 /);
  policy.reload({ ...POLICY, users: [] });
  const next = await Dialogue.open(port, 'starttls');
  assert.match(await next.ask(authPlain('app', APP_PASSWORD)), /^535 /);
});

test('too many logins at once are put off, whoever they are of', async (t) => {
  const { port, policy, listener } = await runIntake(t);
  const client = await Dialogue.open(port, 'starttls');
  const { mock } = t.mock.method(policy, 'logIn', () => Promise.resolve('busy'));
  assert.equal(
    await client.ask(authPlain('app', APP_PASSWORD)),
    '454 4.7.0 Temporary authentication failure',
  );
  assert.equal(listener.counts.limited.get('password-checks'), 1);
  mock.mockImplementation(() => Promise.reject(new Error('a fault of ours')));
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^454 4\.7\.0 /);
  mock.restore();
  assert.match(await client.ask(authPlain('app', APP_PASSWORD)), /^235 /);
});
