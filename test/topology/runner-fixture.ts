import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Runner, type RunnerOptions } from '../../src/topology/runner.js';
import { completeTopology, topologySchema, type Topology } from '../../src/topology/schema.js';
import { processStartTime } from '../../src/topology/runner/process-identity.js';
import { readState, type RunState } from '../../src/topology/state.js';

/*
 * Plays `relaymesh node` and `relaymesh sink`: listens where the allotment says, says `ready`, ends
 * with its parent. What it shall do else stands in `behaviour-<name>.json` beside the topology.
 */
const FAKE_MAIN = `
import { createServer } from 'node:net';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
const args = process.argv.slice(2);
if (args[0] === 'topology') await import('./commands.mjs');
const value = (flag) => args[args.indexOf(flag) + 1];
const name = value('--name');
const here = path.dirname(process.argv[1]);
const file = path.join(here, 'behaviour-' + name + '.json');
const behaviour = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
console.log(JSON.stringify({ started: name, args, token: process.env.RELAYMESH_API_TOKEN ?? null }));
process.on('disconnect', () => setTimeout(() => process.exit(0), behaviour.lingerMs ?? 0));
process.on('SIGTERM', () => { if (!behaviour.deaf) process.exit(0); });
process.on('SIGHUP', () => {
  const now = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  console.log('asked to reload');
  process.send(now.refuse === undefined
    ? { type: 'reloaded', restart: now.restart ?? [] }
    : { type: 'reload-refused', code: 'BAD_FILE', message: now.refuse });
});
setInterval(() => undefined, 1000);
const listen = (host, port) => new Promise((resolve, reject) => {
  const server = createServer((socket) => socket.end());
  server.once('error', reject);
  server.listen(port, host, () => resolve(server.address().port));
});
const fail = (code, message) => process.send({ type: 'failed', code, message, hint: 'mend it' }, () => process.exit(2));
if (behaviour.failed) fail('BAD_THING', 'a bad thing');
else if (behaviour.exit !== undefined) { console.log('last words'); process.exit(behaviour.exit); }
else if (behaviour.portTakenOnce) {
  writeFileSync(file, '{}');
  fail('PORT_IN_USE', 'a port is taken');
} else if (!behaviour.silent) await start().catch((error) => fail(error.code, error.message));
async function start() {
  if (args[0] === 'sink') {
    const host = value('--host');
    const port = await listen(host, Number(value('--port')));
    process.send({ type: 'ready', smtp: { host, port }, api: { host, port: await listen(host, 0) } });
    return;
  }
  const allotment = JSON.parse(readFileSync(path.join(value('--data'), 'allotment.json'), 'utf8'));
  const smtp = [];
  for (const [listener, port] of Object.entries(allotment.listeners[name])) {
    smtp.push({ name: listener, host: '127.0.0.1', port: await listen('127.0.0.1', port), tls: 'none' });
  }
  const api = await listen('127.0.0.1', allotment.apis[name]);
  process.send({ type: 'ready', smtp, api: { host: '127.0.0.1', port: api } });
}
`;

export interface Bench {
  folder: string;
  workdir: string;
  mainJs: string;
  notices: string[];
  runner(document: object, options?: Partial<RunnerOptions>): Runner;
  behave(name: string, behaviour: object): Promise<void>;
  state(): Promise<RunState>;
  /** Runs a `topology` command as a program of its own. */
  command(...args: string[]): ChildProcess;
  release(): Promise<void>;
}

/** A folder with the fake program; `release` stops all runners that were made with it. */
export async function makeBench(): Promise<Bench> {
  const folder = await mkdtemp(path.join(tmpdir(), 'relaymesh runner '));
  const mainJs = path.join(folder, 'main.mjs');
  await writeFile(mainJs, FAKE_MAIN);
  await writeFile(path.join(folder, 'commands.mjs'), commandsModule(mainJs));
  const workdir = path.join(folder, 'run');
  const runners: Runner[] = [];
  const notices: string[] = [];
  return {
    folder,
    workdir,
    mainJs,
    notices,
    runner(document, options = {}) {
      const runner = new Runner({
        topology: topologyOf(document),
        file: path.join(folder, 'mesh.yaml'),
        workdir,
        mainJs,
        environment: { ...process.env, APP_PASSWORD: 'app-password' },
        notice: (text) => notices.push(text),
        ...options,
      });
      runners.push(runner);
      return runner;
    },
    behave: (name, behaviour) =>
      writeFile(path.join(folder, `behaviour-${name}.json`), JSON.stringify(behaviour)),
    async state() {
      const state = await readState(workdir);
      if (state === null) throw new Error('there is no state');
      return state;
    },
    command: (...args) => spawnCommand(folder, args),
    async release() {
      for (const runner of runners) {
        runner.killChildren();
        await runner.stop();
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function topologyOf(document: object): Topology {
  return completeTopology(topologySchema.parse({ version: 1, name: 'mesh', ...document }));
}

/** Two nodes and a sink, every port left to chance, one secret generated and one given. */
export const CHAIN = {
  secrets: { link: { generate: true }, app: { env: 'APP_PASSWORD' }, other: { generate: true } },
  nodes: {
    edge: {
      listen: [
        { name: 'submission', port: 'auto' },
        { name: 'relay', port: 'auto' },
      ],
      api: { port: 'auto' },
      users: [{ username: 'app', password: { secret: 'app' } }],
      smarthost: 'exit',
      'drain-timeout': 1,
    },
    exit: { listen: [{ port: 'auto' }], smarthost: 'mx', 'drain-timeout': 1 },
  },
  links: [
    { from: 'edge', to: 'exit', username: 'edge', password: { secret: 'link' }, tls: 'none' },
  ],
  sinks: { mx: { port: 'auto' } },
};

/** Waits for a condition; fails with its name after `deadlineMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 60_000,
): Promise<void> {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > deadlineMs) throw new Error(`in vain waited for: ${what}`);
    await pause(10);
  }
}

export async function lives(pid: number): Promise<boolean> {
  return (await processStartTime(pid)) !== null;
}

/** Pids of all children that a state names. */
export function pidsOf(state: RunState): number[] {
  const entries = [...Object.values(state.nodes), ...Object.values(state.sinks)];
  return entries.flatMap(({ pid }) => (pid === null ? [] : [pid]));
}

/** The real commands, and the part of `main` that they need. */
function commandsModule(mainJs: string): string {
  const command = (name: string): string =>
    JSON.stringify(new URL(`../../src/cli/topology-${name}.js`, import.meta.url).href);
  return `
import { Command } from ${JSON.stringify(import.meta.resolve('commander'))};
import { topologyUpCommand } from ${command('up')};
import { topologyDownCommand } from ${command('down')};
import { topologyPsCommand } from ${command('ps')};
import { topologyLogsCommand } from ${command('logs')};
let code = 0;
const setExitCode = (value) => { code = value; };
const runUntilStopped = (stop) => new Promise((resolve) => {
  for (const [signal, value] of [['SIGINT', 130], ['SIGTERM', 0]]) {
    process.on(signal, () => stop(signal).then(() => resolve(value)));
  }
});
const program = new Command();
program.command('topology')
  .addCommand(topologyUpCommand(setExitCode, runUntilStopped, ${JSON.stringify(mainJs)}))
  .addCommand(topologyDownCommand(setExitCode))
  .addCommand(topologyPsCommand())
  .addCommand(topologyLogsCommand(setExitCode, runUntilStopped));
await program.parseAsync();
process.exit(code);
`;
}

function spawnCommand(folder: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [path.join(folder, 'main.mjs'), 'topology', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, APP_PASSWORD: 'app-password' },
  });
}

/** Runs the chain in a process of its own, as `topology up` does, that ends at a signal. */
export async function spawnRunner(bench: Bench): Promise<ChildProcess> {
  const script = path.join(bench.folder, 'up.mjs');
  const module = (name: string): string =>
    JSON.stringify(new URL(`../../src/topology/${name}`, import.meta.url).href);
  await writeFile(
    script,
    `import { Runner } from ${module('runner.js')};
     import { completeTopology, topologySchema } from ${module('schema.js')};
     const runner = new Runner({
       topology: completeTopology(topologySchema.parse(${JSON.stringify({ version: 1, name: 'mesh', ...CHAIN })})),
       file: ${JSON.stringify(path.join(bench.folder, 'mesh.yaml'))},
       workdir: ${JSON.stringify(bench.workdir)},
       mainJs: ${JSON.stringify(bench.mainJs)},
       notice: (text) => console.error(text),
     });
     process.on('SIGTERM', () => runner.stop());
     await runner.start();`,
  );
  return spawn(process.execPath, [script], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, APP_PASSWORD: 'app-password' },
  });
}

export async function readJson(file: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
}
