import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

const MODULE = new URL('../../src/base/log-lines.js', import.meta.url).href;
const DEADLINE_MS = 20_000;
/** A pipe that was opened as a stream is written to without waiting, as it is in every program. */
const NOT_BLOCKING = 'process.stdout;';

/** What a process of its own runs: `lines` write to its stdout. */
function code(script: string): string[] {
  return [
    '--input-type=module',
    '-e',
    `const { LogLines } = await import('${MODULE}');
     const { readFileSync } = await import('node:fs');
     const turn = () => new Promise((resolve) => setImmediate(resolve));
     const lines = new LogLines(1, (count) => 'lost ' + count + '\\n');
     ${script}`,
  ];
}

/** What is in the file that the process had as stdout. */
function intoFile(script: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'log-lines-'));
  const path = join(folder, 'log');
  const file = openSync(path, 'a');
  try {
    spawnSync(process.execPath, [...code(script), path], {
      stdio: ['ignore', file, 'ignore'],
      timeout: DEADLINE_MS,
    });
    return readFileSync(path, 'utf8');
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
  }
}

/** Its stdout is a pipe that is not read before somebody does. */
function intoPipe(script: string): ChildProcess {
  return spawn(process.execPath, code(script), {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: DEADLINE_MS,
  });
}

test('the lines of a turn are written when it ends', () => {
  const written = intoFile(`
    const size = () => readFileSync(process.argv[1]).length;
    lines.write('one\\n');
    lines.write('two\\n');
    const during = size();
    await turn();
    lines.write('size ' + during + ' and then ' + size() + '\\n');`);
  assert.equal(written, 'one\ntwo\nsize 0 and then 8\n');
});

test('a line that is handed over is written at once, with those before it', () => {
  const written = intoFile(`
    const size = () => readFileSync(process.argv[1]).length;
    lines.write('one\\n');
    lines.handOver();
    lines.write('size ' + size() + '\\n');`);
  assert.equal(written, 'one\nsize 4\n');
});

test('a turn that logs much does not keep it to its end', () => {
  const written = intoFile(`
    for (let number = 0; number < 100; number++) lines.write('x'.repeat(999) + '\\n');
    lines.write('size ' + readFileSync(process.argv[1]).length + '\\n');`);
  const [, size] = /size (\d+)\n$/.exec(written) ?? [];
  assert.ok(Number(size) > 80_000, size);
});

test('a process that is killed has written what its turns before the last had logged', () => {
  const written = intoFile(`
    lines.write('before\\n');
    await turn();
    lines.write('last turn\\n');
    process.kill(process.pid, 'SIGKILL');
    for (;;);`);
  assert.equal(written, 'before\n');
});

for (const [how, end] of [
  ['at its end', ''],
  ['when it is told to exit', 'process.exit(3);'],
  ['at an error that nobody catches', 'throw new Error("nobody catches it");'],
] as const) {
  test(`a process writes all lines ${how}`, async () => {
    const script = `lines.write('one\\n'); await turn(); lines.write('two\\n'); ${end}`;
    assert.equal(intoFile(script), 'one\ntwo\n');
    const child = spawn(process.execPath, code(script), { stdio: ['ignore', 'pipe', 'ignore'] });
    assert.deepEqual((await text(child.stdout)).split('\n').sort(), ['', 'one', 'two']);
  });
}

for (const [kind, prepare] of [
  ['that the system lets wait', ''],
  ['of which the system says that it is full', NOT_BLOCKING],
] as const) {
  test(`a full pipe ${kind} holds nothing up, and all its lines come, in order`, async () => {
    const child = intoPipe(`
    ${prepare}
    const beganMs = performance.now();
    let longestMs = 0;
    for (let number = 0; number < 2000; number++) {
      lines.write(number + ' é' + 'x'.repeat(500) + '\\n');
      if (number % 10 === 0) {
        const startMs = performance.now();
        await turn();
        longestMs = Math.max(longestMs, performance.now() - startMs);
      }
    }
    lines.write('longest turn ' + longestMs + '\\n');
    setTimeout(() => undefined, 3000);`);
    await pause(1000);
    const written = (await text(child.stdout as NodeJS.ReadableStream)).split('\n');
    const [longest = ''] = written.splice(2000, 1);
    assert.deepEqual(
      written.map((line) => line.replace(/ éx{500}$/, '')),
      [...Array.from({ length: 2000 }, (_, number) => String(number)), ''],
    );
    assert.ok(Number(longest.replace('longest turn ', '')) < 500, longest);
  });
}

test('a process whose pipe nobody reads exits all the same', async () => {
  const child = intoPipe(`
    ${NOT_BLOCKING}
    lines.write('x'.repeat(1e6));
    await new Promise((resolve) => setTimeout(resolve, 100));
    lines.write('last words');
    process.exit(7);`);
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  assert.equal(exitCode, 7);
});

test('what nobody takes is kept up to a bound, and what is lost beyond it is counted', async () => {
  const child = intoPipe(`
    for (let number = 0; number < 100_000; number++) {
      lines.write('x'.repeat(499) + '\\n');
      if (number % 1000 === 0) await turn();
    }
    setTimeout(() => undefined, 3000);`);
  await pause(1500);
  const written = (await text(child.stdout as NodeJS.ReadableStream)).trimEnd().split('\n');
  const lost = written.filter((line) => line.startsWith('lost '));
  assert.equal(lost.length, 1);
  assert.equal(written.length - 1 + Number(lost[0]?.slice(5)), 100_000);
  assert.ok(written.length > 60_000 && written.length < 80_000, String(written.length));
});

test('a reader that has gone away is no error', async () => {
  const child = intoPipe(`
    for (let number = 0; number < 50; number++) {
      lines.write('x\\n');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    process.exit(5);`);
  child.stdout?.destroy();
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  assert.equal(exitCode, 5);
});
