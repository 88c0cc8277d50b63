import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localize } from '../../src/topology/lab/localize.js';
import { secretsOfNode } from '../../src/topology/runner/generated-secrets.js';
import { compile } from './compiling.js';
import { formFaults, lint, parsed } from './topology-files.js';

/** A node `edge` with these keys. */
function mesh(...keys: string[]): string {
  return `version: 1
name: mesh
secrets: { rabbit: { generate: true } }
nodes:
  edge:
    listen: [{ port: 2525 }]
    relay-from: [127.0.0.1/32]
    smarthost: "esp.example:25"
${keys.map((key) => `    ${key}\n`).join('')}`;
}

const LOGIN = ['rabbitmq-username: me', 'rabbitmq-password: { secret: rabbit }'];
const REMOTE = ['rabbitmq-address: amqps://rabbit.example', ...LOGIN];

function rules(text: string): string[] {
  return lint(text).map(({ ruleId }) => ruleId);
}

test('a node that names no broker has nothing to do with one', () => {
  assert.equal(compile(mesh(), 'edge').rabbitmq, undefined);
});

test('the login is a secret of the node, the CA its own', () => {
  const text = mesh(...REMOTE, 'rabbitmq-ca: ca.pem', 'rabbitmq-inbox: "in"');
  const { broker, inbox } = compile(text, 'edge').rabbitmq ?? {};
  assert.deepEqual([broker?.username, broker?.password.reveal()], ['me', 'value of rabbit']);
  assert.deepEqual([broker?.ca, inbox], ['pem of ca.pem', 'in']);
  assert.deepEqual(secretsOfNode(parsed(text).topology, 'edge'), new Set(['rabbit']));
});

test('what is not in order is said', () => {
  assert.deepEqual(rules(mesh(...REMOTE)), []);
  assert.ok(rules(mesh('rabbitmq-outbox: outbox')).includes('flat-key-conflict'));
  assert.ok(
    rules(mesh('rabbitmq-address: amqps://r.example', LOGIN[0] ?? '')).includes(
      'missing-credential',
    ),
  );
  assert.ok(rules(mesh(...REMOTE, 'rabbitmq-ca: nowhere.pem')).includes('missing-ca'));
  const clear = ['rabbitmq-address: [amqps://a.example, amqp://b.example]', ...LOGIN];
  assert.deepEqual(rules(mesh(...clear)), ['plaintext-login']);
  assert.deepEqual(rules(mesh(...clear, 'allow-insecure-auth: true')), []);
  assert.deepEqual(rules(mesh('rabbitmq-address: amqp://127.0.0.1', ...LOGIN)), []);
});

test('a password in the URL is refused and not quoted', () => {
  const faults = formFaults(mesh('rabbitmq-address: amqp://me:hunter2@127.0.0.1'));
  assert.equal(faults.length, 1);
  assert.ok(!JSON.stringify(faults).includes('hunter2'));
});

test('a test of a topology has nothing to do with its broker', () => {
  const text = `${mesh(...REMOTE, 'rabbitmq-outbox: outbox')}sinks: { esp: { port: auto, stands-for: [esp.example] } }\n`;
  assert.ok(!JSON.stringify(localize(parsed(text))).includes('rabbitmq'));
});
