import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CA_PEM } from '../topology/certificate-fixtures.js';
import { loadNode } from './config-files.js';

const RELAY = 'relay-from: 127.0.0.1/32\n';
const BROKER = 'spool-amqp: amqps://a.example, amqps://b.example/mail\nspool-username: core\n';

test('a node without a topology shares the spool of its flat keys', async (t) => {
  const { settings, warnings } = await loadNode(t, {
    config: `${RELAY}${BROKER}spool-password-file: secret\nspool-ca: ca.pem\nspool-max-message-size: 1MiB\nspool-fallback: disk\n`,
    environment: { RELAYMESH_SPOOL_TIER: 'core' },
    argv: { 'spool-prefetch': '5' },
    files: { secret: 'of the broker\n', 'ca.pem': CA_PEM },
  });
  const { broker, ...others } = settings.queue.shared ?? {};
  assert.deepEqual(broker?.addresses, [
    { host: 'a.example', port: 5671, tls: true, vhost: '/' },
    { host: 'b.example', port: 5671, tls: true, vhost: 'mail' },
  ]);
  assert.deepEqual(
    [broker?.username, broker?.password.reveal(), broker?.ca],
    ['core', 'of the broker', CA_PEM],
  );
  assert.deepEqual(others, {
    tier: 'core',
    prefetch: 5,
    maxMessageBytes: 1024 * 1024,
    fallback: 'disk',
    acrossTier: [],
  });
  assert.deepEqual(warnings, []);
});

test('the tier of a node that names none is the node itself', async (t) => {
  const { settings } = await loadNode(t, {
    config: `node-name: solo\n${RELAY}${BROKER}spool-password: secret\n`,
  });
  assert.equal(settings.queue.shared?.tier, 'solo');
  assert.equal(settings.queue.shared?.broker.password.reveal(), 'secret');
});

test('a broker without a login, in clear or with workers is refused', async (t) => {
  await assert.rejects(loadNode(t, { config: RELAY + BROKER }), /no password/);
  const login = 'spool-username: core\nspool-password: secret\n';
  const clear = `${RELAY}spool-amqp: amqp://a.example\n${login}`;
  await assert.rejects(loadNode(t, { config: clear }), /in clear \[plaintext-login\]/);
  await assert.rejects(
    loadNode(t, { config: `${RELAY}${BROKER}spool-password: x\nworkers: 2\n` }),
    /more than one worker/,
  );
});

const MESH = `version: 1
name: mesh
secrets: { rabbit: { env: RABBIT } }
defaults: { spool: { amqp: "amqps://a.example", username: core, password: { secret: rabbit }, tier: core, prefetch: 9 } }
nodes:
  edge:
    listen: [{ port: 2525 }]
    relay-from: [127.0.0.1/32]
    smarthost: "esp.example:25"
`;
const environment = { RABBIT: 'secret' };

test('a broker of a higher level gets no login of the one that it replaces', async (t) => {
  const config = 'spool-amqp: amqps://b.example\n';
  await assert.rejects(
    loadNode(t, { topology: MESH, config, environment }),
    /has no username \[missing-credential\]/,
  );
});

test('the other keys change single members of what the topology says', async (t) => {
  const config = 'spool-prefetch: 3\nspool-tier:\n';
  const { settings } = await loadNode(t, { topology: MESH, config, environment });
  const { tier, prefetch, broker } = settings.queue.shared ?? {};
  assert.deepEqual(
    [tier, prefetch, broker?.username, broker?.password.reveal()],
    ['edge', 3, 'core', 'secret'],
  );
});

test('an empty broker gives the node its disk back', async (t) => {
  const { settings } = await loadNode(t, { topology: MESH, config: 'spool-amqp:\n', environment });
  assert.equal(settings.queue.shared, undefined);
});

test('a key about a broker that there is not is said', async (t) => {
  const { warnings } = await loadNode(t, { config: `${RELAY}spool-prefetch: 3\n` });
  assert.match(warnings.map(({ text }) => text).join('\n'), /spool-prefetch has no effect/);
});
