import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

const CANARY = 'qVxKzPwRtYhBn';
const MODULES = new URL('../../src/base/', import.meta.url).href;

/** The lines that a process of its own logs: what is on fd 1 is what counts. */
function logged(script: string): Array<Record<string, unknown>> {
  const code = `
    const { createLogger } = await import('${MODULES}log.js');
    const { Secret } = await import('${MODULES}secret.js');
    const CANARY = '${CANARY}';
    ${script}`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
  });
  assert.ok(!output.includes(CANARY), output);
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('an event is one JSON line with node, time, level by name and message', () => {
  const [line, ...more] = logged(`createLogger('edge').warn({ code: 'X' }, 'two\\nlines');`);
  assert.deepEqual(more, []);
  const { time, ...rest } = line ?? {};
  assert.deepEqual(rest, { level: 'warn', node: 'edge', code: 'X', message: 'two\nlines' });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('keys that carry credentials are cut off, and a secret prints a mask', () => {
  const lines = logged(`
    const log = createLogger('edge');
    log.info({ password: CANARY, token: CANARY, authorization: CANARY }, 'top');
    log.info({ user: { name: 'app', password: CANARY, token: CANARY } }, 'nested');
    log.info({ headers: { authorization: 'Bearer ' + CANARY } }, 'headers');
    log.info({ login: { name: 'app', value: new Secret(CANARY) } }, 'secret');
    log.error({ err: Object.assign(new Error('refused'), { password: CANARY, token: CANARY }) }, 'error');
    log.info('text of ' + new Secret(CANARY));`);
  assert.equal(lines.length, 6);
  assert.deepEqual(lines[3]?.['login'], { name: 'app', value: '[secret]' });
  assert.equal(lines[5]?.['message'], 'text of [secret]');
});

test('what was logged before the process dies is there', () => {
  const lines = logged(`createLogger('edge').info('last words'); process.exit(0);`);
  assert.equal(lines[0]?.['message'], 'last words');
});

test('events below the level are not written', () => {
  const lines = logged(
    `const log = createLogger('edge', 'warn'); log.info('no'); log.error('yes');`,
  );
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['yes'],
  );
});
