import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import { loadUsers } from '../../src/sink/users.js';
import { get, makeCertificate, runSink, scratchDirectory, SmtpClient } from './client.js';

const USERS = [{ username: 'app', password: new Secret('pa:ss') }];

function plain(username: string, password: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0${username}\0${password}`).toString('base64')}`;
}

test('with users, mail needs a login, by PLAIN or LOGIN', async (t) => {
  const sink = await runSink(t, { users: USERS });
  for (const mechanism of ['PLAIN', 'LOGIN']) {
    const client = await SmtpClient.connect(sink.smtp.port);
    await client.reply();
    assert.match(await client.ask('EHLO client.example'), /AUTH PLAIN LOGIN/);
    assert.match(await client.ask('MAIL FROM:<a@x.example>'), /^530 5\.7\.0 /);
    assert.match(await client.ask('RCPT TO:<a@x.example>'), /^530 5\.7\.0 /);
    assert.match(await client.ask('DATA'), /^530 5\.7\.0 /);
    if (mechanism === 'PLAIN') {
      assert.match(await client.ask(plain('app', 'pa:ss')), /^235 2\.7\.0 /);
    } else {
      await client.ask('AUTH LOGIN');
      await client.ask(Buffer.from('app').toString('base64'));
      const password = Buffer.from('pa:ss').toString('base64');
      assert.match(await client.ask(password), /^235 2\.7\.0 /);
    }
    const replies = await client.send('a@x.example', ['b@x.example'], mechanism);
    assert.match(replies.at(-1) as string, /^250 /);
  }
  const { messages } = (await (await get(sink, '/messages')).json()) as {
    messages: Array<{ user: string }>;
  };
  assert.deepEqual(
    messages.map(({ user }) => user),
    ['app', 'app'],
  );
});

test('wrong logins get 535 as often as they are tried', async (t) => {
  const sink = await runSink(t, { users: USERS });
  const client = await SmtpClient.greeted(sink.smtp.port);
  for (let round = 0; round < 25; round++) {
    const wrong = round % 2 === 0 ? plain('app', 'wrong') : plain('nobody', '');
    assert.match(await client.ask(wrong), /^535 5\.7\.8 /);
  }
  assert.match(await client.ask(plain('app', 'pa:ss')), /^235 /);
  const stats = (await (await get(sink, '/stats')).json()) as { refused: number };
  assert.equal(stats.refused, 25);
});

test('TLS is offered or required by STARTTLS, and is shown with the message', async (t) => {
  const certificate = makeCertificate(scratchDirectory(t));
  const sink = await runSink(t, { tls: 'required', certificate, users: USERS });
  const client = await SmtpClient.connect(sink.smtp.port);
  await client.reply();
  const offered = await client.ask('EHLO client.example');
  assert.match(offered, /STARTTLS/);
  assert.doesNotMatch(offered, /AUTH/);
  assert.match(await client.ask('MAIL FROM:<a@x.example>'), /^530 5\.7\.0 .*STARTTLS/);
  assert.match(await client.ask(plain('app', 'pa:ss')), /^530 5\.7\.0 .*STARTTLS/);
  await client.startTls();
  const secured = await client.ask('EHLO client.example');
  assert.doesNotMatch(secured, /STARTTLS/);
  assert.match(secured, /AUTH PLAIN LOGIN/);
  assert.match(await client.ask('MAIL FROM:<a@x.example>'), /^530 5\.7\.0 /);
  assert.match(await client.ask(plain('app', 'pa:ss')), /^235 /);
  await client.send('a@x.example', ['b@x.example'], 'x');
  const { messages } = (await (await get(sink, '/messages')).json()) as {
    messages: Array<{ tls: { protocol: string; cipher: string } }>;
  };
  assert.equal(messages[0]?.tls.protocol, 'TLSv1.3');
  assert.match(messages[0]?.tls.cipher ?? '', /^TLS_AES_/);
});

test('REQUIRETLS is offered and taken inside TLS only, and is shown with the message', async (t) => {
  const certificate = makeCertificate(scratchDirectory(t));
  const sink = await runSink(t, { tls: 'opportunistic', certificate });
  const client = await SmtpClient.connect(sink.smtp.port);
  await client.reply();
  assert.doesNotMatch(await client.ask('EHLO client.example'), /REQUIRETLS/);
  assert.match(await client.ask('MAIL FROM:<a@x.example> REQUIRETLS'), /^555 5\.5\.4 /);
  await client.startTls();
  assert.match(await client.ask('EHLO client.example'), /^250[- ]REQUIRETLS$/m);
  assert.match(await client.ask('MAIL FROM:<a@x.example> REQUIRETLS=yes'), /^501 5\.5\.4 /);
  assert.match(await client.ask('MAIL FROM:<a@x.example> REQUIRETLS'), /^250 /);
  await client.ask('RCPT TO:<b@x.example>');
  await client.ask('DATA');
  assert.match(await client.ask('x\r\n.'), /^250 /);
  await client.send('a@x.example', ['b@x.example'], 'x');
  const { messages } = (await (await get(sink, '/messages')).json()) as {
    messages: Array<{ require_tls?: true }>;
  };
  assert.deepEqual(
    // The newest one first.
    messages.map((message) => message.require_tls),
    [undefined, true],
  );
});

test('opportunistic TLS takes mail with and without it', async (t) => {
  const certificate = makeCertificate(scratchDirectory(t));
  const sink = await runSink(t, { tls: 'opportunistic', certificate });
  const clear = await SmtpClient.greeted(sink.smtp.port);
  assert.match((await clear.send('a@x.example', ['b@x.example'], 'x')).at(-1) as string, /^250 /);
  const secured = await SmtpClient.greeted(sink.smtp.port);
  await secured.startTls();
  await secured.ask('EHLO client.example');
  assert.match((await secured.send('a@x.example', ['b@x.example'], 'x')).at(-1) as string, /^250 /);
});

test('EHLO and STARTTLS in one packet get both replies, and then a handshake', async (t) => {
  const certificate = makeCertificate(scratchDirectory(t));
  const sink = await runSink(t, { tls: 'opportunistic', certificate });
  const client = await SmtpClient.connect(sink.smtp.port);
  await client.reply();
  await client.startTls('EHLO client.example\r\n');
  assert.match(await client.ask('EHLO client.example'), /^250-/);
});

test('implicit TLS speaks SMTP inside of TLS only', async (t) => {
  const certificate = makeCertificate(scratchDirectory(t));
  const sink = await runSink(t, { tls: 'implicit', certificate });
  const client = await SmtpClient.connectTls(sink.smtp.port);
  assert.match(await client.reply(), /^220 /);
  assert.doesNotMatch(await client.ask('EHLO client.example'), /STARTTLS/);
  assert.match((await client.send('a@x.example', ['b@x.example'], 'x')).at(-1) as string, /^250 /);
});

test('TLS without a certificate, or with a broken one, is refused at the start', async (t) => {
  await assert.rejects(runSink(t, { tls: 'required' }), { code: 'SINK_SETTINGS_INVALID' });
  const certificate = { cert: 'no', key: 'no' };
  await assert.rejects(runSink(t, { tls: 'required', certificate }), { code: 'SINK_TLS_INVALID' });
});

test('a users file gives names and passwords, with comments left out', async (t) => {
  const file = join(scratchDirectory(t), 'users');
  writeFileSync(file, '# who may\n\napp:pa:ss\r\nother: x \n', { mode: 0o600 });
  const users = await loadUsers(file);
  assert.deepEqual(
    users.map(({ username, password }) => [username, password.reveal()]),
    [
      ['app', 'pa:ss'],
      ['other', ' x '],
    ],
  );
});

test('a users file that others can read, or with broken lines, is refused without being shown', async (t) => {
  const file = join(scratchDirectory(t), 'users');
  writeFileSync(file, 'app:secret\n', { mode: 0o600 });
  chmodSync(file, 0o640);
  await assert.rejects(loadUsers(file), { code: 'SINK_USERS_EXPOSED' });
  chmodSync(file, 0o600);
  for (const [text, where] of [
    ['app:x\nsecret\n', '2:1'],
    [':x\n', '1:1'],
    ['app:\n', '1:5'],
    ['app:x\napp:secret\n', '2:1'],
  ] as const) {
    writeFileSync(file, text);
    await assert.rejects(loadUsers(file), (error: Error & { where?: string }) => {
      assert.equal(error.where, `${file}:${where}`);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
  writeFileSync(file, '# nobody\n');
  await assert.rejects(loadUsers(file), { code: 'SINK_USERS_INVALID' });
  await assert.rejects(loadUsers(`${file}.missing`), { code: 'SINK_USERS_UNREADABLE' });
});
