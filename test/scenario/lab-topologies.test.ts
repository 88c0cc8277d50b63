import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { withoutBroker } from '../broker.js';
import { relaymesh, scratchFolder } from './programs.js';
import { shippedTopology } from './running-topology.js';

/** All of them together, on a machine that has much else to do. */
const LAB_DEADLINE_MS = 900_000;
const LEAST_FILES = 12;

const folder = path.dirname(shippedTopology('single'));
const tested = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => path.join(folder, name))
  .filter((file) => /^tests:$/m.test(readFileSync(file, 'utf8')));
const withBroker = tested.filter((file) => /^brokers:$/m.test(readFileSync(file, 'utf8')));
const skip = withoutBroker();
const files = tested.filter((file) => skip === false || !withBroker.includes(file));

test('what the tests in the topologies expect comes true', async (t) => {
  assert.ok(files.length >= LEAST_FILES, `${files.length} files have tests`);
  const scratch = await scratchFolder(t);
  // Two labs side by side: one waits for the most part, for processes and for time to pass.
  const halves = [0, 1].map((half) => files.filter((_, index) => index % 2 === half));
  const labs = await Promise.all(
    halves.map(async (half, index) => {
      const junit = path.join(scratch, `${index}.xml`);
      const workdir = path.join(scratch, `${index}`);
      const ended = await relaymesh(
        ['topology', 'test', ...half, '--junit', junit, '--workdir', workdir],
        { cwd: scratch, deadlineMs: LAB_DEADLINE_MS },
      );
      return { ...ended, junit };
    }),
  );
  for (const { stdout } of labs) t.diagnostic(stdout.trimEnd().split('\n').at(-1) ?? '');
  const failed = labs.filter(({ code }) => code !== 0);
  assert.ok(failed.length === 0, failed.map((lab) => `${lab.stdout}${lab.stderr}`).join('\n'));
  const reports = await Promise.all(labs.map(({ junit }) => readFile(junit, 'utf8')));
  const named = files.filter((file) => reports.some((xml) => xml.includes(path.basename(file))));
  assert.deepEqual(named, files);
});

for (const file of skip === false ? [] : withBroker) {
  test(`what the tests in ${path.basename(file)} expect comes true`, { skip });
}
