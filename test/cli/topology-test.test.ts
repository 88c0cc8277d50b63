import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CommanderError } from 'commander';
import { topologyTestCommand } from '../../src/cli/topology-test.js';
import type { RunUntilStopped, StopReason } from '../../src/cli/topology-up.js';
import type { TestJob } from '../../src/topology/lab/lab.js';
import type { TestDocument } from '../../src/topology/lab/report/json.js';
import type { TestResult, Verdict } from '../../src/topology/lab/verdict.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { CORE_KEY_PEM, CORE_PEM, OTHER_CA_PEM } from '../topology/certificate-fixtures.js';
import { MACHINES } from '../topology/topology-files.js';
import { testResult } from '../topology/lab/report/report-samples.js';

const MESH = `version: 1
name: mesh
nodes:
  edge: { listen: [{ port: auto }], relay-from: [127.0.0.1], smarthost: mx }
sinks: { mx: { port: auto } }
`;
const TESTS = `tests:
  - name: all mail arrives
    seed: 5
    steps: [{ send: { via: edge, to: a@x.test } }]
    expect: { delivered: { sink: mx, unique: 1 } }
  - name: Survives a KILL
    steps: [{ send: { via: edge, to: a@x.test } }, { kill: edge }, { start: edge }]
    expect: {}
`;

interface Folder {
  path: (name: string) => string;
}

function folder(t: TestContext, files: Record<string, string>): Folder {
  const at = mkdtempSync(join(tmpdir(), 'relaymesh-cli-test-'));
  t.after(() => rmSync(at, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(at, name), text);
  return { path: (name) => join(at, name) };
}

interface Ran {
  exitCode: number | null;
  stdout: string;
  stderr: string;
  jobs: TestJob[];
}

type Play = (job: TestJob, stop: (reason: StopReason) => void) => Verdict | Partial<TestResult>;

/** Runs the command; `play` stands for the lab. */
async function run(args: string[], at: Folder, play: Play = () => 'PASS'): Promise<Ran> {
  const ran: Ran = { exitCode: null, stdout: '', stderr: '', jobs: [] };
  let stop: (reason: StopReason) => void = () => assert.fail('nothing can be stopped yet');
  const runUntilStopped: RunUntilStopped = (stopRun) =>
    new Promise((resolve) => {
      stop = (reason) => void stopRun(reason).then(() => resolve(reason === 'SIGINT' ? 130 : 0));
    });
  const command = topologyTestCommand((code) => void (ran.exitCode = code), runUntilStopped, {
    runTest: (job) => {
      ran.jobs.push(job);
      const played = play(job, stop);
      const fields = typeof played === 'string' ? { verdict: played } : played;
      const { shownFile: file, test: entry, run: nth, seed } = job;
      return Promise.resolve(testResult({ file, name: entry.name, run: nth, seed, ...fields }));
    },
    output: {
      write: (text) => void (ran.stdout += text),
      notice: (text) => void (ran.stderr += `${text}\n`),
      isTerminal: false,
      color: false,
      size: () => ({ columns: 100, rows: 24 }),
      isClosed: () => false,
    },
    progress: { write: () => undefined },
    environment: {},
    clock: new VirtualClock(),
  });
  command.exitOverride().configureOutput({ writeErr: (text) => void (ran.stderr += text) });
  await command.parseAsync(['--workdir', at.path('runs'), ...args], { from: 'user' });
  return ran;
}

test('all tests of all files run in their order, and 0 says that they passed', async (t) => {
  const at = folder(t, { 'a.yaml': MESH + TESTS, 'b.yaml': MESH + TESTS });
  const { exitCode, stdout, jobs } = await run([at.path('a.yaml'), at.path('b.yaml')], at);
  assert.equal(exitCode, 0);
  assert.deepEqual(
    jobs.map(({ file, test: { name }, seed }) => [file, name, seed]),
    ['a.yaml', 'b.yaml'].flatMap((file) => [
      [at.path(file), 'all mail arrives', 5],
      [at.path(file), 'Survives a KILL', 1],
    ]),
  );
  assert.equal(
    stdout,
    ['a.yaml', 'b.yaml']
      .map((file) => `${at.path(file)}\n✓ all mail arrives (3.21 s)\n✓ Survives a KILL (3.21 s)\n`)
      .join('') + '\n4 passed, 0 failed, 0 inconclusive (2 files, 0.0 ms)\n',
  );
});

test('1 for a failure, 3 for what could not be tested, the failure first', async (t) => {
  const at = folder(t, { 'a.yaml': MESH + TESTS });
  const codes = async (...verdicts: Verdict[]): Promise<number | null> => {
    const left = [...verdicts];
    return (await run([at.path('a.yaml')], at, () => left.shift() ?? 'PASS')).exitCode;
  };
  assert.equal(await codes('PASS', 'FAIL'), 1);
  assert.equal(await codes('INCONCLUSIVE', 'PASS'), 3);
  assert.equal(await codes('INCONCLUSIVE', 'FAIL'), 1);
});

test('--bail ends after the first failure, and not after what could not be tested', async (t) => {
  const at = folder(t, { 'a.yaml': MESH + TESTS });
  const failed = await run([at.path('a.yaml'), '--bail'], at, () => 'FAIL');
  assert.deepEqual([failed.jobs.length, failed.exitCode], [1, 1]);
  const unclear = await run([at.path('a.yaml'), '--bail'], at, () => 'INCONCLUSIVE');
  assert.deepEqual([unclear.jobs.length, unclear.exitCode], [2, 3]);
});

test('--filter takes part of a name in any case; nothing that fits is 2', async (t) => {
  const at = folder(t, { 'a.yaml': MESH + TESTS });
  const some = await run([at.path('a.yaml'), '--filter', 'a kill'], at);
  assert.deepEqual(
    some.jobs.map((job) => job.test.name),
    ['Survives a KILL'],
  );
  const none = await run([at.path('a.yaml'), '--filter', 'nothing'], at);
  assert.equal(none.exitCode, 2);
  assert.match(
    none.stderr,
    /LAB_NOTHING_MATCHES\]\n {2}There are: all mail arrives, Survives a KILL/,
  );
});

test('--repeat runs each test with seeds that follow, in folders of their own', async (t) => {
  const at = folder(t, { 'a.yaml': MESH + TESTS });
  const args = [at.path('a.yaml'), '--filter', 'arrives', '--repeat', '3', '--seed', '4294967294'];
  const { jobs, stdout } = await run(args, at, ({ run: nth }) => (nth === 2 ? 'FAIL' : 'PASS'));
  assert.deepEqual(
    jobs.map((job) => job.seed),
    [4_294_967_294, 4_294_967_295, 0],
  );
  assert.match(stdout, /✗ all mail arrives \[2\/3\]/);
  assert.match(stdout, /all mail arrives: 2 of 3 passed; not with seed 4294967295/);
});

test('each run has an empty folder, which is gone unless something was left in it', async (t) => {
  const at = folder(t, { 'a.yaml': MESH + TESTS });
  const first = await run(
    [at.path('a.yaml'), '--keep', '--filter', 'arrives'],
    at,
    ({ workdir }) => {
      mkdirSync(join(workdir, 'logs'));
      return 'PASS';
    },
  );
  assert.equal(first.jobs[0]?.keep, true);
  assert.equal(first.jobs[0]?.workdir, at.path('runs/mesh-all-mail-arrives'));
  const second = await run([at.path('a.yaml'), '--filter', 'arrives'], at);
  assert.equal(second.jobs[0]?.workdir, at.path('runs/mesh-all-mail-arrives-2'));
  assert.equal(second.jobs[0]?.keep, false);
  assert.equal(existsSync(at.path('runs/mesh-all-mail-arrives-2')), false);
  assert.equal(existsSync(at.path('runs/mesh-all-mail-arrives')), true);
});

test('a faulty file stops everything before it begins, with all its faults', async (t) => {
  const at = folder(t, {
    'a.yaml': MESH + TESTS,
    'b.yaml': MESH + TESTS.replace('kill: edge', 'kill: egde'),
    'c.yaml': `${MESH}test: []\n`,
  });
  const { exitCode, stderr, jobs } = await run(
    ['a.yaml', 'b.yaml', 'c.yaml', 'd.yaml'].map(at.path),
    at,
  );
  assert.equal(exitCode, 2);
  assert.deepEqual(jobs, []);
  assert.match(stderr, /b\.yaml:12:\d+: error: no node or sink is named 'egde' \[unknown-node\]/);
  assert.match(stderr, /c\.yaml:6:1: error: .* \[unknown-key\]/);
  assert.match(stderr, /TOPOLOGY_NOT_FOUND/);
  assert.match(stderr, /\[TOPOLOGY_REFUSED\]/);
});

test('a topology that cannot run here is told before anything begins, and so is a change', async (t) => {
  const outside = `${MESH.replace('smarthost: mx', 'smarthost: mail.far.test')}${TESTS}`;
  const changed = (change: string): string =>
    MESH + TESTS.replace('    seed: 5\n', `    change: ${change}\n`);
  const at = folder(t, {
    'outside.yaml': outside,
    'moved.yaml': changed('{ nodes: { edge: { smarthost: mail.far.test } } }'),
    'broken.yaml': changed('{ nodes: { edge: { smarthost: my } } }'),
    'sound.yaml': changed('{ nodes: { edge: { max-attempts: 2 } } }'),
  });
  const words = async (name: string): Promise<string> => {
    const { exitCode, stderr, jobs } = await run([at.path('sound.yaml'), at.path(name)], at);
    assert.deepEqual([exitCode, jobs], [2, []]);
    assert.match(stderr, /has errors: nothing was started \[TOPOLOGY_REFUSED\]$/m);
    return stderr;
  };
  assert.match(await words('outside.yaml'), /outside\.yaml:4:\d+: .*\[LAB_OUTSIDE\]/);
  assert.match(
    await words('moved.yaml'),
    /moved\.yaml \(changed\):\d+:\d+: .*LAB_OUTSIDE\][^]*This comes of the change of the test 'all mail arrives'\.$/m,
  );
  assert.match(
    await words('broken.yaml'),
    /broken\.yaml:8:5: error: with this change: no node or sink is named 'my' \(unknown-node\) \[unfit-change\]/,
  );
  assert.equal((await run([at.path('sound.yaml')], at)).exitCode, 0);
});

test('a file without tests is 2, and so are bad numbers and no file', async (t) => {
  const at = folder(t, { 'a.yaml': MESH, 'b.yaml': MESH + TESTS });
  const { exitCode, stderr } = await run([at.path('b.yaml'), at.path('a.yaml')], at);
  assert.equal(exitCode, 2);
  assert.match(stderr, /a\.yaml has no tests \[LAB_NO_TESTS\]/);
  for (const args of [['--repeat', '0'], ['--seed', '4294967296'], []]) {
    const files = args.length === 0 ? [] : [at.path('b.yaml')];
    await assert.rejects(run([...files, ...args], at), CommanderError);
  }
});

test('certificates that only the machine of a node has are not asked for', async (t) => {
  const at = folder(t, {
    'a.yaml': (MESH + TESTS)
      .replace('port: auto }], r', 'port: 2525, tls: opportunistic }], r')
      .replace('nodes:', 'tls: { cert: /gone/cert.pem, key: /gone/key.pem }\nnodes:')
      .replace('port: auto', 'port: 2526'),
  });
  const { exitCode, stderr } = await run([at.path('a.yaml')], at);
  assert.equal(exitCode, 0, stderr);
  // nor do those that are here have to fit each other
  const other = folder(t, {
    'b.yaml': `${MACHINES}sinks: { mx: { port: 2527, stands-for: [mx.example.com] } }\n${TESTS}`,
    'ca.pem': OTHER_CA_PEM,
    'cert.pem': CORE_PEM,
    'key.pem': CORE_KEY_PEM,
  });
  const unfit = await run([other.path('b.yaml')], other);
  assert.deepEqual([unfit.exitCode, unfit.stderr], [0, '']);
});

test('--json prints one document and nothing else', async (t) => {
  const at = folder(t, { 'a.yaml': MESH + TESTS });
  const { stdout } = await run([at.path('a.yaml'), '--json'], at, () => ({
    verdict: 'FAIL',
    waterfall: '\u001b[31m',
  }));
  assert.ok(!stdout.includes('\u001b'));
  const document = JSON.parse(stdout) as TestDocument;
  assert.deepEqual([document.version, document.passed, document.failed], [1, 0, 2]);
  assert.deepEqual(
    document.tests.map(({ name }) => name),
    ['all mail arrives', 'Survives a KILL'],
  );
});

test('--junit writes a file, makes its folder, and is 2 when it cannot', async (t) => {
  const at = folder(t, { 'a.yaml': MESH + TESTS });
  const { exitCode } = await run([at.path('a.yaml'), '--junit', at.path('out/x.xml')], at);
  assert.equal(exitCode, 0);
  assert.match(readFileSync(at.path('out/x.xml'), 'utf8'), /<testsuites .* tests="2"/);
  const before = await run([at.path('a.yaml'), '--junit', at.path('a.yaml/x.xml')], at);
  assert.deepEqual([before.exitCode, before.jobs.length], [2, 0]);
  const after = await run([at.path('a.yaml'), '--junit', at.path('out')], at);
  assert.deepEqual([after.exitCode, after.jobs.length], [2, 2]);
  assert.match(after.stdout, /2 passed/);
});

test('Ctrl-C ends the test that runs, shows what is known, and is 130', async (t) => {
  const at = folder(t, { 'a.yaml': MESH + TESTS });
  const { exitCode, stdout, jobs } = await run(
    [at.path('a.yaml'), '--junit', at.path('x.xml')],
    at,
    ({ signal }, stop) => {
      stop('SIGINT');
      assert.equal(signal.aborted, true);
      return { verdict: 'INCONCLUSIVE', reason: 'interrupted' };
    },
  );
  assert.equal(exitCode, 130);
  assert.equal(jobs.length, 1);
  assert.match(stdout, /\? all mail arrives \(3\.21 s, inconclusive\)\n {4}why: interrupted\n/);
  assert.match(stdout, /0 passed, 0 failed, 1 inconclusive \(1 file, 0\.0 ms, interrupted\)/);
  assert.match(readFileSync(at.path('x.xml'), 'utf8'), /<error message="interrupted"/);
});

test('the help has an example', () => {
  const command = topologyTestCommand(
    () => undefined,
    () => new Promise(() => undefined),
  );
  let help = '';
  command.configureOutput({ writeOut: (text) => void (help += text) });
  command.outputHelp();
  assert.match(help, /Examples:\n {2}\$ relaymesh topology test /);
});
