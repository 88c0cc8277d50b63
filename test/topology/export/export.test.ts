import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { Secret } from '../../../src/base/secret.js';
import { compileNode } from '../../../src/topology/compile.js';
import {
  inContainers,
  type ExportTarget,
  EXPORT_TARGETS,
} from '../../../src/topology/export/plan.js';
import { writtenOf } from '../../../src/topology/export/written.js';
import { lintTopology } from '../../../src/topology/lint.js';
import type { Topology } from '../../../src/topology/schema.js';
import { inputs } from '../compiling.js';
import { parsed } from '../topology-files.js';
import { exported, exportedFiles, LOCAL } from './exporting.js';
import { assertGolden } from './golden.js';
import { PRODUCTION } from './production.js';

/** Text of the slice of each node. */
async function slicesOf(
  files: ReadonlyMap<string, string>,
  target: ExportTarget,
  nodes: readonly string[],
): Promise<Map<string, string>> {
  const slices = nodes.map((node): [string, string] => {
    if (target === 'systemd') return [node, files.get(`${node}/${node}.yaml`) ?? ''];
    if (target === 'compose') return [node, files.get(`${node}/topology.yaml`) ?? ''];
    const [configMap] = parseAllDocuments(files.get(`${node}.yaml`) ?? '');
    return [node, String(configMap?.getIn(['data', 'topology.yaml']))];
  });
  return new Map(slices);
}

/** Settings of a node; a file is read as what it is for, wherever it lies. */
function settingsOf(topology: Topology, node: string, names: ReadonlyMap<string, string>): unknown {
  const settings = compileNode(topology, node, {
    ...inputs(),
    readPem: (file) => names.get(file) ?? `pem of ${file.replace(/^.*\//, '')}`,
  });
  const reveal = (_key: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && 'reveal' in value
      ? (value as Secret).reveal()
      : value;
  return JSON.parse(JSON.stringify(settings, reveal));
}

const PEM_ROLES: [RegExp, string][] = [
  [/(ca\.pem|tls-ca)$/, 'ca'],
  [/(cert\.pem|exit\.pem|tls-cert)$/, 'cert'],
  [/(key\.pem|exit\.key|tls-key)$/, 'key'],
];

/** Every name that a file of certificates has in `texts`, and its role. */
function pemNames(texts: readonly string[]): Map<string, string> {
  const names = texts.flatMap((text) => text.match(/[\w./-]+/g) ?? []);
  return new Map(
    names.flatMap((name) => {
      const role = PEM_ROLES.find(([pattern]) => pattern.test(name))?.[1];
      return role === undefined ? [] : [[name, role] as [string, string]];
    }),
  );
}

for (const target of EXPORT_TARGETS) {
  for (const [name, text] of [
    ['a mesh of machines', PRODUCTION],
    ['a mesh of one machine', LOCAL],
  ] as const) {
    test(`${target}: each slice of ${name} means what the whole file does`, async (t) => {
      const files = await exportedFiles(t, target, text);
      const loaded = parsed(text);
      const asWritten = { topology: loaded.topology, written: writtenOf(loaded) };
      const { topology } = target === 'systemd' ? asWritten : inContainers(asWritten);
      const nodes = Object.keys(topology.nodes);
      const slices = await slicesOf(files, target, nodes);
      const pem = pemNames([text, ...slices.values()]);
      for (const node of nodes) {
        const slice = parsed(slices.get(node) ?? '');
        assert.deepEqual(settingsOf(slice.topology, node, pem), settingsOf(topology, node, pem));
        const faults = lintTopology(slice, { node, env: {} });
        const there = faults.filter(
          ({ ruleId }) => ruleId !== 'missing-certificate' && ruleId !== 'plaintext-token',
        );
        assert.deepEqual(
          there.map(({ message }) => message),
          [],
          `${node} of ${target}`,
        );
      }
    });
  }

  test(`${target}: what only topology up does is refused all at once, with its place`, async (t) => {
    const text = readFileSync('topologies/three-tier.yaml', 'utf8');
    const { faults: found, files } = await exported(t, target, text);
    assert.equal(files, undefined);
    const faults = found.filter(({ severity }) => severity === 'error');
    assert.deepEqual(
      faults.map(({ ruleId, line, column }) => `${ruleId}@${line}:${column}`),
      [
        'one-machine-only@15:20',
        'one-machine-only@16:26',
        'one-machine-only@17:26',
        'one-machine-only@19:19',
        'one-machine-only@24:35',
        'one-machine-only@25:30',
        'one-machine-only@26:18',
        'one-machine-only@32:22',
        'one-machine-only@33:18',
        'one-machine-only@36:22',
        'one-machine-only@37:18',
        'one-machine-only@38:16',
      ],
    );
    assert.equal(faults[0]?.hint, 'write { file: secrets/app } or { env: APP }');
    assert.match(faults.at(-1)?.message ?? '', /'mx' is a sink, which throws mail away/);
  });
}

test('containers: a node of one machine is reached by its name, and greets as before', async (t) => {
  const files = await exportedFiles(t, 'compose', LOCAL);
  const edge = parsed(files.get('edge/topology.yaml') ?? '').topology.nodes['edge'];
  assert.deepEqual(
    [edge?.host, edge?.hostname, edge?.api?.host],
    ['edge', 'edge.local', '0.0.0.0'],
  );
  // a listener that is for the container alone stays so
  const core = parsed(files.get('core/topology.yaml') ?? '').topology.nodes['core'];
  assert.deepEqual(
    core?.listen.map(({ host }) => host),
    ['0.0.0.0', '127.0.0.1'],
  );
  assert.match(files.get('README.md') ?? '', /`relay-from` of `edge` names loopback/);
});

test('containers: faults that only the network between them makes are found', async (t) => {
  const text = LOCAL.replace('edge-core } }\n', 'edge-core }, tls: opportunistic }\n');
  assert.ok((await exported(t, 'systemd', text)).files);
  const { faults, files } = await exported(t, 'compose', text);
  assert.equal(files, undefined);
  assert.deepEqual(
    faults.map(({ ruleId, line }) => `${ruleId}@${line}`),
    ['plaintext-login@20'],
  );
});

test('containers: an address of a machine is refused, and a name that no Service can have', async (t) => {
  const text = LOCAL.replace('[{ port: 2525,', '[{ host: 10.1.2.3, port: 2525,')
    .replaceAll('core', '9core')
    .replace('edge-9core', 'edge-core')
    .replace('secret: edge-9core', 'secret: edge-core');
  const said = (await exported(t, 'kubernetes', text)).faults.map(({ message }) => message);
  assert.deepEqual(said, [
    'a container has no address 10.1.2.3 to listen on',
    "'9core' cannot be the name of a Kubernetes Service",
  ]);
});

test('a sink is refused wherever mail could go to it', async (t) => {
  const text = `${LOCAL.replace('smarthost: mail.example', 'smtp-sink-address: trash').replace(
    'username: app, password: { secret: app } }]\n    relay-from',
    'username: app, password: { secret: app }, may: [relay, steer], steer-to: [trash] }]\n    relay-from',
  )}sinks:\n  trash: { port: 9925 }\n  unused: { port: 9926 }\n`;
  const { faults } = await exported(t, 'systemd', text);
  assert.deepEqual(
    faults.map(({ ruleId, line, column }) => `${ruleId}@${line}:${column}`),
    ['one-machine-only@12:89', 'one-machine-only@18:24'],
  );
});

test('a broker that the run starts is refused wherever a spool is at it, and its URL is not', async (t) => {
  const local = LOCAL.replace(
    'smarthost: mail.example',
    'smarthost: mail.example\n    spool: { amqp: rabbit, tier: core }',
  ).replace('links:', 'brokers: { rabbit: { port: auto } }\nlinks:');
  const { faults } = await exported(t, 'compose', local);
  assert.deepEqual(
    faults.map(({ ruleId, line, column, message }) => `${ruleId}@${line}:${column} ${message}`),
    ["one-machine-only@19:20 broker 'rabbit' works under `topology up` only"],
  );
  assert.match(faults[0]?.hint ?? '', /amqps:\/\/rabbit\.mail\.internal/);
  const deployed = local
    .replace('amqp: rabbit', 'amqp: "amqps://r.example", username: u, password: { secret: api }')
    .replace('brokers: { rabbit: { port: auto } }\n', '');
  const files = await exportedFiles(t, 'systemd', deployed);
  assert.match(files.get('core/core.yaml') ?? '', /amqps:\/\/r\.example/);
  // Who shares mail with whom is for its neighbours to know; the login is not.
  const ofNeighbour = files.get('edge/edge.yaml') ?? '';
  assert.match(ofNeighbour, /amqp: amqps:\/\/r\.example, tier: core \}/);
  assert.doesNotMatch(ofNeighbour, /username: u\b/);
});

test('no value of a secret gets into an export, and none has to be here', async (t) => {
  process.env['APP_PASSWORD'] = 'the-value-of-app';
  t.after(() => delete process.env['APP_PASSWORD']);
  for (const target of EXPORT_TARGETS) {
    for (const [path, text] of await exportedFiles(t, target, PRODUCTION)) {
      assert.ok(!text.includes('the-value-of-app'), path);
    }
  }
});

test('systemd: the files of a node are as in their golden files', async (t) => {
  const files = await exportedFiles(t, 'systemd', PRODUCTION);
  const unit = files.get('edge/relaymesh-mesh-edge.service');
  assertGolden(
    'export-systemd-edge.service',
    unit?.replace(process.execPath, '/usr/bin/relaymesh'),
  );
  assertGolden('export-systemd-edge.yaml', files.get('edge/edge.yaml'));
  assertGolden('export-systemd-readme.md', files.get('README.md'));
});

test('compose: the file is as in its golden file', async (t) => {
  const files = await exportedFiles(t, 'compose', PRODUCTION);
  assertGolden('export-compose.yaml', files.get('compose.yaml'));
  assertGolden('export-compose-readme.md', files.get('README.md'));
});

test('kubernetes: the manifests of a node are as in their golden file', async (t) => {
  const files = await exportedFiles(t, 'kubernetes', PRODUCTION);
  assertGolden('export-kubernetes-edge.yaml', files.get('edge.yaml'));
  assertGolden('export-kubernetes-readme.md', files.get('README.md'));
});
