import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { receiveNotifications, type NotifyReceiver } from '../cli/notify-receiver.js';
import {
  cleanEnvironment,
  endChild,
  freePort,
  MAIN_JS,
  missing,
  scratchFolder,
} from './programs.js';
import { within } from './waiting.js';

const skip = missing('python3', 'systemd-notify');
const WATCHDOG_USEC = '300000';

/** A node as systemd starts it: with a socket to notify, without a parent of ours. */
async function startService(t: TestContext, receiver: NotifyReceiver) {
  const folder = await scratchFolder(t);
  const config = path.join(folder, 'node.conf');
  const settings = [
    'node-name: served',
    `smtp-port: ${await freePort()}`,
    `api-port: ${await freePort()}`,
    `data: ${path.join(folder, 'data')}`,
  ];
  await writeFile(config, `${settings.join('\n')}\n`);
  const child = spawn(process.execPath, [MAIN_JS, 'node', '--config', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: cleanEnvironment({ NOTIFY_SOCKET: receiver.socket, WATCHDOG_USEC }),
  });
  t.after(() => endChild(child, 10_000));
  return { child, config, settings };
}

test('systemd hears of start, life, reload and stop of a node', { skip }, async (t) => {
  const receiver = await receiveNotifications(t);
  const { child, config, settings } = await startService(t, receiver);

  await t.test('ready once it takes mail, then signs of life', async () => {
    const first = await receiver.next('READY=1');
    assert.equal(receiver.heard[0], first);
    assert.match(first['STATUS'] ?? '', /^takes mail; messages: 0 queued, 0 in quarantine/);
    const sign = await receiver.next('WATCHDOG=1');
    assert.match(sign['STATUS'] ?? '', /^takes mail/);
  });

  await t.test('a reload has a beginning, with its time, and an end', async () => {
    const from = receiver.heard.length;
    const beforeUs = process.hrtime.bigint() / 1000n;
    child.kill('SIGHUP');
    const reloading = await receiver.next('RELOADING=1', from);
    assert.ok(BigInt(reloading['MONOTONIC_USEC'] ?? 0) >= beforeUs);
    const done = await receiver.next('READY=1', from);
    assert.match(done['STATUS'] ?? '', /^takes mail/);
  });

  await t.test('a reload that is refused ends too, and says why', async () => {
    await writeFile(config, `${settings.join('\n')}\nno-such-key: 1\n`);
    const from = receiver.heard.length;
    child.kill('SIGHUP');
    await receiver.next('RELOADING=1', from);
    const done = await receiver.next('READY=1', from);
    assert.match(done['STATUS'] ?? '', /^reload refused: .*no-such-key/);
  });

  await t.test('a stop is said before the end, and leaves nothing behind', async () => {
    const from = receiver.heard.length;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const [code] = (await within('the end of the node', 10_000, ended)) as [number | null];
    assert.equal(code, 0);
    await receiver.next('STOPPING=1', from);
  });
});

test('a node whose event loop hangs gives no sign of life', { skip }, async (t) => {
  const receiver = await receiveNotifications(t);
  const { child } = await startService(t, receiver);
  await receiver.next('WATCHDOG=1');
  child.kill('SIGSTOP');
  // One may be on its way; from then on none comes in many times of the watchdog.
  const silence = async (): Promise<number> => {
    const before = receiver.heard.length;
    await new Promise((resolve) => setTimeout(resolve, Number(WATCHDOG_USEC) / 500));
    return receiver.heard.length - before;
  };
  await silence();
  assert.equal(await silence(), 0);
  child.kill('SIGCONT');
  await receiver.next('WATCHDOG=1', receiver.heard.length);
});
