import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { topologyInitCommand } from '../../../src/cli/topology-init.js';
import { OUTSIDE_SERVICES } from '../../../src/topology/init/services.js';
import {
  chainText,
  MAX_CHAIN_NODES,
  MAX_TIERS,
  MAX_WIDTH,
  meshText,
  outsideServiceText,
} from '../../../src/topology/init/starting-points.js';
import { writeTopologyFile } from '../../../src/topology/init/write-file.js';
import { lint, parsed, scratchFolder } from '../topology-files.js';

const POINTS: [string, string][] = [
  ...[1, 2, 3, 5, MAX_CHAIN_NODES].map((count): [string, string] => [
    `a chain of ${count}`,
    chainText(count),
  ]),
  ...(
    [
      [1, 1],
      [1, 2],
      [2, 1],
      [3, 2],
      [4, 3],
      [MAX_TIERS, 3],
      [2, MAX_WIDTH],
    ] as const
  ).map(([tiers, width]): [string, string] => [
    `a mesh of ${tiers} x ${width}`,
    meshText(tiers, width),
  ]),
  ['an outside service', outsideServiceText()],
  ...OUTSIDE_SERVICES.map((preset): [string, string] => [
    `an outside service with ${preset}`,
    outsideServiceText(preset),
  ]),
];

for (const [name, text] of POINTS) {
  test(`${name} has no fault and no warning`, () => {
    assert.deepEqual(lint(text), []);
  });

  test(`${name} explains each of its keys where it first stands`, () => {
    const lines = text.split('\n');
    const seen = new Set<string>();
    for (const [index, line] of lines.entries()) {
      // the names of nodes, secrets and sinks are the operator's own
      const key = /^(?: {4})?([a-z-]+):/.exec(line)?.[1];
      if (key === undefined || seen.has(key)) continue;
      seen.add(key);
      const before = lines[index - 1]?.trim() ?? '';
      const explained = before.startsWith('#') || ['nodes', 'users'].includes(key);
      // what a sink has besides is that of a listener
      const known = ['port', 'tls'].includes(key) && seen.has('listen');
      assert.ok(explained || known, `line ${index + 1}: ${line}`);
    }
    assert.ok(seen.has('secrets') && seen.has('listen') && seen.has('smarthost'));
  });

  test(`${name} says what to write for production wherever it only works on one machine`, () => {
    const lines = text.split('\n');
    const said = new Set<string>();
    for (const [index, line] of lines.entries()) {
      const [only] = /generate: true|ephemeral: true|port: auto|^sinks:/.exec(line) ?? [];
      if (only === undefined || line.startsWith('#') || said.has(only)) continue;
      said.add(only);
      const before = lines.slice(Math.max(0, index - 6), index).join('\n');
      assert.match(before, /# .*PRODUCTION/, line);
    }
    assert.deepEqual([...said].sort(), [
      'ephemeral: true',
      'generate: true',
      'port: auto',
      'sinks:',
    ]);
  });
}

test('a chain leads from the first node to the last, each with a login of its own', () => {
  const { topology } = parsed(chainText(5));
  assert.deepEqual(
    topology.links.map(({ from, to, username }) => [from, to, username]),
    [
      ['edge', 'core-1', 'edge'],
      ['core-1', 'core-2', 'core-1'],
      ['core-2', 'core-3', 'core-2'],
      ['core-3', 'exit', 'core-3'],
    ],
  );
  const secrets = topology.links.map(({ password }) => password?.secret);
  assert.equal(new Set(secrets).size, 4);
});

test('each node of a mesh has every node of the next tier in its pool', () => {
  const document = parse(meshText(3, 2)) as { nodes: Record<string, { smarthost: unknown }> };
  assert.deepEqual(Object.keys(document.nodes), [
    'edge-a',
    'edge-b',
    'core-a',
    'core-b',
    'exit-a',
    'exit-b',
  ]);
  const pool = (...names: string[]) => ({ pool: names.map((to) => ({ to, weight: 1 })) });
  assert.deepEqual(document.nodes['edge-b']?.smarthost, pool('core-a', 'core-b'));
  assert.deepEqual(document.nodes['core-a']?.smarthost, pool('exit-a', 'exit-b'));
  assert.equal(document.nodes['exit-b']?.smarthost, 'mx');
});

async function init(...args: string[]): Promise<{ code: number; stdout: string }> {
  const said = { code: 0, stdout: '' };
  const command = topologyInitCommand(
    (code) => (said.code = code),
    (text) => (said.stdout += text),
  );
  for (const one of command.commands) one.exitOverride().configureOutput({ writeErr: () => {} });
  await command.parseAsync(args, { from: 'user' });
  return said;
}

test('init prints what it is asked for', async () => {
  assert.deepEqual(await init('chain', '--nodes', '4'), { code: 0, stdout: chainText(4) });
  assert.equal((await init('chain')).stdout, chainText(3));
  assert.equal((await init('mesh')).stdout, meshText(3, 2));
  assert.equal((await init('mesh', '--tiers', '2', '--width', '5')).stdout, meshText(2, 5));
  assert.equal((await init('outside-service')).stdout, outsideServiceText());
  assert.equal(
    (await init('outside-service', '--preset', 'ses')).stdout,
    outsideServiceText('ses'),
  );
});

test('init refuses numbers out of range and services that it does not know', async () => {
  for (const args of [
    ['chain', '--nodes', '0'],
    ['chain', '--nodes', '26'],
    ['chain', '--nodes', '2.5'],
    ['mesh', '--width', '21'],
    ['outside-service', '--preset', 'other'],
  ]) {
    await assert.rejects(init(...args), { code: 'commander.invalidArgument' }, args.join(' '));
  }
});

test('init writes a file, and never over one that is there without --force', async (t) => {
  const file = join(scratchFolder(t), 'new.yaml');
  assert.deepEqual(await init('chain', '-o', file), { code: 0, stdout: '' });
  assert.equal(readFileSync(file, 'utf8'), chainText(3));
  writeFileSync(file, 'mine');
  assert.equal((await init('mesh', '-o', file)).code, 2);
  assert.equal(readFileSync(file, 'utf8'), 'mine');
  await assert.rejects(writeTopologyFile(file, 'text', false), { code: 'TOPOLOGY_EXISTS' });
  assert.equal((await init('mesh', '-o', file, '--force')).code, 0);
  assert.equal(readFileSync(file, 'utf8'), meshText(3, 2));
  await assert.rejects(writeTopologyFile(join(file, 'below'), 'text', false), {
    code: 'TOPOLOGY_UNWRITABLE',
  });
});
