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

test('a hash suits who checks logins, and warns where a login needs the password; nothing of it is quoted', () => {
  const hash = `$scrypt$ln=15,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
  const text = soundBut(
    ['app: { generate: true }', 'app: { env: HASH }'],
    ['edge-core: { generate: true }', 'edge-core: { env: HASH }'],
  );
  const faults = lint(text, { env: { HASH: hash } });
  assert.deepEqual(places(faults), ['unfit-hash@18:65']);
  assert.equal(faults[0]?.severity, 'warning');
  const weak = lint(text, { env: { HASH: hash.replace('15', '13') } });
  assert.deepEqual(places(weak), ['weak-hash@4:3', 'weak-hash@5:3', 'unfit-hash@18:65']);
  const foreign = lint(text, { env: { HASH: '$2b$12$R9h/cIPz0gi.URNNX3kh2O' } });
  assert.deepEqual(places(foreign), ['weak-hash@4:3', 'weak-hash@5:3']);
  const broken = lint(text, { env: { HASH: '$scrypt$ln=40,r=8,p=1$AAAA$AAAA' } });
  assert.deepEqual(places(broken), ['unfit-hash@4:3', 'unfit-hash@5:3']);
  for (const found of [faults, weak, foreign, broken]) {
    assert.doesNotMatch(JSON.stringify(found), /AAAA|R9h/);
  }
});
