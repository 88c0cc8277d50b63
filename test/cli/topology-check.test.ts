import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { topologyCheckCommand } from '../../src/cli/topology-check.js';
import type { HopCheckReport } from '../../src/topology/hop-check/check-hops.js';
import { runScriptedServer } from '../send/scripted-server.js';
import { writeTopology } from '../topology/topology-files.js';

interface Ran {
  stdout: string;
  stderr: string;
  exitCode: number | null;
}

async function run(args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const ran: Ran = { stdout: '', stderr: '', exitCode: null };
  const output = {
    write: (text: string) => void (ran.stdout += text),
    notice: (text: string) => void (ran.stderr += `${text}\n`),
    isTerminal: false,
    size: () => ({ columns: 100, rows: 24 }),
  };
  const command = topologyCheckCommand((code) => void (ran.exitCode = code), output, env);
  await command.exitOverride().parseAsync(args, { from: 'user' });
  return ran;
}

/** One node that logs in at a host outside, with a password from the environment. */
async function oneHop(t: TestContext, reply = '235 2.7.0 welcome'): Promise<string> {
  const server = await runScriptedServer(t, {
    offers: ['AUTH PLAIN', 'SIZE 2000000'],
    on: { AUTH: reply },
  });
  return writeTopology(
    t,
    `version: 1
name: one
secrets: { esp: { env: ESP_PASSWORD } }
nodes:
  edge:
    listen: [{ port: 2601 }]
    relay-from: [127.0.0.1/32]
    routes: [{ tag: x, mx: true }]
    smarthost: { hostname: 127.0.0.1, port: ${server.port}, username: app, password: { secret: esp }, tls: none }
`,
  );
}

test('exit code 0 when all is well, and what is not looked at is said', async (t) => {
  const ran = await run([await oneHop(t)], { ESP_PASSWORD: 'x' });
  assert.equal(ran.exitCode, 0, ran.stdout + ran.stderr);
  assert.match(
    ran.stdout,
    /edge +127\.0\.0\.1:\d+ +127\.0\.0\.1:\d+ +none \(none\) +app PLAIN +2\.0 MB +no +\d+ +ok/,
  );
  assert.match(ran.stderr, /edge delivers by MX.*not checked/);
  assert.match(ran.stderr, /1 next hops: 1 ok, 0 failed, 0 untested/);
});

test('exit code 1 when a hop refuses, with its words as one line that steers no terminal', async (t) => {
  const file = await oneHop(t, '535-5.7.8 go\u001b[2J away\n535 5.7.8 now');
  const ran = await run([file], { ESP_PASSWORD: 'open-sesame' });
  assert.equal(ran.exitCode, 1);
  assert.match(
    ran.stdout,
    /edge -> 127\.0\.0\.1:\d+: auth: 535 5\.7\.8 go.*away now; compare user 'app'/,
  );
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(ran.stdout, /\u001b/);
  assert.ok(!(ran.stdout + ran.stderr).includes('open-sesame'));
});

test('exit code 3 when a secret is not on this machine: nothing is connected to', async (t) => {
  const ran = await run([await oneHop(t), '--json']);
  assert.equal(ran.exitCode, 3);
  const { checks, by_mx } = JSON.parse(ran.stdout) as HopCheckReport;
  assert.equal(checks[0]?.result, 'untested');
  assert.equal(checks[0].fault?.error_code, 'SECRET_NOT_SET');
  assert.match(checks[0].fault.hint ?? '', /ESP_PASSWORD/);
  assert.deepEqual(by_mx, ['edge']);
});

test('a topology that leaves its ports to a run is not tested without one, and told to run', async (t) => {
  const file = writeTopology(
    t,
    `version: 1
name: not-running
nodes:
  edge: { listen: [{ port: auto }], relay-from: [127.0.0.1/32], smarthost: mx }
sinks: { mx: { port: auto } }
`,
  );
  const ran = await run([file]);
  assert.equal(ran.exitCode, 3);
  assert.match(
    ran.stdout,
    /edge -> mx: untested: .*\[PORT_NOT_ALLOTTED\]; .*`relaymesh topology up`/,
  );
});

test('exit code 2 for a file with faults, and for a node that it does not have', async (t) => {
  const faulty = writeTopology(t, 'version: 1\nname: x\nnodes: { edge: { smarthost: exot } }\n');
  const ran = await run([faulty]);
  assert.equal(ran.exitCode, 2);
  assert.match(ran.stderr, /missing-key/);
  const unknown = await run([await oneHop(t), '--node', 'egde'], { ESP_PASSWORD: 'x' });
  assert.equal(unknown.exitCode, 2);
  assert.match(unknown.stderr, /no node 'egde'\n.*edge/);
  const missing = await run(['/no/such/file.yaml']);
  assert.equal(missing.exitCode, 2);
  assert.match(missing.stderr, /TOPOLOGY_NOT_FOUND/);
});

test('the help has examples and says what the exit codes mean', () => {
  let help = '';
  const command = topologyCheckCommand(() => undefined);
  command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
  assert.match(help, /Examples:\n {2}\$ relaymesh topology check /);
  assert.match(help, /Exit code: 0 .* 3 /);
});
