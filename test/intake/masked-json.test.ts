import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maskedJson } from '../../src/intake/masked-json.js';

const SECRET = 'hunter2 "and" more';

function masked(value: unknown): string {
  return maskedJson(
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  ).toString();
}

test('the password of a smarthost is masked, all else stays', () => {
  const message = { recipient: 'a@x.test', smarthost: { hostname: 'h', password: SECRET }, n: [1] };
  const smarthost = { hostname: 'h', password: '[secret]' };
  assert.deepEqual(JSON.parse(masked(message)), { ...message, smarthost });
});

test('what holds no password stays as it was, byte for byte', () => {
  const text = '{ "recipient":"a@x.test" ,\n "n": 1.0 }';
  assert.equal(masked(text), text);
});

test('a key that stands twice, or is written in escapes, hides nothing', () => {
  for (const text of [
    `{"smarthost": {"password": "hunter2"}, "smarthost": 1}`,
    `{"smarthost": {"p\\u0061ssword": "hunter2"}, "smarthost": {}}`,
    `{"smarthost": {"p\\u0061ssword": "hunter2"}}`,
  ]) {
    assert.ok(!masked(text).includes('hunter2'), text);
  }
});

test('the field of the header is masked up to the end of its line, folded ones too', () => {
  const mime = 'X-MQ-Smarthost-Password: hunter2\r\n hunter3\r\nSubject: x\r\n\r\nbody\r\n';
  const after = 'X-MQ-Smarthost-Password: [secret]\r\nSubject: x\r\n\r\nbody\r\n';
  assert.deepEqual(JSON.parse(masked({ mime })), { mime: after });
  const inBase64 = { mime: Buffer.from(mime).toString('base64'), 'mime-encoding': 'base64' };
  const { mime: encoded } = JSON.parse(masked(inBase64)) as { mime: string };
  assert.equal(Buffer.from(encoded, 'base64').toString(), after);
});

test('in what is no JSON a password is masked as far as it can be told', () => {
  for (const text of [
    `{"smarthost": {"password": "hunter2"}, `,
    `{"smarthost": {"password" : "hunter\\"2`,
    `{'smarthost': {'password': 'hunter2'}}`,
    `{smarthost: {password: hunter2, hostname: h}}`,
    `{"json": "{\\"password\\": \\"hunter2\\"}"`,
    `{"mime": "x-mq-smarthost-password: hunter2\\r\\n\\thunter2\\r\\nSubject: x"`,
  ]) {
    const after = masked(text);
    assert.ok(!after.includes('hunter'), after);
    assert.ok(after.includes('[secret]'), after);
  }
  assert.equal(masked('{"recipient": "a@x.test"'), '{"recipient": "a@x.test"');
});

test('a large text that is no JSON is masked in little time', () => {
  const started = performance.now();
  masked(`{"password": "${'a'.repeat(4_000_000)}`);
  masked('password '.repeat(400_000));
  masked('x-mq-smarthost-password: '.repeat(100_000));
  assert.ok(performance.now() - started < 5000);
});
