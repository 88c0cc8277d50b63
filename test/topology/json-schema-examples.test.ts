import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { DEFAULT_CAPACITY } from '../../src/send/capacity.js';
import { topologyJsonSchema } from '../../src/topology/json-schema.js';
import { LIMITS } from '../../src/topology/schema-limits.js';
import { topologySchema, type NodeEntry } from '../../src/topology/schema.js';
import { tunablesOf } from '../../src/topology/tunables.js';
import { parsed, SOUND } from './topology-files.js';

/* What an editor shows of each key of a topology file: what it is about, and what may stand there. */

interface Node {
  $ref?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  properties?: Record<string, Node>;
  additionalProperties?: Node | boolean;
  items?: Node;
  anyOf?: Node[];
  oneOf?: Node[];
  allOf?: Node[];
}

interface Key {
  path: string;
  node: Node;
}

const ROOT: Node & { $defs?: Record<string, Node> } = topologyJsonSchema();
const KEYS = keysOf(ROOT, '');

/** Every key at any depth; `<name>` is one that the file names itself. */
function keysOf(node: Node, path: string): Key[] {
  const { properties = {}, additionalProperties, items, anyOf, oneOf, allOf } = resolved(node);
  const inside: Key[] = Object.entries(properties).map(([key, one]) => ({
    path: `${path}.${key}`,
    node: one,
  }));
  if (typeof additionalProperties === 'object') {
    inside.push({ path: `${path}.<name>`, node: additionalProperties });
  }
  return [
    ...inside.flatMap((key) => [key, ...keysOf(key.node, key.path)]),
    ...(items === undefined ? [] : keysOf(items, `${path}[]`)),
    ...[anyOf, oneOf, allOf].flatMap((forms = []) => forms.flatMap((form) => keysOf(form, path))),
  ];
}

/** What stands beside a reference goes before what it refers to. */
function resolved(node: Node): Node {
  if (node.$ref === undefined) return node;
  const target = ROOT.$defs?.[node.$ref.replace('#/$defs/', '')];
  assert.ok(target, `${node.$ref} is not there`);
  return { ...resolved(target), ...node };
}

function pathsOf(isWrong: (node: Node) => boolean): string[] {
  return [...new Set(KEYS.filter(({ node }) => isWrong(resolved(node))).map(({ path }) => path))];
}

test('keys are found at every depth, in unions, lists and records', () => {
  const paths = new Set(KEYS.map(({ path }) => path));
  for (const path of [
    '.version',
    '.secrets.<name>.generate',
    '.nodes.<name>.smarthost.pool[].to.token.file',
    '.nodes.<name>.replies[].code',
    '.tests[].steps[].wait.delivered.sink',
  ]) {
    assert.ok(paths.has(path), path);
  }
});

test('each key of a topology file has a description', () => {
  assert.deepEqual(
    pathsOf(({ description }) => !/^\P{Ll}.*\.$/su.test(description ?? '')),
    [],
  );
});

test('each key of a topology file has an example', () => {
  assert.deepEqual(
    pathsOf(({ examples = [] }) => examples.length === 0),
    [],
  );
});

/** A default as a description says it; undefined for one that goes without saying. */
function defaultText(standard: unknown): string | undefined {
  if (Array.isArray(standard)) {
    return standard.length === 0 ? 'Default none.' : `Default [${standard.join(', ')}].`;
  }
  return ['string', 'number', 'boolean'].includes(typeof standard)
    ? `Default: ${String(standard)}`
    : undefined;
}

test('a description says the default that holds', () => {
  const wrong = KEYS.flatMap(({ path, node }) => {
    const { description = '', default: standard } = resolved(node);
    const text = defaultText(standard);
    return text === undefined || description.includes(text) ? [] : [`${path}: ${text}`];
  });
  assert.deepEqual([...new Set(wrong)], []);
});

test('the defaults that only descriptions say are those of the program', () => {
  const said = resolved(ROOT.properties?.['defaults'] ?? {}).properties ?? {};
  const { topology } = parsed(SOUND);
  const held = {
    ...tunablesOf(topology, topology.nodes['edge'] as NodeEntry),
    'max-connections': DEFAULT_CAPACITY.maxConnections,
    'max-messages-per-connection': DEFAULT_CAPACITY.maxMessagesPerConnection,
    'idle-timeout': DEFAULT_CAPACITY.idleTimeoutMs / 1000,
  };
  for (const key of Object.keys(held).filter((key) => !(key in LIMITS)) as (keyof typeof held)[]) {
    const text = Array.isArray(held[key]) ? `[${held[key].join(', ')}]` : String(held[key]);
    assert.ok(said[key]?.description?.includes(` Default ${text}`), key);
  }
});

test('each example is one that the file may have', () => {
  const wrong: string[] = [];
  let tried = 0;
  z.toJSONSchema(topologySchema, {
    io: 'input',
    override({ zodSchema, jsonSchema, path }) {
      for (const example of jsonSchema.examples ?? []) {
        tried++;
        const { error } = z.safeParse(zodSchema, example);
        if (error === undefined) continue;
        wrong.push(`${path.join('.')}: ${JSON.stringify(example)}: ${z.prettifyError(error)}`);
      }
    },
  });
  assert.deepEqual(wrong, []);
  assert.ok(tried >= new Set(KEYS.map(({ path }) => path)).size / 2);
});

test('each example is one that the JSON Schema itself takes', () => {
  const wrong = KEYS.flatMap(({ path, node }) => {
    const schema = z.fromJSONSchema({ ...node, $defs: ROOT.$defs } as z.core.JSONSchema.JSONSchema);
    return (resolved(node).examples ?? [])
      .filter((example) => !schema.safeParse(example).success)
      .map((example) => `${path}: ${JSON.stringify(example)}`);
  });
  assert.deepEqual(wrong, []);
});

test('the JSON Schema takes every topology here, and no key that it does not know', () => {
  const schema = z.fromJSONSchema(ROOT as z.core.JSONSchema.JSONSchema);
  const folder = new URL('../../../topologies/', import.meta.url);
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.yaml'))) {
    const topology: unknown = parse(readFileSync(new URL(name, folder), 'utf8'));
    const { error } = schema.safeParse(topology);
    assert.equal(error, undefined, `${name}: ${error === undefined ? '' : z.prettifyError(error)}`);
    assert.ok(!schema.safeParse({ ...(topology as object), link: [] }).success, name);
  }
});
