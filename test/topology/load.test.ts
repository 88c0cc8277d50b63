import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { describeFault } from '../../src/topology/fault.js';
import { loadTopology, MAX_TOPOLOGY_BYTES } from '../../src/topology/load.js';
import { nearestName } from '../../src/topology/suggest.js';
import {
  formFaults,
  parsed,
  places,
  scratchFolder,
  SOUND,
  soundBut,
  writeTopology,
} from './topology-files.js';

test('a sound topology is read with its defaults', async (t) => {
  const result = await loadTopology(writeTopology(t, SOUND));
  assert.ok(result.ok);
  assert.equal(result.topology.nodes['edge']?.host, '127.0.0.1');
  assert.equal(result.topology.nodes['edge']?.listen[0]?.name, 'smtp');
  assert.deepEqual(result.positions.at(['nodes', 'core', 'smarthost']), { line: 16, column: 16 });
});

test('an unknown key is reported at the key, with the key that was meant', () => {
  const [fault, ...others] = formFaults(
    soundBut(['    api: { port: 8025 }', '    apj: { port: 8025 }']),
  );
  assert.ok(fault);
  assert.deepEqual(others, []);
  assert.equal(
    describeFault(fault),
    "topology.yaml:10:5: error: unknown key 'apj' in node 'edge' [unknown-key]\n    did you mean 'api'?",
  );
});

test('all faults of form are reported at once, in the order of the file', () => {
  const text = soundBut(
    ['version: 1', 'version: 2'],
    ['port: 2525, tls: required', 'port: 99999, tls: requird'],
    ['port: 8025', 'prt: 8025'],
    ['to: core, ', ''],
    ['port: 2527', 'port: "2527"'],
  );
  const faults = formFaults(text);
  assert.deepEqual(
    faults.map(({ line, column, message }) => `${line}:${column} ${message}`),
    [
      '1:10 version must be 1, got 2',
      '9:22 port must be a whole number from 1 to 65535 or auto, got 99999',
      "9:34 tls must be one of none, opportunistic, required, implicit, got 'requird'",
      "10:12 unknown key 'prt' in `api` of node 'edge'",
      '18:5 link 1 needs to: text',
      "20:15 port must be a whole number from 1 to 65535 or auto, got '2527'",
    ],
  );
  assert.equal(faults[2]?.hint, "did you mean 'required'?");
  assert.equal(faults[3]?.hint, "did you mean 'port'?");
  assert.equal(faults[5]?.hint, 'take the quotes away');
});

test('a password, token or secret in clear is refused and never quoted', () => {
  const text = soundBut(
    ['username: app, password: { secret: app }', 'username: app, password: hunter2'],
    ['api: { port: 8025 }', 'api: { port: 8025, token: hunter2 }'],
    ['  edge-core: { generate: true }', '  edge-core: hunter2'],
    ['smarthost: mx', 'smarthost: { hostname: mx, username: u, password: {secret:hunter2} }'],
  );
  const faults = formFaults(text);
  assert.deepEqual(places(faults).slice(0, 3), [
    'cleartext-secret@5:14',
    'cleartext-secret@10:31',
    'cleartext-secret@11:40',
  ]);
  assert.ok(faults.some(({ hint }) => hint === 'write a space after the colon'));
  assert.doesNotMatch(JSON.stringify(faults), /hunter2/);
});

test('broken YAML is reported without quoting the file', () => {
  for (const [value, place] of [
    ['"hunter2 }', 'yaml-syntax@3:1'],
    ['"\\hunter2" }', 'yaml-syntax@2:18'],
    ['!hunter2!x y }', 'yaml-tag@2:17'],
    ['"x" hunter2 }', 'yaml-syntax@2:21'],
    ['*hunter2 }', 'yaml-syntax@2:17'],
    ['@hunter2 }', 'yaml-syntax@2:17'],
  ] as const) {
    const faults = formFaults(`version: 1\nsecrets: { app: ${value}\n`);
    assert.equal(places(faults)[0], place, value);
    assert.doesNotMatch(JSON.stringify(faults), /hunter2/);
  }
});

test('forms that exclude each other are told apart from unknown keys', () => {
  const faults = formFaults(
    soundBut(
      ['app: { generate: true }', 'app: { env: A, file: b }'],
      ['edge-core: { generate: true }', 'edge-core: {}'],
      ['tls: { ephemeral: true }', 'tls: { ephemeral: true, ca: x, crt: y }'],
    ),
  );
  assert.deepEqual(
    faults.map(({ message }) => message),
    [
      "`env` and `file` exclude each other in secret 'app'",
      "secret 'edge-core' needs one of `env`, `file`, `generate`",
      '`ephemeral` and `ca` exclude each other in `tls`',
      "unknown key 'crt' in `tls`",
    ],
  );
});

const REFUSED: [string, string, string][] = [
  ['several documents', `${SOUND}---\nversion: 1\n`, 'several-documents@21:1'],
  [
    'a key that stands twice',
    soundBut(['name: mesh', 'name: mesh\nname: mash']),
    'duplicate-key@3:1',
  ],
  ['a tag', soundBut(['name: mesh', 'name: !!binary aGk=']), 'yaml-tag@2:16'],
  ['another YAML version', `%YAML 1.1\n---\n${SOUND}`, 'yaml-syntax@1:1'],
  ['an alias without an anchor', soundBut(['name: mesh', 'name: *mesh']), 'yaml-syntax@2:7'],
  [
    'an alias inside of its anchor',
    soundBut(['[{ port: 2525', '&l [*l, { port: 2525']),
    'alias-bomb@9:17',
  ],
  [
    'a merge key',
    soundBut(['    api: { port: 8025 }', '    <<: { api: { port: 8025 } }']),
    'unknown-key@10:5',
  ],
  [
    'a key that objects drop',
    soundBut(['secrets:', 'secrets:\n  __proto__: { env: A }']),
    'invalid-value@4:3',
  ],
  ['a file without content', '# nothing\n', 'invalid-value@1:1'],
  ['a list', '- 1\n', 'invalid-value@1:1'],
  ['deep nesting', '['.repeat(20_000), 'yaml-syntax@1:'],
];
for (const [what, text, place] of REFUSED) {
  test(`${what} is refused`, () => {
    const faults = places(formFaults(text));
    assert.equal(faults.length, 1);
    assert.ok(faults[0]?.startsWith(place), faults[0]);
  });
}

test('a place behind text that cannot be parsed is right', () => {
  assert.deepEqual(places(formFaults('{\n[}"\n ')).at(-1), 'yaml-syntax@3:1');
});

test('aliases that blow up are refused', () => {
  const row = (name: string, of: string) => `${name}: &${name} [${Array(9).fill(of).join(', ')}]\n`;
  const text = row('a', '1') + row('b', '*a') + row('c', '*b') + row('d', '*c');
  assert.deepEqual(places(formFaults(text)), ['alias-bomb@2:8']);
});

test('an alias in its place is read', () => {
  const text = soundBut(
    ['port: 2525, tls: required', 'port: 2525, tls: &tls required'],
    ['port: 2526, tls: required', 'port: 2526, tls: *tls'],
  );
  assert.equal(parsed(text).topology.nodes['core']?.listen[0]?.tls, 'required');
});

test('a file that is not UTF-8 is refused at the byte', async (t) => {
  const file = writeTopology(t, Buffer.from('version: 1\nname: \xe9t\xe9\n', 'latin1'));
  const result = await loadTopology(file);
  assert.ok(!result.ok);
  assert.deepEqual(places(result.faults), ['not-utf8@2:7']);
});

test('a file of 1 MiB is read and a larger one is refused', async (t) => {
  const padded = `${SOUND}#`.padEnd(MAX_TOPOLOGY_BYTES, 'x');
  assert.ok((await loadTopology(writeTopology(t, padded))).ok);
  const result = await loadTopology(writeTopology(t, `${padded}x`));
  assert.ok(!result.ok);
  assert.deepEqual(places(result.faults), ['file-too-large@1:1']);
});

test('a file that is not there or is a folder has a code of its own', async (t) => {
  const folder = scratchFolder(t);
  mkdirSync(join(folder, 'sub'));
  await assert.rejects(loadTopology(join(folder, 'no.yaml')), { code: 'TOPOLOGY_NOT_FOUND' });
  await assert.rejects(loadTopology(join(folder, 'sub')), { code: 'TOPOLOGY_IS_DIRECTORY' });
  await assert.rejects(loadTopology(dirname(folder) + '/\0'), { code: 'TOPOLOGY_UNREADABLE' });
});

test('the name that was meant is found by its spelling', () => {
  const keys = ['listen', 'max-connections', 'smarthost', 'api'];
  assert.equal(nearestName('lissten', keys), 'listen');
  assert.equal(nearestName('maxConnections', keys), 'max-connections');
  assert.equal(nearestName('samrthost', keys), 'smarthost');
  assert.equal(nearestName('L_I_S_T_E_N', keys), 'listen');
  assert.equal(nearestName('routes', keys), undefined);
  assert.equal(nearestName('x', ['y']), undefined);
});
