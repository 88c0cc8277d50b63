import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Fault } from '../../src/topology/fault.js';
import { lintTopology, type LintOptions } from '../../src/topology/lint.js';
import { parseTopology, type LoadedTopology } from '../../src/topology/load.js';
import type { Allotment, Topology } from '../../src/topology/schema.js';

/** A folder that is gone after the test. */
export function scratchFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'relaymesh-topology-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files into a new folder and returns the path of `topology.yaml` in it. */
export function writeTopology(
  t: TestContext,
  text: string | Buffer,
  others: Record<string, string> = {},
): string {
  const folder = scratchFolder(t);
  for (const [name, content] of Object.entries(others)) {
    writeFileSync(join(folder, name), content);
  }
  const file = join(folder, 'topology.yaml');
  writeFileSync(file, text);
  return file;
}

/** The topology of a text that has to be in form. */
export function parsed(text: string, file = 'topology.yaml'): LoadedTopology {
  const result = parseTopology(file, text);
  if (!result.ok) throw new Error(JSON.stringify(result.faults, null, 2));
  return { topology: result.topology, positions: result.positions };
}

/** All faults of form of a text. */
export function formFaults(text: string): Fault[] {
  const result = parseTopology('topology.yaml', text);
  return result.ok ? [] : result.faults;
}

export function lint(text: string, options: LintOptions = {}, file?: string): Fault[] {
  return lintTopology(parsed(text, file), { env: {}, ...options });
}

/** `rule-id@LINE:COL` of each fault. */
export function places(faults: readonly Fault[]): string[] {
  return faults.map((fault) => `${fault.ruleId}@${fault.line}:${fault.column}`);
}

/** Two nodes and a sink that nothing is wrong with. */
export const SOUND = `version: 1
name: mesh
secrets:
  app: { generate: true }
  edge-core: { generate: true }
tls: { ephemeral: true }
nodes:
  edge:
    listen: [{ port: 2525, tls: required }]
    api: { port: 8025 }
    users: [{ username: app, password: { secret: app } }]
    smarthost: core
  core:
    listen: [{ port: 2526, tls: required }]
    api: { port: 8026 }
    smarthost: mx
links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core } }
sinks:
  mx: { port: 2527 }
`;

/** `SOUND` with one text replaced, which has to be there. */
export function soundBut(...changes: [string, string][]): string {
  let text = SOUND;
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`'${from}' is not in the topology`);
    text = text.replace(from, () => to);
  }
  return text;
}

/** Two machines with certificates in files. */
export const MACHINES = `version: 1
name: mesh
secrets: { app: { env: HERE }, edge-core: { env: HERE } }
tls: { ca: ca.pem, cert: cert.pem, key: key.pem }
nodes:
  edge: { listen: [{ port: 2525 }], users: [{ username: app, password: { secret: app } }], smarthost: core }
  core: { host: core.example.com, listen: [{ port: 2526, host: 0.0.0.0, tls: required }], smarthost: mx.example.com }
links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core } }
`;

/** `SOUND` with a test that sends one message, with these further steps and expectations. */
export function tested(steps: string, expect: string): string {
  const send = '{ send: { via: edge, to: a@x.test } }';
  return `${SOUND}tests:
  - name: shown
    steps: [${[send, steps].filter(Boolean).join(', ')}]
    expect: ${expect}
`;
}

/** Those of a topology, as `topology up` would settle them. */
export function allottedBrokers({ brokers }: Topology): Allotment['brokers'] {
  const broker = { host: '127.0.0.1', port: 19_999, username: 'relaymesh', password: 'of-broker' };
  return Object.fromEntries(Object.keys(brokers).map((name) => [name, broker]));
}

export function allotment(more: Partial<Allotment> = {}): Allotment {
  return {
    listeners: {},
    apis: {},
    sinks: {},
    brokers: {},
    secrets: { app: 'app-value', 'edge-core': 'edge-core-value' },
    tls: { ca: '/pki/ca.pem', cert: '/pki/cert.pem', key: '/pki/key.pem' },
    apiToken: 'allotted-token',
    ...more,
  };
}
