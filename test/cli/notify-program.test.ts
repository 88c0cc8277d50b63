import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { NotifyProgram } from '../../src/cli/notify-program.js';
import { systemClock } from '../../src/base/clock.js';
import { capturedLog } from '../base/captured-log.js';
import { missing } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { receiveNotifications } from './notify-receiver.js';

const skip = missing('python3', 'ps', 'systemd-notify');
const { PATH = '/usr/bin:/bin' } = process.env;

/** Processes that this one has started, of a name. */
function childrenNamed(name: string): number[] {
  const list = execFileSync('ps', ['-o', 'pid=,comm=', '--ppid', String(process.pid)], {
    encoding: 'utf8',
  });
  return list
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, comm]) => comm === name)
    .map(([pid]) => Number(pid));
}

test('notifications come whole and in order, whatever stands in them', { skip }, async (t) => {
  const receiver = await receiveNotifications(t);
  const captured = capturedLog();
  const env = { PATH, NOTIFY_SOCKET: receiver.socket };
  const program = new NotifyProgram(env, captured.log, systemClock);
  const statuses = ['plain', '$(id) `id` "q" \'q\' \\ * ~ ;', '-x --help', ' spaces  ', 'ä 邮件'];
  for (const status of statuses) {
    program.send(['WATCHDOG=1', `STATUS=${status}`]);
  }
  program.send(['STOPPING=1']);
  await program.close();
  await receiver.next('STOPPING=1');
  assert.deepEqual(
    receiver.heard.map((one) => one['STATUS']),
    [...statuses, undefined],
  );
  assert.deepEqual(captured.codes, []);
});

test(
  'the helper outlives what systemd sends to all of a service, and ends with the node',
  { skip },
  async (t) => {
    const receiver = await receiveNotifications(t);
    const { log } = capturedLog();
    const before = childrenNamed('sh');
    const program = new NotifyProgram({ PATH, NOTIFY_SOCKET: receiver.socket }, log, systemClock);
    program.send(['READY=1']);
    await receiver.next('READY=1');
    const [shell = 0] = childrenNamed('sh').filter((pid) => !before.includes(pid));
    process.kill(shell, 'SIGTERM');
    process.kill(shell, 'SIGHUP');
    program.send(['STOPPING=1']);
    await receiver.next('STOPPING=1');
    await program.close();
    assert.ok(!childrenNamed('sh').includes(shell));
  },
);

test('a helper that was killed is started again', { skip }, async (t) => {
  const receiver = await receiveNotifications(t);
  const { log } = capturedLog();
  const before = childrenNamed('sh');
  const program = new NotifyProgram({ PATH, NOTIFY_SOCKET: receiver.socket }, log, systemClock);
  t.after(() => program.close());
  program.send(['READY=1']);
  await receiver.next('READY=1');
  const [shell = 0] = childrenNamed('sh').filter((pid) => !before.includes(pid));
  process.kill(shell, 'SIGKILL');
  await until('its end', () => !childrenNamed('sh').includes(shell));
  await until('a sign of life', () => {
    program.send(['WATCHDOG=1']);
    return receiver.heard.some((one) => one['WATCHDOG'] === '1');
  });
});

test('what cannot be told is logged once', { skip: missing('systemd-notify') }, async () => {
  const captured = capturedLog();
  const env = { PATH, NOTIFY_SOCKET: '/nowhere/notify.sock' };
  const program = new NotifyProgram(env, captured.log, systemClock);
  program.send(['READY=1']);
  program.send(['WATCHDOG=1']);
  await program.close();
  assert.deepEqual(captured.codes, ['NOTIFY_FAILED']);
  assert.match(String(captured.lines[0]?.['message']), /^systemd was not told: .+/);
});
