import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lint, places, soundBut } from './topology-files.js';

test('a private key in place of its file is a secret, and neither it nor a certificate is quoted', () => {
  const pem = (what: string) => `"-----BEGIN ${what}-----\\nhunter2\\n-----END ${what}-----"`;
  const text = soundBut([
    'tls: { ephemeral: true }',
    `tls: { ca: ${pem('CERTIFICATE')}, cert: c.pem, key: ${pem('PRIVATE KEY')} }`,
  ]);
  const faults = lint(text);
  assert.deepEqual(places(faults), [
    'invalid-value@6:12',
    'missing-certificate@6:85',
    'cleartext-secret@6:97',
  ]);
  assert.doesNotMatch(JSON.stringify(faults), /hunter2/);
});

test('an argument of a token program that looks like a secret is a warning', () => {
  const withArgument = (argument: string) =>
    soundBut(
      ['sinks:\n  mx: { port: 2527 }', 'sinks: {}'],
      [
        'smarthost: mx',
        `smarthost: { hostname: h.example, username: u, token: { command: [get, "${argument}"] } }`,
      ],
    );
  for (const argument of [
    '--password=hunter2',
    '--db-password=hunter2',
    '--client-secret=hunter2',
    'Authorization: Bearer hunter2',
    'https://me:hunter2@id.example/token',
  ]) {
    const [fault, ...others] = lint(withArgument(argument));
    assert.deepEqual(others, []);
    assert.equal(fault?.ruleId, 'cleartext-secret', argument);
    assert.equal(fault.severity, 'warning');
    assert.equal(`${fault.line}:${fault.column}`, '16:76');
    assert.doesNotMatch(JSON.stringify(fault), /hunter2/);
  }
  for (const argument of [
    '--password-file=/run/secrets/esp',
    '--password=/run/secrets/esp',
    '--secret=projects/1/secrets/esp',
    'https://id.example/a:b@c',
    '--password',
  ]) {
    assert.deepEqual(lint(withArgument(argument)), [], argument);
  }
});
