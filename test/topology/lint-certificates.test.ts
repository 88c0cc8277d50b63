import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Fault } from '../../src/topology/fault.js';
import type { LintOptions } from '../../src/topology/lint.js';
import {
  CA_PEM,
  CORE_KEY_PEM,
  CORE_PEM,
  OTHER_CA_PEM,
  OTHER_KEY_PEM,
} from './certificate-fixtures.js';
import { lint, places, writeTopology } from './topology-files.js';

const FILES = { 'ca.pem': CA_PEM, 'cert.pem': CORE_PEM, 'key.pem': CORE_KEY_PEM };
const NOW = new Date('2030-01-01T00:00:00Z');

const TEXT = `version: 1
name: mesh
secrets: { app: { env: APP }, edge-core: { env: EDGE_CORE } }
tls: { ca: ca.pem, cert: cert.pem, key: key.pem }
nodes:
  edge: { listen: [{ port: 2525 }], users: [{ username: app, password: { secret: app } }], smarthost: core }
  core: { host: core.example.com, listen: [{ port: 2526, host: 0.0.0.0, tls: required }], smarthost: mx.example.com }
links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core } }
`;

function check(
  t: TestContext,
  files: Record<string, string>,
  { text = TEXT, ...options }: LintOptions & { text?: string } = {},
): Fault[] {
  const file = writeTopology(t, text, files);
  return lint(text, { env: { APP: 'a', EDGE_CORE: 'b' }, now: NOW, ...options }, file);
}

test('a certificate that fits its key, its name and its CA is no fault', (t) => {
  assert.deepEqual(check(t, FILES), []);
});

test('a certificate or key that is not there is missing', (t) => {
  assert.deepEqual(places(check(t, { 'ca.pem': CA_PEM })), [
    'missing-certificate@4:26',
    'missing-certificate@4:41',
  ]);
});

test('a file that is not PEM is invalid, and nothing of it is quoted', (t) => {
  const faults = check(t, { ...FILES, 'cert.pem': 'hunter2', 'key.pem': 'hunter2' });
  assert.deepEqual(places(faults), ['invalid-certificate@4:26', 'invalid-certificate@4:41']);
  assert.doesNotMatch(JSON.stringify(faults), /hunter2/);
});

test('a key of another certificate is found', (t) => {
  const faults = check(t, { ...FILES, 'key.pem': OTHER_KEY_PEM });
  assert.deepEqual(places(faults), ['invalid-certificate@4:41']);
});

test('a certificate that is not valid now is found, before and after', (t) => {
  for (const now of ['2020-01-01', '2200-01-01']) {
    assert.deepEqual(places(check(t, FILES, { now: new Date(now) })), [
      'expired-certificate@4:12',
      'expired-certificate@4:26',
    ]);
  }
});

test('a certificate without the name that it is checked for is found', (t) => {
  const text = TEXT.replace('host: core.example.com', 'host: other.example.com');
  const [fault, ...others] = check(t, FILES, { text });
  assert.deepEqual(others, []);
  assert.equal(fault?.ruleId, 'certificate-name');
  assert.equal(fault?.hint, 'it names DNS:core.example.com');
});

test('a certificate that the CA does not vouch for is found', (t) => {
  assert.deepEqual(places(check(t, { ...FILES, 'ca.pem': OTHER_CA_PEM })), [
    'untrusted-certificate@9:5',
  ]);
});

test('a hop that verifies without a CA is found', (t) => {
  const text = TEXT.replace('ca: ca.pem, ', '');
  assert.deepEqual(places(check(t, FILES, { text })), ['missing-ca@9:5']);
});

test('hops of routes, pools and a sink are checked as the smarthost is', (t) => {
  const text = `${TEXT.replace(
    'smarthost: core',
    'smarthost: { pool: [{ to: { hostname: core, tls: verified } }], failover: [mx] }, routes: [{ tag: a, smarthost: { hostname: mx, tls: verified } }], smtp-sink-address: mx, smtp-sink-tls: verified',
  )
    .replace('tls: required }', 'tls: opportunistic }')
    .replace(
      '  - { from: edge, to: core, username: edge, password: { secret: edge-core } }',
      '  []',
    )
    .replace(', edge-core: { env: EDGE_CORE }', '')
    .replace('users:', 'relay-from: [192.0.2.1], users:')
    .replace('core: {', 'core: { relay-from: [127.0.0.1],')
    .replace(
      'host: core.example.com',
      'host: other.example.com',
    )}sinks: { mx: { port: 2527, tls: required } }
`;
  const found = check(t, FILES, { text });
  const line = text.split('\n')[5] ?? '';
  const at = (marker: string, key: string): string =>
    `certificate-name@6:${line.indexOf(key, line.indexOf(marker)) + 1}`;
  assert.deepEqual(places(found), [
    at('pool:', 'to:'),
    at('tag: a', 'smarthost:'),
    at('smtp-sink-address: ', 'mx'),
  ]);
});

test('the certificate of a sink elsewhere is not ours to check', (t) => {
  const text = TEXT.replace(
    'smarthost: core',
    'smarthost: core, smtp-sink-address: sink.example, smtp-sink-tls: verified',
  );
  assert.deepEqual(check(t, FILES, { text }), []);
});

test('nodes with certificates of their own share the CA of the topology', (t) => {
  const text = TEXT.replace(
    'tls: { ca: ca.pem, cert: cert.pem, key: key.pem }',
    'tls: { ca: ca.pem }',
  ).replace(
    'smarthost: mx.example.com',
    'smarthost: mx.example.com, tls: { cert: cert.pem, key: key.pem }',
  );
  assert.deepEqual(check(t, FILES, { text }), []);
});

test('the CA of a node goes before that of the topology', (t) => {
  const text = TEXT.replace('ca: ca.pem', 'ca: other.pem').replace(
    'smarthost: core',
    'smarthost: core, tls: { ca: ca.pem }',
  );
  assert.deepEqual(check(t, { ...FILES, 'other.pem': OTHER_CA_PEM }, { text }), []);
});

test('a node that starts is not held up by files of other machines', (t) => {
  const text = TEXT.replace(
    'tls: { ca: ca.pem, cert: cert.pem, key: key.pem }',
    'tls: { ca: ca.pem }',
  ).replace(
    'smarthost: mx.example.com',
    'smarthost: mx.example.com, tls: { cert: cert.pem, key: key.pem }',
  );
  const files = { 'ca.pem': CA_PEM };
  assert.deepEqual(check(t, files, { text, node: 'edge' }), []);
  assert.equal(check(t, files, { text, node: 'core' }).length, 2);
});
