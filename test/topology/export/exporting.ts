import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { exportTopology, type Exported } from '../../../src/topology/export/export.js';
import type { ExportTarget } from '../../../src/topology/export/plan.js';
import { describeFault } from '../../../src/topology/fault.js';
import { writeTopology } from '../topology-files.js';

export const OPTIONS = { image: 'relaymesh:1.2.3', program: process.execPath };

/** A mesh on one machine, with nothing that keeps it from being deployed. */
export const LOCAL = `version: 1
name: local
secrets:
  app: { env: APP_PASSWORD }
  edge-core: { file: edge-core }
  api: { file: /run/keys/api }
tls: { ca: ca.pem, cert: cert.pem, key: key.pem }
nodes:
  edge:
    listen: [{ port: 2525, tls: required }]
    api: { port: 8025, token: { secret: api } }
    users: [{ username: app, password: { secret: app } }]
    relay-from: [127.0.0.1/32]
    smarthost: core
  core:
    listen: [{ port: 2526, tls: required }, { name: inside, host: 127.0.0.1, port: 2527 }]
    users: [{ username: app, password: { secret: app } }]
    smarthost: mail.example
links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core } }
`;

export async function exported(
  t: TestContext,
  target: ExportTarget,
  text: string,
): Promise<Exported & { file: string }> {
  const file = writeTopology(t, text);
  return { file, ...(await exportTopology(file, target, OPTIONS)) };
}

/** The files of an export that must succeed: path → text. */
export async function exportedFiles(
  t: TestContext,
  target: ExportTarget,
  text: string,
): Promise<Map<string, string>> {
  const { files, faults } = await exported(t, target, text);
  assert.ok(files, faults.map((fault) => describeFault(fault)).join('\n'));
  return new Map(files.map((one) => [one.path, one.text]));
}
