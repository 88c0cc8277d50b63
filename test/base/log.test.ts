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

test('so they are in whatever form they come', () => {
  const lines = logged(`
    const log = createLogger('edge');
    class Login { name = 'app'; password = CANARY; }
    log.info(new Login(), 'instance');
    log.info(Object.assign(Object.create(null), { token: CANARY }), 'without prototype');
    log.info(Object.assign(Object.create({ password: CANARY }), { name: 'app' }), 'inherited');
    log.info(Object.assign(new Error('refused'), { authorization: CANARY }));
    log.info({ logins: { password: CANARY }, name: 'app' }, 'nested beside plain values');
    log.info({ name: 'app', count: 1, none: null, absent: undefined, yes: true }, 'plain');
    log.info('login %o', { password: CANARY });
    log.info({ name: 'app' }, 'login %o', { password: CANARY });`);
  assert.equal(lines.length, 8);
  const { level, node, time, ...plain } = lines[5] ?? {};
  assert.deepEqual([level, node, typeof time], ['info', 'edge', 'string']);
  assert.deepEqual(plain, { name: 'app', count: 1, none: null, yes: true, message: 'plain' });
});

test('the lines of all loggers of a process come in their order', () => {
  const lines = logged(`
    createLogger('one').info('1'); createLogger('two').info('2');
    createLogger('one').error('3'); createLogger('two').info('4');`);
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['1', '2', '3', '4'],
  );
});

test('an error is written at once', () => {
  const lines = logged(`
    const { closeSync, openSync, readFileSync, rmSync } = await import('node:fs');
    const path = '/tmp/relaymesh-log-' + process.pid;
    const log = createLogger('edge');
    const { execFileSync } = await import('node:child_process');
    const child = "const { createLogger } = await import('${MODULES}log.js');"
      + "createLogger('edge').error('why'); process.kill(process.pid, 'SIGKILL'); for (;;);";
    const file = openSync(path, 'a');
    try {
      execFileSync(process.execPath, ['--input-type=module', '-e', child], { stdio: ['ignore', file, 'ignore'] });
    } catch {}
    closeSync(file);
    log.info(JSON.parse(readFileSync(path, 'utf8')).message);
    rmSync(path);`);
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['why'],
  );
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
