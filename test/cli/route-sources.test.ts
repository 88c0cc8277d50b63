import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { routeCommand } from '../../src/cli/route.js';
import { folderWith } from '../config/config-files.js';

const MESH = `version: 1
name: demo
secrets: { collector: { env: COLLECTOR_KEY } }
tls: { ephemeral: true }
nodes:
  edge: { listen: [{ port: 2525 }], relay-from: [127.0.0.1/32], smarthost: core }
  core: { listen: [{ port: 2626, tls: required }], smarthost: mx }
links:
  - { from: edge, to: core, certificate: true }
sinks: { mx: { port: 2727 } }
`;

async function told(t: TestContext, text: string): Promise<string> {
  const file = join(folderWith(t, { 'mesh.yaml': text }), 'mesh.yaml');
  let stdout = '';
  const output = { stdout: (more: string) => (stdout += more), stderr: () => undefined };
  const command = routeCommand(() => undefined, output, {});
  const args = [file, '--node', 'edge', '--from', 'a@x.test', '--to', 'b@y.test', '--no-dns'];
  await command.parseAsync(args, { from: 'user' });
  return stdout;
}

test('a login by certificate is told with its place and where the certificate is from', async (t) => {
  const login = /^Login +edge \(.*mesh\.yaml:9:42\), certificate: made by `topology up`$/m;
  assert.match(await told(t, MESH), login);
});

test('a secret for the header of a collector need not be here', async (t) => {
  const otlp =
    'otlp: { endpoint: "http://127.0.0.1:4318", headers: { authorization: { secret: collector } } }';
  const text = MESH.replace('smarthost: core', `smarthost: core, ${otlp}`);
  assert.match(await told(t, text), /^Next hop +node core/m);
});
