import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  canMeasureProcesses,
  cpuUsOf,
  parseBusyUs,
  parsePeakBytes,
  parseStat,
  peakBytesOf,
  processTree,
  resetPeaks,
  treeOf,
} from './process-cost.js';

const skip = canMeasureProcesses() ? false : 'there is no /proc here';

test('the name of a process may hold whatever it likes', () => {
  const line = '42 (a) R (b) S 7 42 42 0 -1 4194304 9 0 0 0 100 20 3 4 20 0 1 0 5 6 7';
  assert.deepEqual(parseStat(line), { pid: 42, parent: 7, cpuUs: 1_270_000 });
  assert.equal(parseStat(''), null);
  assert.equal(parseStat('no process'), null);
});

test('a tree has the roots and all below them, each once', () => {
  const stat = (pid: number, parent: number) => ({ pid, parent, cpuUs: pid });
  const all = [stat(4, 3), stat(1, 0), stat(2, 1), stat(3, 2), stat(5, 1)];
  const pids = (roots: number[]): number[] => treeOf(all, roots).map(({ pid }) => pid);
  assert.deepEqual(pids([2]), [2, 3, 4]);
  assert.deepEqual(new Set(pids([2, 3])), new Set([2, 3, 4]));
  assert.equal(pids([2, 3]).length, 3);
  assert.deepEqual(pids([9]), []);
});

test('the peak is what the kernel calls the high-water mark', () => {
  assert.equal(parsePeakBytes('VmPeak:\t 99 kB\nVmHWM:\t   12 kB\nVmRSS:\t 1 kB\n'), 12 * 1024);
  assert.equal(parsePeakBytes('Name:\tkthreadd\n'), 0);
});

test('a machine is busy with all but idling, waiting for disks, and what its host took', () => {
  const stat = 'cpu  1 20 300 4000 50000 6 70 800000 900 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n';
  assert.equal(parseBusyUs(stat), 397 * 10_000);
  assert.equal(parseBusyUs(''), 0);
});

test('the time of a child counts while it runs and after it has ended', { skip }, () => {
  const beforeUs = cpuUsOf([process.pid]);
  const busy = 'const end = Date.now() + 150; while (Date.now() < end);';
  assert.equal(spawnSync(process.execPath, ['-e', busy]).status, 0);
  assert.ok(cpuUsOf([process.pid]) - beforeUs >= 100_000);
});

test('a peak that is reset is that of what follows', { skip }, async (t) => {
  const code = `let held = Buffer.alloc(200e6, 1);
    process.send('held');
    process.once('message', () => { held = null; gc(); process.send('freed'); });`;
  const child = spawn(process.execPath, ['--expose-gc', '-e', code], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
  const pid = child.pid ?? 0;
  assert.ok(processTree([process.pid]).some((one) => one.pid === pid));
  assert.ok(peakBytesOf([pid]) > 200e6);
  child.send('free');
  await once(child, 'message');
  resetPeaks([pid]);
  assert.ok(peakBytesOf([pid]) < 200e6);
});
