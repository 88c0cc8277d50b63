import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { variableOf } from '../../src/config/origin.js';
import type { ConfigKey } from '../../src/config/schema.js';
import type { NodeSettings } from '../../src/node-settings.js';
import { folderWith, loadNode, loginOf, smarthostOf, type Given } from './config-files.js';

/*
 * SMARTHOST.md, settings of a node: each of the eight settings can stand in the topology, the config
 * file, the environment and on the command line, and the highest of them holds.
 */

const LEVELS = ['topology', 'file', 'environment', 'command line'] as const;
type Level = (typeof LEVELS)[number];

interface Setting {
  key: ConfigKey;
  /** Its value at each level; a password on the command line is one of a file. */
  values: Record<Level, string>;
  /** What holds without it. */
  builtIn: string;
  /** Lines of the node's entry that the setting needs to mean something. */
  around: string;
  observe: (settings: NodeSettings) => string;
}

const HOSTS = {
  topology: 'topology.example',
  file: 'file.example',
  environment: 'environment.example',
  'command line': 'argv.example',
};
const PORTS = { topology: '1001', file: '1002', environment: '1003', 'command line': '1004' };
const NAMES = {
  topology: 't-name',
  file: 'f-name',
  environment: 'e-name',
  'command line': 'a-name',
};
const PASSWORDS = {
  topology: 't-pass',
  file: 'f-pass',
  environment: 'e-pass',
  'command line': 'a-pass',
};

const SETTINGS: Setting[] = [
  {
    key: 'smarthost',
    values: HOSTS,
    builtIn: 'mx',
    around: '',
    observe: ({ route }) =>
      route.fallback.kind === 'hop' ? route.fallback.hop.nextHop.host : 'mx',
  },
  {
    key: 'smarthost-port',
    values: PORTS,
    builtIn: '25',
    around: 'smarthost: host.example',
    observe: (settings) => String(smarthostOf(settings).port),
  },
  {
    key: 'smarthost-username',
    values: NAMES,
    builtIn: 'null',
    around: 'smarthost: host.example, smarthost-password: { secret: other }',
    observe: (settings) => String(loginOf(smarthostOf(settings))?.replace('/o-pass', '') ?? null),
  },
  {
    key: 'smarthost-password',
    values: PASSWORDS,
    builtIn: 'null',
    around: 'smarthost: host.example, smarthost-username: name',
    observe: (settings) => String(loginOf(smarthostOf(settings))?.replace('name/', '') ?? null),
  },
  {
    key: 'smtp-sink-address',
    values: { ...HOSTS, topology: '192.0.2.1' },
    builtIn: 'off',
    around: '',
    observe: ({ route }) => route.sink?.host ?? 'off',
  },
  {
    key: 'smtp-sink-port',
    values: PORTS,
    builtIn: '25',
    around: 'smtp-sink-address: sink.example',
    observe: ({ route }) => String(route.sink?.port),
  },
  {
    key: 'smtp-sink-username',
    values: NAMES,
    builtIn: 'null',
    around: 'smtp-sink-address: sink.example, smtp-sink-password: { secret: other }',
    observe: ({ route }) => String(loginOf(route.sink)?.replace('/o-pass', '') ?? null),
  },
  {
    key: 'smtp-sink-password',
    values: PASSWORDS,
    builtIn: 'null',
    around: 'smtp-sink-address: sink.example, smtp-sink-username: name',
    observe: ({ route }) => String(loginOf(route.sink)?.replace('name/', '') ?? null),
  },
];

/** Every choice of levels. */
const CHOICES: Level[][] = Array.from({ length: 2 ** LEVELS.length }, (_, bits) =>
  LEVELS.filter((_level, index) => (bits & (1 << index)) !== 0),
);

function given({ key, values, around }: Setting, levels: readonly Level[]): Given {
  const isPassword = key.endsWith('-password');
  const inTopology = isPassword ? '{ secret: own }' : values.topology;
  // half a login is a fault: where the other half is all there is, it is left out
  const other =
    levels.length > 0
      ? around
      : around.replace(/, (smarthost|smtp-sink)-(username|password): .*/, '');
  const entry = [
    'listen: [{ port: 2525 }], relay-from: [127.0.0.1/32]',
    ...(other === '' ? [] : [other]),
    ...(levels.includes('topology') ? [`${key}: ${inTopology}`] : []),
  ];
  const topology = `version: 1
name: mesh
secrets: { own: { file: own }, other: { file: other } }
nodes: { edge: { ${entry.join(', ')} } }
`;
  const result: Given = { topology, files: { own: 't-pass', other: 'o-pass' } };
  if (levels.includes('file')) result.config = `${key}: ${values.file}\n`;
  if (levels.includes('environment'))
    result.environment = { [variableOf(key)]: values.environment };
  if (levels.includes('command line')) result.argv = { [key]: values['command line'] };
  return result;
}

for (const setting of SETTINGS) {
  test(`${setting.key}: built-in, topology, config file, environment, command line`, async (t) => {
    for (const levels of CHOICES) {
      const all = given(setting, levels);
      if (setting.key.endsWith('-password') && all.argv !== undefined) {
        const folder = folderWith(t, { password: PASSWORDS['command line'] });
        all.argv = { [`${setting.key}-file`]: join(folder, 'password') };
      }
      const { settings } = await loadNode(t, all);
      const highest = levels.at(-1);
      const expected = highest === undefined ? setting.builtIn : setting.values[highest];
      assert.equal(setting.observe(settings), expected, levels.join(' + ') || 'built-in');
    }
  });
}
