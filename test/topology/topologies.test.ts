import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { topologySchemaCommand } from '../../src/cli/topology-schema.js';
import { topologyValidateCommand } from '../../src/cli/topology-validate.js';
import { Secret } from '../../src/base/secret.js';
import type { RouteTable } from '../../src/route/table.js';
import type { NextHop } from '../../src/send/next-hop.js';
import { checkTopology } from '../../src/topology/check.js';
import { compileNode } from '../../src/topology/compile.js';
import { topologyJsonSchemaText } from '../../src/topology/json-schema.js';
import type { Topology } from '../../src/topology/schema.js';
import { allotment, allottedBrokers, SOUND, soundBut, writeTopology } from './topology-files.js';

const FOLDER = fileURLToPath(new URL('../../../topologies/', import.meta.url));
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

/** Ports for everything, as `topology up` would settle them. */
function fullAllotment(topology: Topology) {
  const { nodes, sinks } = topology;
  let port = 20_000;
  const fill = (names: string[]) => Object.fromEntries(names.map((name) => [name, port++]));
  return allotment({
    listeners: Object.fromEntries(
      Object.entries(nodes).map(([name, node]) => [name, fill(node.listen.map((one) => one.name))]),
    ),
    apis: fill(Object.keys(nodes)),
    sinks: fill(Object.keys(sinks)),
    brokers: allottedBrokers(topology),
  });
}

/** Everything that connections of a node can go to; with a sink that is all there is. */
function everyHop({ rules, fallback, sink }: RouteTable): NextHop[] {
  if (sink !== null) return [sink];
  const targets = [fallback, ...rules.map(({ target }) => target)];
  return targets.flatMap((target) => {
    assert.notEqual(target.kind, 'mx');
    if (target.kind === 'hop') return [target.hop.nextHop];
    if (target.kind === 'mx') return [];
    return [...target.members.map(({ hop }) => hop), ...target.failover].map(
      ({ nextHop }) => nextHop,
    );
  });
}

/** The sink that takes the place of a host outside, in tests of the lab. */
function standInFor({ sinks }: Topology, host: string, port: number): string | undefined {
  const isOne = (outside: string): boolean => outside === host || outside === `${host}:${port}`;
  return Object.keys(sinks).find((name) => sinks[name]?.['stands-for'].some(isOne));
}

test('the topologies that the product names are there', () => {
  for (const name of [
    'single',
    'three-tier',
    'eight-hops',
    'fan-in',
    'outside-service',
    'debug-sink',
  ]) {
    assert.ok(FILES.includes(`${name}.yaml`), name);
  }
});

for (const name of FILES) {
  test(`topologies/${name} is sound, and its mail ends in a sink over verified, logged-in hops`, async () => {
    const { faults, loaded } = await checkTopology(join(FOLDER, name));
    assert.deepEqual(faults, []);
    assert.ok(loaded);
    const { topology } = loaded;
    const given = fullAllotment(topology);
    let last = '';
    for (const node of Object.keys(topology.nodes)) {
      const { route, policy } = compileNode(topology, node, {
        dataDir: '/data',
        allotment: given,
        resolveSecret: (secret) => new Secret(secret),
        resolvePath: (file) => file,
        readPem: (file) => file,
        ownApiToken: () => assert.fail('the allotment has a token'),
        locate: String,
      });
      for (const { name: hop, kind, host, port, tls, login, trace } of everyHop(route)) {
        if (kind === 'node') {
          assert.deepEqual([tls, trace, login?.username], ['verified', 'envelope', node]);
        } else {
          const sink = kind === 'sink' ? hop : standInFor(topology, host, port);
          assert.ok(sink, `nothing stands for ${hop}`);
          assert.ok(login === undefined || tls !== 'none', hop);
          last = sink;
        }
      }
      if (policy.users.length > 0) assert.equal(policy.users[0]?.username, 'app');
    }
    assert.notEqual(last, '');
  });

  test(`topologies/${name} says what it is for and names its schema`, () => {
    const lines = readFileSync(join(FOLDER, name), 'utf8').split('\n');
    assert.equal(lines[0], '# yaml-language-server: $schema=./relaymesh.schema.json');
    assert.ok(lines.filter((line) => line.startsWith('#')).length > 3);
    assert.ok(lines.includes(`name: ${name.replace('.yaml', '')}`));
  });
}

test('the JSON Schema beside the topologies is that of the program', () => {
  assert.equal(
    readFileSync(join(FOLDER, 'relaymesh.schema.json'), 'utf8'),
    topologyJsonSchemaText(),
    'run `relaymesh topology schema > topologies/relaymesh.schema.json`',
  );
});

async function validate(...args: string[]) {
  const said = { code: -1, stdout: '', stderr: '' };
  const command = topologyValidateCommand((code) => (said.code = code), {
    stdout: (text) => (said.stdout += text),
    stderr: (text) => (said.stderr += text),
  });
  await command.parseAsync(args, { from: 'user' });
  return said;
}

test('validate counts what a sound file holds', async (t) => {
  const file = writeTopology(t, SOUND);
  assert.deepEqual(await validate(file), {
    code: 0,
    stdout: `${file}: ok, 2 nodes, 1 link, 1 sink\n`,
    stderr: '1 file checked: 0 errors, 0 warnings\n',
  });
});

test('validate prints the faults of all files and fails with 2', async (t) => {
  const sound = writeTopology(t, SOUND);
  const faulty = writeTopology(t, soundBut(['smarthost: core', 'smarthost: coer']));
  const said = await validate(faulty, sound, '/nowhere.yaml');
  assert.equal(said.code, 2);
  assert.equal(
    said.stdout,
    `${faulty}:12:16: error: no node or sink is named 'coer' [unknown-node]\n    did you mean 'core'?\n` +
      `${sound}: ok, 2 nodes, 1 link, 1 sink\n` +
      '/nowhere.yaml:1:1: error: there is no such topology file [unreadable-file]\n' +
      '    check the path; it is relative to the current folder\n',
  );
  assert.equal(said.stderr, '3 files checked: 2 errors, 0 warnings\n');
});

test('validate lets warnings pass unless they are denied', async (t) => {
  const file = writeTopology(t, soundBut(['  app:', '  spare: { generate: true }\n  app:']));
  const passed = await validate(file);
  assert.equal(passed.code, 0);
  assert.match(passed.stdout, /warning: nothing refers to secret 'spare'.*\n.*: ok, 2 nodes/);
  const denied = await validate('--deny-warnings', file);
  assert.equal(denied.code, 2);
  assert.doesNotMatch(denied.stdout, /: ok/);
});

test('validate --json prints one array of faults', async (t) => {
  const file = writeTopology(t, soundBut(['smarthost: core', 'smarthost: coer']));
  const { stdout } = await validate('--json', file);
  assert.deepEqual(JSON.parse(stdout), [
    {
      ruleId: 'unknown-node',
      severity: 'error',
      message: "no node or sink is named 'coer'",
      hint: "did you mean 'core'?",
      file,
      line: 12,
      column: 16,
    },
  ]);
  assert.equal((await validate('--json', writeTopology(t, SOUND))).stdout, '[]\n');
});

test('schema prints the JSON Schema', async () => {
  let printed = '';
  let code = -1;
  await topologySchemaCommand(
    (set) => (code = set),
    (text) => (printed += text),
  ).parseAsync([], { from: 'user' });
  assert.equal(code, 0);
  assert.equal(
    (JSON.parse(printed) as { $schema: string }).$schema,
    'https://json-schema.org/draft/2020-12/schema',
  );
});
