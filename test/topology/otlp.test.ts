import assert from 'node:assert/strict';
import { rootCertificates } from 'node:tls';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import { tracesUrl } from '../../src/topology/schema-otlp.js';
import { secretsOfNode } from '../../src/topology/runner/generated-secrets.js';
import type { OtlpSettings } from '../../src/trace/settings.js';
import { compile } from './compiling.js';
import { lint, parsed } from './topology-files.js';

/** A node `edge` with these values of `otlp`, as far as they are given. */
function mesh(own?: string, defaults?: string, secrets = '{ tok: { generate: true } }'): string {
  const keys = own === undefined ? '' : `\n    otlp: ${own}`;
  return `version: 1
name: mesh
secrets: ${secrets}
defaults: ${defaults === undefined ? '{}' : `{ otlp: ${defaults} }`}
nodes:
  edge:
    listen: [{ port: 2525 }]
    relay-from: [127.0.0.1/32]
    smarthost: "esp.example:25"${keys}
  other:
    listen: [{ port: 2526 }]
    relay-from: [127.0.0.1/32]
    smarthost: "esp.example:25"
`;
}

function otlpOf(text: string, node = 'edge'): OtlpSettings | undefined {
  return compile(text, node).trace.otlp;
}

const COLLECTOR = 'http://127.0.0.1:4318';

test('nothing is exported unless a collector is named', () => {
  assert.equal(otlpOf(mesh()), undefined);
  assert.equal(otlpOf(mesh('none', `{ endpoint: "${COLLECTOR}" }`)), undefined);
});

test('the defaults of the topology hold for every node that says nothing itself', () => {
  const text = mesh(`{ endpoint: "http://own.example:4318/x" }`, `{ endpoint: "${COLLECTOR}" }`);
  assert.equal(otlpOf(text)?.endpoint, 'http://own.example:4318/x');
  assert.deepEqual(otlpOf(text, 'other'), {
    endpoint: `${COLLECTOR}/v1/traces`,
    headers: {},
    addresses: 'domain',
    timeoutMs: 10_000,
  });
});

test('headers are secrets, addresses and deadline as said, the CA beside those of Node', () => {
  const settings = otlpOf(
    mesh(
      '{ endpoint: "https://c.example", headers: { authorization: { secret: tok }, x-tenant: mail }, addresses: full, timeout: 3, ca: ca.pem }',
    ),
  );
  const { headers = {}, ...others } = settings ?? {};
  assert.deepEqual(
    Object.entries(headers).map(([name, value]) => [name, value.reveal()]),
    [
      ['authorization', 'value of tok'],
      ['x-tenant', 'mail'],
    ],
  );
  assert.doesNotMatch(JSON.stringify(settings?.headers), /value of tok|mail/);
  assert.deepEqual(others, {
    endpoint: 'https://c.example/v1/traces',
    addresses: 'full',
    timeoutMs: 3000,
    ca: [...rootCertificates, 'pem of ca.pem'],
  });
});

test('a secret that no header can carry is refused, without its value', () => {
  const text = mesh(`{ endpoint: "${COLLECTOR}", headers: { authorization: { secret: tok } } }`);
  assert.throws(
    () => compile(text, 'edge', { resolveSecret: () => new Secret('pass\tword') }),
    (error: { code: string; describe(): string }) => {
      assert.equal(error.code, 'OTLP_HEADER_INVALID');
      assert.match(error.describe(), /^nodes\.edge\.otlp\.headers\.authorization: /);
      assert.doesNotMatch(error.describe(), /pass\tword/);
      return true;
    },
  );
});

test('a bare origin gets the path of the protocol, any other URL stays', () => {
  assert.equal(tracesUrl('http://c.example:4318'), 'http://c.example:4318/v1/traces');
  assert.equal(tracesUrl('https://c.example/'), 'https://c.example/v1/traces');
  assert.equal(tracesUrl('https://c.example/otlp/v1/traces'), 'https://c.example/otlp/v1/traces');
  assert.equal(tracesUrl('https://c.example/?a=b'), 'https://c.example/?a=b');
  for (const wrong of [
    'c.example:4318',
    'ftp://c.example',
    'http://u:p@c.example',
    'http://c.example/#x',
    'http://',
    'http:/c.example',
    'http://a b/',
  ]) {
    assert.equal(tracesUrl(wrong), undefined, wrong);
  }
});

const HEADERS = (text: string): string =>
  mesh(`{ endpoint: "http://c.example:4318", headers: { ${text} } }`);
const FAULTS: [string, string, RegExp][] = [
  ['what opens something in clear', HEADERS('x-api-key: abc'), /\[cleartext-secret\]/],
  [
    'a secret that goes over a network in clear',
    HEADERS('authorization: { secret: tok }'),
    /c\.example in clear \[plaintext-login\]/,
  ],
  ['a secret that is not declared', HEADERS('a: { secret: tik }'), /\[unknown-secret\]\s+.*tok/],
  [
    'a CA that is not there',
    mesh('{ endpoint: "https://c.example", ca: none.pem }'),
    /none\.pem.*\[missing-ca\]/,
  ],
];
for (const [what, text, expected] of FAULTS) {
  test(`${what}: found`, () => {
    const faults = lint(text).map(({ message, ruleId, hint }) => `${message} [${ruleId}] ${hint}`);
    assert.match(faults.join('\n'), expected);
  });
}

test('a secret for a collector on this machine is in order, and is used', () => {
  const text = mesh(`{ endpoint: "${COLLECTOR}", headers: { authorization: { secret: tok } } }`);
  const rules = lint(text).map(({ ruleId }) => ruleId);
  assert.deepEqual(
    rules.filter((rule) => /secret|login/.test(rule)),
    [],
  );
});

test('a generated secret of a header is given to the nodes that send it', () => {
  const entry = `{ endpoint: "${COLLECTOR}", headers: { authorization: { secret: tok } } }`;
  const { topology } = parsed(mesh('none', entry));
  assert.ok(!secretsOfNode(topology, 'edge').has('tok'));
  assert.ok(secretsOfNode(topology, 'other').has('tok'));
});
