import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { Secret } from '../src/base/secret.js';
import { shownSettings } from '../src/node-config.js';
import type { NodeSettings } from '../src/node-settings.js';

const CANARY = 'qVxKzPwRtYhBnLmWdGcJ';

function shown(settings: object): Record<string, unknown> {
  return shownSettings(settings as NodeSettings);
}

test('no secret is shown, in whatever form it is in the settings', () => {
  const text = JSON.stringify(
    shown({
      api: { token: new Secret(CANARY), peers: [{ token: new Secret(CANARY) }] },
      passwords: [new Secret(CANARY)],
      raw: { password: CANARY, passwords: [CANARY], secret: CANARY, key: CANARY, Token: CANARY },
      certificate: { key: `-----BEGIN PRIVATE KEY-----\n${CANARY}` },
      other: [`-----BEGIN EC PRIVATE KEY-----\n${CANARY}`],
      bundle: `-----BEGIN CERTIFICATE-----\nx\n-----BEGIN PRIVATE KEY-----\n${CANARY}`,
      headers: new Map([['authorization', new Secret(CANARY)]]),
      url: `https://user:${CANARY}@collector.example/v1/traces`,
      login: { token: { kind: 'command', argv: ['get-token', `--secret=${CANARY}`] } },
      bytes: Buffer.from(CANARY),
    }),
  );
  assert.doesNotMatch(text, new RegExp(CANARY));
  assert.ok(!text.includes(Buffer.from(CANARY).toString('base64')));
  assert.ok(text.includes('"api":{"token":"[secret]"'), text);
  assert.ok(text.includes('"argv":["get-token","[secret]"]'), text);
  assert.ok(text.includes('https://[secret]@collector.example/v1/traces'), text);
});

test('what JSON has no form for is shown in one that people know', () => {
  const pem = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n';
  assert.deepEqual(
    shown({
      map: new Map<unknown, unknown>([['a', new Set([1, /x+/i])]]),
      none: undefined,
      run: () => undefined,
      endless: Number.POSITIVE_INFINITY,
      null: null,
      flag: true,
      ca: [...rootCertificates, pem + pem],
      argv: 'x',
      token: { kind: 'file', path: '/run/token' },
    }),
    {
      map: { a: [1, '/x+/i'] },
      none: undefined,
      endless: null,
      null: null,
      flag: true,
      ca: [`[the ${rootCertificates.length} roots of Node]`, '[2 certificates]'],
      argv: 'x',
      token: { kind: 'file', path: '/run/token' },
    },
  );
});

test('settings that lead back to themselves have an end', () => {
  const round: Record<string, unknown> = {};
  round['again'] = [round];
  assert.ok(JSON.stringify(shown(round)).length < 10_000);
});
