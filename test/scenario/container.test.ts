import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { lastOf, readStages, type Step } from '../deploy/container-steps.js';
import { freePort, run, scratchFolder } from './programs.js';
import { until, within } from './waiting.js';

/*
 * The steps of the Containerfile without a container: in folders that stand for the two images, with
 * the packages that are installed here instead of those that `npm ci` would fetch.
 */

const BUILD_DEADLINE_MS = 180_000;
const PROJECT = process.cwd();
const [build = [], image = []] = readStages();

/** Where a path of an image is on this machine. */
type Place = (file: string) => string;

async function shell(command: string, cwd: string): Promise<string> {
  const ended = await run('/bin/sh', ['-ec', command], { cwd, deadlineMs: BUILD_DEADLINE_MS });
  assert.equal(ended.code, 0, `${command}\n${ended.stdout}\n${ended.stderr}`);
  return ended.stdout;
}

function copy({ values, flags }: Step, workdir: string, buildPlace: Place): void {
  const sources = values.slice(0, -1);
  const target = values.at(-1) ?? '';
  for (const source of sources) {
    const from = flags['from'] === undefined ? path.join(PROJECT, source) : buildPlace(source);
    const to = target.endsWith('/') ? path.join(target, path.basename(source)) : target;
    // What hangs in the air here lies in the same folder there.
    cpSync(from, path.join(workdir, to), { recursive: true, dereference: true });
  }
}

/** The first stage. */
async function runBuild(place: Place): Promise<void> {
  const workdir = place(lastOf(build, 'WORKDIR')?.values[0] ?? '');
  mkdirSync(workdir, { recursive: true });
  for (const step of build) {
    const [command = ''] = step.values;
    if (step.keyword === 'COPY') {
      copy(step, workdir, place);
    } else if (step.keyword === 'RUN' && command.startsWith('npm ci ')) {
      symlinkSync(path.join(PROJECT, 'node_modules'), path.join(workdir, 'node_modules'));
    } else if (step.keyword === 'RUN' && command.startsWith('npm prune ')) {
      await shell('rm node_modules', workdir);
      await copyPackages(workdir);
    } else if (step.keyword === 'RUN') {
      await shell(command, workdir);
    }
  }
}

/** The packages that are needed at run time, and no other. */
async function copyPackages(workdir: string): Promise<void> {
  const list = await shell('npm ls --omit=dev --all --parseable', PROJECT);
  for (const folder of list.split('\n').filter((line) => line.includes('node_modules'))) {
    const inside = path.relative(PROJECT, folder);
    cpSync(folder, path.join(workdir, inside), { recursive: true });
  }
}

/** The second stage; the folders of the system are those of `place`. */
async function runImage(place: Place): Promise<void> {
  const workdir = place(lastOf(image, 'WORKDIR')?.values[0] ?? '');
  mkdirSync(workdir, { recursive: true });
  mkdirSync(place('/usr/local/bin'), { recursive: true });
  for (const step of image) {
    if (step.keyword === 'COPY') {
      copy(step, workdir, place);
    } else if (step.keyword === 'RUN') {
      const [command = ''] = step.values;
      const here = command
        .replaceAll(/ (\/(?:opt|usr|var)\S*)/g, (_, file: string) => ` ${place(file)}`)
        .replace(/-o \d+ -g \d+/, '');
      await shell(here, workdir);
    }
  }
}

/** Every file below a folder with what changes when it is written to. */
function snapshot(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => `${file} ${statSync(path.join(folder, file)).mtimeMs}`)
    .sort();
}

async function built(t: TestContext) {
  const root = await scratchFolder(t);
  const place: Place = (file) => path.join(root, file);
  await runBuild(place);
  await runImage(place);
  return place;
}

test('the image that the Containerfile describes runs a node, and writes only to its volume', async (t) => {
  const place = await built(t);
  const relaymesh = place('/usr/local/bin/relaymesh');
  const data = place(lastOf(image, 'VOLUME')?.values[0] ?? '');
  const [smtpPort, apiPort] = [await freePort(), await freePort()];
  const config = place('/etc-node.conf');
  writeFileSync(config, `smtp-port: ${smtpPort}\napi-port: ${apiPort}\n`);
  const env = {
    PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`,
    NODE_ENV: 'production',
    HEALTHCHECK_URL: `http://127.0.0.1:${apiPort}/livez`,
  };
  const before = snapshot(place('/opt'));
  const child = spawn(relaymesh, ['node', '--config', config, '--data', data], {
    cwd: place('/opt/relaymesh'),
    stdio: ['ignore', 'ignore', 'inherit'],
    env,
  });
  t.after(() => child.kill('SIGKILL'));
  const [program = '', ...args] = lastOf(image, 'HEALTHCHECK')?.values ?? [];
  const health = async () => (await run(program, args, { env })).code;

  await until('the health check', async () => (await health()) === 0);
  const page = await fetch(`http://127.0.0.1:${apiPort}/console/`);
  assert.deepEqual(
    [page.status, page.headers.get('content-type')],
    [200, 'text/html; charset=utf-8'],
  );
  const ended = once(child, 'exit');
  child.kill(lastOf(image, 'STOPSIGNAL')?.values[0] as NodeJS.Signals);
  assert.deepEqual(await within('the end of the node', 20_000, ended), [0, null]);
  assert.equal(await health(), 1);
  assert.deepEqual(snapshot(place('/opt')), before);
  assert.ok(readdirSync(data).length > 0);
});
