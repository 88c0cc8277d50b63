import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { ClassicLevel } from 'classic-level';
import { codeOf } from '../../src/base/errors.js';
import { LevelStore } from '../../src/queue/store.js';
import { cannotInject, inject } from '../hostile/system-faults.js';
import { missing } from '../scenario/programs.js';

/*
 * What classic-level does that the spool depends on, or makes good: group-commit.test.ts and
 * level-spool.test.ts have our side of it.
 */

const run = promisify(execFile);

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-level-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** In a process of its own, `level` being a store that is open in `folder`. */
async function inProcess(folder: string, code: string): Promise<unknown> {
  const script = `
    import { ClassicLevel } from 'classic-level';
    import { execFileSync } from 'node:child_process';
    import { readdirSync, statSync } from 'node:fs';
    const level = new ClassicLevel(${JSON.stringify(folder)});
    const put = (key, bytes = 10) =>
      level.batch([{ type: 'put', key, value: 'x'.repeat(bytes) }], { sync: true })
        .then(() => 'done', (error) => error.cause?.code ?? error.code);
    const said = await (async () => { ${code} })();
    process.stdout.write(JSON.stringify(said));
  `;
  const args = ['--input-type=module', '--eval', script];
  const { stdout } = await run(process.execPath, args, { cwd: process.cwd(), timeout: 20_000 });
  return JSON.parse(stdout) as unknown;
}

/** Puts, and opens again, as it is told line by line. */
const ASKED = `
  import { ClassicLevel } from 'classic-level';
  import { createInterface } from 'node:readline';
  const level = new ClassicLevel(process.env.FOLDER);
  await level.open();
  const orders = {
    put: () => level.put('a', 'x', { sync: true }),
    reopen: () => level.close().then(() => level.open()),
  };
  for await (const order of createInterface(process.stdin)) {
    console.log(await orders[order]().then(() => 'done', (error) => error.message));
  }
`;

test('one process has a store: another one, or another opening, is refused', async (t) => {
  const folder = await folderFor(t);
  const store = new ClassicLevel(folder);
  await store.open();
  t.after(() => store.close());
  const refused = await inProcess(folder, 'return level.open().catch((e) => e.cause.code)');
  assert.equal(refused, 'LEVEL_LOCKED');
  const again = new ClassicLevel(folder);
  await assert.rejects(again.open(), (error: Error) => codeOf(error.cause) === 'LEVEL_LOCKED');
  await store.close();
  assert.equal(await inProcess(folder, 'await level.open(); return put("a")'), 'done');
});

test(
  'after a write that failed in the middle it says done to the next one, and loses it: so we write nothing until it is opened again',
  { skip: missing('prlimit') },
  async (t) => {
    const said = await inProcess(
      await folderFor(t),
      `
      await level.open();
      const folder = level.location;
      const log = () => readdirSync(folder).filter((name) => name.endsWith('.log'))
        .map((name) => statSync(folder + '/' + name).size).at(-1);
      const allow = (bytes) => execFileSync('prlimit',
        ['--pid', String(process.pid), '--fsize=' + bytes + ':']);
      const before = await put('before');
      allow(log() + 1000);
      const failed = await put('failed', 200_000);
      allow('unlimited');
      const later = await put('later');
      await level.close();
      await level.open();
      const reopened = await put('reopened');
      const kept = await level.keys().all();
      return { before, failed: failed !== 'done', later, reopened, kept };
      `,
    );
    assert.deepEqual(said, {
      before: 'done',
      failed: true,
      later: 'done',
      reopened: 'done',
      kept: ['before', 'reopened'],
    });
  },
);

test(
  'after a sync that failed it refuses every write, until it is opened again',
  { skip: cannotInject() },
  async (t) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', ASKED], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, FOLDER: await folderFor(t) },
    });
    t.after(() => child.kill('SIGKILL'));
    const answers = createInterface(child.stdout)[Symbol.asyncIterator]();
    const ask = async (order: string): Promise<unknown> => {
      child.stdin.write(`${order}\n`);
      return (await answers.next()).value;
    };
    assert.equal(await ask('put'), 'done');
    const heal = await inject(t, child.pid ?? 0, { calls: ['fdatasync', 'fsync'], error: 'EIO' });
    assert.match(String(await ask('put')), /LEVEL_IO_ERROR|Input\/output/);
    await heal();
    assert.notEqual(await ask('put'), 'done');
    assert.notEqual(await ask('put'), 'done');
    assert.equal(await ask('reopen'), 'done');
    assert.equal(await ask('put'), 'done');
  },
);

test('a batch is written whole or not at all, in its order, and syncs what came before it', async (t) => {
  const folder = await folderFor(t);
  const said = await inProcess(
    folder,
    `
    await level.open();
    await level.put('unsynced', 'x');
    await level.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'del', key: 'a' },
      { type: 'put', key: 'a', value: '2' },
    ], { sync: true });
    process.stdout.write(JSON.stringify('killed'));
    await new Promise((resolve) => setImmediate(resolve));
    return process.kill(process.pid, 'SIGKILL');
    `,
  ).catch((error: { stdout?: string }) => JSON.parse(error.stdout ?? 'null') as unknown);
  assert.equal(said, 'killed');
  const store = new ClassicLevel(folder);
  assert.deepEqual(await store.iterator().all(), [
    ['a', '2'],
    ['unsynced', 'x'],
  ]);
  await store.close();
});

test('what a batch ends in takes our operations as they are: keys as strings, values as buffers', async (t) => {
  const store = new LevelStore(await folderFor(t));
  await store.open();
  t.after(() => store.close());
  const value = Buffer.from([0, 0xff, 0x0a, 0x80]);
  await store.batch(
    [
      { type: 'put', key: 'q!ü', value },
      { type: 'put', key: 'gone', value },
      { type: 'del', key: 'gone' },
    ],
    { sync: true },
  );
  assert.deepEqual(await store.get('q!ü'), value);
  assert.equal(await store.get('gone'), undefined);
});

test('a batch for a store that is closed, or closing, is refused, and the process lives', async (t) => {
  const store = new LevelStore(await folderFor(t));
  await store.open();
  const put = (): Promise<void> =>
    store.batch([{ type: 'put', key: 'a', value: Buffer.alloc(1) }], { sync: true });
  const written = put();
  const closing = store.close();
  await assert.rejects(put(), /the store is closing/);
  await written;
  await closing;
  await assert.rejects(put(), /the store is closed/);
});
