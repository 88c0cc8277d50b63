import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseHeaders } from '../../src/config/headers-file.js';
import { loadNode } from './config-files.js';

const ENDPOINT = 'otlp-endpoint: http://127.0.0.1:4318\n';

test('a node without a topology exports to the collector of its flat keys', async (t) => {
  const { settings, warnings } = await loadNode(t, {
    config: `relay-from: 127.0.0.1/32\n${ENDPOINT}otlp-headers-file: headers\n`,
    environment: { RELAYMESH_OTLP_TIMEOUT: '3' },
    argv: { 'otlp-addresses': 'full' },
    files: { headers: '# of the collector\nAuthorization: Bearer abc\nx-tenant:mail\n' },
  });
  const { headers = {}, ...others } = settings.trace.otlp ?? {};
  assert.deepEqual(others, {
    endpoint: 'http://127.0.0.1:4318/v1/traces',
    addresses: 'full',
    timeoutMs: 3000,
  });
  assert.deepEqual(
    Object.entries(headers).map(([name, value]) => [name, value.reveal()]),
    [
      ['authorization', 'Bearer abc'],
      ['x-tenant', 'mail'],
    ],
  );
  assert.deepEqual(warnings, []);
});

const MESH = `version: 1
name: mesh
secrets: { tok: { env: TOK } }
defaults: { otlp: { endpoint: "http://127.0.0.1:1", headers: { authorization: { secret: tok } }, timeout: 7 } }
nodes:
  edge:
    listen: [{ port: 2525 }]
    relay-from: [127.0.0.1/32]
    smarthost: "esp.example:25"
`;
const environment = { TOK: 'token' };

test('an endpoint of a higher level has no header of the one that it replaces', async (t) => {
  const { settings } = await loadNode(t, { topology: MESH, config: ENDPOINT, environment });
  assert.deepEqual(settings.trace.otlp?.headers, {});
  assert.equal(settings.trace.otlp?.endpoint, 'http://127.0.0.1:4318/v1/traces');
});

test('the other keys change single members of what the topology says', async (t) => {
  const { settings } = await loadNode(t, {
    topology: MESH,
    config: 'otlp-addresses: full\n',
    environment,
  });
  const { endpoint, headers, addresses, timeoutMs } = settings.trace.otlp ?? {};
  assert.deepEqual(
    [endpoint, headers?.['authorization']?.reveal(), addresses, timeoutMs],
    ['http://127.0.0.1:1/v1/traces', 'token', 'full', 7000],
  );
});

test('an empty endpoint switches the export off', async (t) => {
  const { settings } = await loadNode(t, {
    topology: MESH,
    config: 'otlp-endpoint:\n',
    environment,
  });
  assert.equal(settings.trace.otlp, undefined);
});

test('a key about an endpoint that there is not is said', async (t) => {
  const { settings, warnings } = await loadNode(t, {
    config: 'relay-from: 127.0.0.1/32\notlp-timeout: 3\n',
  });
  assert.equal(settings.trace.otlp, undefined);
  assert.match(warnings.map(({ text }) => text).join('\n'), /otlp-timeout has no effect/);
});

test('a CA is read from its file', async (t) => {
  const given = { config: `relay-from: 127.0.0.1/32\n${ENDPOINT}otlp-ca: ca.pem\n` };
  await assert.rejects(loadNode(t, given), /ca\.pem/);
});

test('what is no URL, or has a login, is refused and a login not repeated', async (t) => {
  for (const [endpoint, shown] of [
    ['127.0.0.1:4318', /otlp-endpoint must be an http or https URL/],
    ['http://u:pw@127.0.0.1', /without a login/],
  ] as const) {
    await assert.rejects(
      loadNode(t, { config: `otlp-endpoint: ${endpoint}\n` }),
      (error: Error & { describe(): string }) => {
        assert.match(error.describe(), shown);
        assert.doesNotMatch(error.describe(), /u:pw/);
        return true;
      },
    );
  }
});

test('faults of a headers file are told by their lines, and nothing of it is quoted', () => {
  const lines = ['no colon', ': x', 'host: x', 'a b: x', 'ok: fine', 'OK: again', 'x: ü-secret'];
  const { headers, faults } = parseHeaders('h', lines.join('\r\n'));
  assert.deepEqual(
    headers.map(({ name }) => name),
    ['ok'],
  );
  assert.deepEqual(
    faults.map(({ where, message }) => [where, message]),
    [
      ['h:1:1', 'this is not a line of the form `name: value`'],
      ['h:2:1', 'this is not a line of the form `name: value`'],
      ['h:3:1', 'this is not the name of a header that can be set'],
      ['h:4:1', 'this is not the name of a header that can be set'],
      ['h:6:1', 'this header stands twice'],
      ['h:7:1', 'a value is 1 to 4096 printable ASCII characters'],
    ],
  );
  const many = Array.from({ length: 30 }, (_, index) => `h${index}: x`);
  const read = parseHeaders('h', many.join('\n'));
  assert.deepEqual([read.headers.length, read.faults.length], [20, 10]);
});

test('the path of a headers file is relative to the config file', async (t) => {
  const { config, folder } = await loadNode(t, {
    config: `relay-from: 127.0.0.1/32\n${ENDPOINT}otlp-headers-file: h\n`,
    files: { h: 'a: b' },
  });
  assert.equal(config.value('otlp-headers-file'), join(folder, 'h'));
});
