import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServiceManager } from '../../src/cli/service-manager.js';
import { silentLogger } from '../../src/base/log.js';
import { VirtualClock } from '../base/virtual-clock.js';

function bench(env: NodeJS.ProcessEnv, pid = 7) {
  const sent: string[][] = [];
  const notifier = {
    busy: false,
    send: (assignments: readonly string[]) => void sent.push([...assignments]),
    close: () => Promise.resolve(),
  };
  const clock = new VirtualClock();
  const manager = ServiceManager.of(env, { log: silentLogger, clock, pid, notifier });
  return { manager, notifier, clock, sent };
}

const WATCHED = { NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' };

test('a process that is no notifying service notifies nobody', () => {
  assert.equal(bench({}).manager, null);
  assert.equal(bench({ NOTIFY_SOCKET: '' }).manager, null);
});

test('the variables are taken out of the environment, so that no child speaks for the node', () => {
  const env = { ...WATCHED, PATH: '/bin' };
  bench(env);
  assert.deepEqual(env, { PATH: '/bin' });
});

test('ready, reload and stop are said as sd_notify(3) wants them', () => {
  const { manager, sent } = bench({ ...WATCHED });
  const beforeUs = process.hrtime.bigint() / 1000n;
  manager?.ready('takes mail');
  manager?.reloading();
  manager?.ready('reload refused: line 3');
  manager?.stopping();
  const monotonicUs = BigInt(sent[1]?.[1]?.split('=')[1] ?? 0);
  assert.ok(monotonicUs >= beforeUs && monotonicUs <= process.hrtime.bigint() / 1000n);
  assert.deepEqual(sent, [
    ['READY=1', 'STATUS=takes mail'],
    ['RELOADING=1', `MONOTONIC_USEC=${monotonicUs}`, 'STATUS=reads its settings'],
    ['READY=1', 'STATUS=reload refused: line 3'],
    ['STOPPING=1', 'STATUS=ends what is in flight'],
  ]);
});

test('a status is one line: nothing in it can become an assignment', () => {
  const { manager, sent } = bench({ ...WATCHED });
  manager?.ready(`a\nMAINPID=1\tWATCHDOG=trigger\0${'x'.repeat(1000)}`);
  const [, status = ''] = sent[0] ?? [];
  assert.match(status, /^STATUS=a MAINPID=1 WATCHDOG=trigger x+$/);
  assert.ok(status.length < 400);
});

test('the watchdog hears three times in its period while all is well, with the status of then', () => {
  const { manager, clock, sent } = bench({ ...WATCHED });
  let queued = 0;
  manager?.watch(
    () => null,
    () => `${++queued} queued`,
  );
  clock.advance(60_000);
  assert.deepEqual(sent, [
    ['WATCHDOG=1', 'STATUS=1 queued'],
    ['WATCHDOG=1', 'STATUS=2 queued'],
    ['WATCHDOG=1', 'STATUS=3 queued'],
  ]);
});

test('while something is wrong that a new start may mend, the watchdog hears nothing but why', () => {
  const { manager, clock, sent } = bench({ ...WATCHED });
  let trouble: string | null = 'the spool refuses writes';
  manager?.watch(
    () => trouble,
    () => 'well',
  );
  clock.advance(20_000);
  trouble = null;
  clock.advance(20_000);
  assert.deepEqual(sent, [
    ['STATUS=unwell: the spool refuses writes'],
    ['WATCHDOG=1', 'STATUS=well'],
  ]);
});

test('signs of life do not pile up before a helper that hangs, and go on while the node stops', () => {
  const { manager, notifier, clock, sent } = bench({ ...WATCHED });
  manager?.watch(
    () => null,
    () => '',
  );
  notifier.busy = true;
  clock.advance(600_000);
  assert.equal(sent.length, 0);
  notifier.busy = false;
  manager?.stopping();
  clock.advance(20_000);
  assert.equal(sent.at(-1)?.[0], 'WATCHDOG=1');
  void manager?.close();
  assert.equal(clock.timers, 0);
});

test('a watchdog of another process, or of nobody, hears nothing', () => {
  for (const env of [
    { ...WATCHED, WATCHDOG_PID: '8' },
    { NOTIFY_SOCKET: '/run/x' },
    { NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: 'soon' },
  ]) {
    const { manager, clock } = bench(env);
    manager?.watch(
      () => null,
      () => '',
    );
    assert.equal(clock.timers, 0);
  }
});
