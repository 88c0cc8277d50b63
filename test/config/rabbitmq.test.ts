import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadNode } from './config-files.js';

const RELAY = 'relay-from: 127.0.0.1/32\nsmarthost: esp.example\n';

const MESH = `version: 1
name: mesh
secrets: { rabbit: { env: RABBIT } }
nodes:
  edge:
    listen: [{ port: 2525 }]
    relay-from: [127.0.0.1/32]
    smarthost: "esp.example:25"
    rabbitmq-address: amqps://a.example
    rabbitmq-username: one
    rabbitmq-password: { secret: rabbit }
    rabbitmq-outbox: outbox
`;
const environment = { RABBIT: 'password at a' };

test('a node without a topology has the queues of its flat keys', async (t) => {
  const { settings, warnings, folder } = await loadNode(t, {
    config: `${RELAY}rabbitmq-address: amqps://a.example/mail, amqp://127.0.0.1:5673
rabbitmq-username: me
rabbitmq-password-file: password
rabbitmq-outbox: outbox
rabbitmq-success: good
rabbitmq-prefetch: 7
`,
    files: { password: 'from a file\n' },
  });
  const { broker, ...others } = settings.rabbitmq ?? {};
  assert.deepEqual(broker?.addresses, [
    { host: 'a.example', port: 5671, tls: true, vhost: 'mail' },
    { host: '127.0.0.1', port: 5673, tls: false, vhost: '/' },
  ]);
  assert.deepEqual([broker?.username, broker?.password.reveal()], ['me', 'from a file']);
  assert.deepEqual(others, {
    outbox: 'outbox',
    takesOutbox: true,
    deadLetters: 'outbox.dead',
    prefetch: 7,
    inbox: null,
    results: { all: null, success: 'good', failure: null, retry: null, dsn: null },
    resultsDirectory: join(folder, 'data', 'results'),
    maxResultBytes: 1024 ** 3,
  });
  assert.deepEqual(warnings, []);
});

test('an address of a higher level does not get the login that it replaces', async (t) => {
  const { settings } = await loadNode(t, {
    topology: MESH,
    config: 'rabbitmq-address: amqps://b.example\n',
    environment,
  });
  const { broker, outbox } = settings.rabbitmq ?? {};
  assert.equal(broker?.addresses[0]?.host, 'b.example');
  assert.deepEqual([broker?.username, broker?.password.reveal()], ['guest', 'guest']);
  assert.equal(outbox, 'outbox');
});

test('the other keys change single members, and an empty address takes all away', async (t) => {
  const { settings } = await loadNode(t, {
    topology: MESH,
    config: 'rabbitmq-outbox:\nrabbitmq-results: told\n',
    environment: { ...environment, RELAYMESH_RABBITMQ_PASSWORD: 'another' },
  });
  const { broker, outbox, deadLetters, results } = settings.rabbitmq ?? {};
  assert.deepEqual([broker?.username, broker?.password.reveal()], ['one', 'another']);
  assert.deepEqual([outbox, deadLetters, results?.all], [null, null, 'told']);
  const without = await loadNode(t, {
    topology: MESH,
    config: 'rabbitmq-address:\n',
    environment,
  });
  assert.equal(without.settings.rabbitmq, undefined);
});

test('a login in the URL is refused, and not shown', async (t) => {
  await assert.rejects(
    loadNode(t, { config: `${RELAY}rabbitmq-address: amqp://me:hunter2@localhost\n` }),
    (error: Error) => /without a login/.test(error.message) && !error.message.includes('hunter2'),
  );
});
