import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { DCLinter } from 'dclint';
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Service } from 'kubernetes-models/v1/Service';
import { parse, parseAllDocuments } from 'yaml';
import { missing, run } from '../../scenario/programs.js';
import { scratchFolder } from '../topology-files.js';
import { exportedFiles, LOCAL } from './exporting.js';
import { PRODUCTION } from './production.js';

/* The exports before the tools that read them. */

/**
 * Of systemd-analyze, in tenths: from 0 to 100, and 95 without any protection. What is left is the
 * network, machine code made by V8, systemd-notify, and ports below 1024.
 */
const MAX_EXPOSURE = 17;

const MESHES = [
  ['of machines', PRODUCTION],
  ['of one machine', LOCAL],
] as const;

function writeAll(folder: string, files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

for (const [name, text] of MESHES) {
  test(
    `systemd-analyze verify finds nothing in the units of a mesh ${name}`,
    { skip: missing('systemd-analyze') },
    async (t) => {
      const folder = scratchFolder(t);
      const files = await exportedFiles(t, 'systemd', text);
      writeAll(folder, files);
      const units = [...files.keys()].filter((path) => path.endsWith('.service'));
      assert.ok(units.length > 1);
      const paths = units.map((path) => join(folder, path));
      const said = await run('systemd-analyze', ['verify', '--man=no', ...paths]);
      assert.deepEqual([said.code, said.stderr, said.stdout], [0, '', '']);
    },
  );

  test(
    `systemd-analyze security finds the units of a mesh ${name} well protected`,
    { skip: missing('systemd-analyze') },
    async (t) => {
      const folder = scratchFolder(t);
      const files = await exportedFiles(t, 'systemd', text);
      writeAll(folder, files);
      for (const unit of [...files.keys()].filter((path) => path.endsWith('.service'))) {
        const args = ['security', '--offline=yes', `--threshold=${MAX_EXPOSURE}`];
        const said = await run('systemd-analyze', [...args, join(folder, unit)]);
        assert.equal(said.code, 0, said.stdout);
      }
    },
  );

  test(`the compose schema takes the file of a mesh ${name}`, async (t) => {
    const folder = scratchFolder(t);
    writeAll(folder, await exportedFiles(t, 'compose', text));
    assert.deepEqual(composeErrors(join(folder, 'compose.yaml')), []);
  });

  test(`the Kubernetes schema takes the manifests of a mesh ${name}, and knows each of their keys`, async (t) => {
    const files = await exportedFiles(t, 'kubernetes', text);
    const manifests = [...files].filter(([path]) => path.endsWith('.yaml'));
    for (const [, content] of manifests) {
      const documents = parseAllDocuments(content).map((one) => one.toJS() as Manifest);
      assert.deepEqual(
        documents.map(({ kind }) => kind),
        ['ConfigMap', 'Service', 'StatefulSet'],
      );
      for (const document of documents) {
        validate(document);
        for (const place of placesOf(document)) assertMinded(document, place);
      }
    }
  });
}

test('the compose schema knows a key that does not exist', async (t) => {
  const folder = scratchFolder(t);
  const files = await exportedFiles(t, 'compose', LOCAL);
  const file = join(folder, 'compose.yaml');
  writeFileSync(file, (files.get('compose.yaml') ?? '').replace('read_only:', 'readonly:'));
  assert.equal(composeErrors(file).length, 1);
});

test('compose: a port of this machine is published once', async (t) => {
  const files = await exportedFiles(
    t,
    'compose',
    LOCAL.replace('  core:\n', '  core:\n    host: core.example\n').replace('2526', '2525'),
  );
  const text = files.get('compose.yaml') ?? '';
  const { services } = parse(text) as { services: Record<string, { ports?: unknown[] }> };
  assert.deepEqual(services['edge']?.ports, [{ target: 2525, published: '2525' }]);
  assert.equal(services['core']?.ports, undefined);
  assert.match(
    text,
    /# not published, since this machine has each port once: 2525 \(edge has it\)/,
  );
});

interface LintMessage {
  type: string;
  message: string;
}

/** The ports of entry nodes are for clients on other machines. */
const RULES = { 'no-unbound-port-interfaces': 0 } as const;

function composeErrors(file: string): string[] {
  const linter = new DCLinter({ rules: RULES, quiet: true, debug: false, exclude: [] });
  const results = linter.lintFiles([file], false) as { messages: LintMessage[] }[];
  assert.equal(results.length, 1);
  // its warnings are about the order of keys
  return results.flatMap(({ messages }) =>
    messages.filter(({ type }) => type === 'error').map(({ message }) => message),
  );
}

interface Manifest {
  kind: string;
}

function validate(manifest: Manifest): void {
  switch (manifest.kind) {
    case 'ConfigMap':
      return new ConfigMap(manifest as object).validate();
    case 'Service':
      return new Service(manifest as object).validate();
    default:
      return new StatefulSet(manifest as never).validate();
  }
}

type Place = (string | number)[];

function placesOf(value: unknown, at: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]: [string, unknown]): Place[] => {
    const place = [...at, Array.isArray(value) ? Number(key) : key];
    return [place, ...placesOf(one, place)];
  });
}

/** The schema lets unknown keys pass; one that it knows minds a value of another type. */
function assertMinded(document: Manifest, place: Place): void {
  const copy: Record<string | number, unknown> = structuredClone(document) as never;
  let holder = copy;
  for (const key of place.slice(0, -1)) holder = holder[key] as typeof holder;
  const last = place.at(-1) as string | number;
  holder[last] = typeof holder[last] === 'object' ? 5 : {};
  assert.throws(() => validate(copy as never), `the schema has no ${place.join('.')}`);
}
