import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { startTopology } from './running-topology.js';
import { until } from './waiting.js';

const TOPOLOGY = `version: 1
name: watched
secrets:
  app: { generate: true }
  link: { generate: true }
nodes:
  edge:
    listen: [{ port: auto }]
    api: { port: auto }
    users: [{ username: app, password: { secret: app } }]
    smarthost: core
  core:
    listen: [{ port: auto }]
    api: { port: auto }
    smarthost: mx
links:
  - { from: edge, to: core, username: edge, password: { secret: link }, tls: none }
sinks:
  mx: { port: auto }
`;

test('`up --watch` follows the file: it reloads whom a change concerns, and says so', async (t) => {
  const mesh = await startTopology(t, TOPOLOGY, { args: ['--watch', '--restart'] });
  let said = '';
  mesh.runner.stderr?.on('data', (chunk) => (said += String(chunk)));
  const change = async (text: string, answer: RegExp): Promise<void> => {
    said = '';
    await writeFile(mesh.file, text);
    await until(String(answer), () => answer.test(said));
  };
  const bounded = TOPOLOGY.replace('smarthost: mx', 'smarthost: mx\n    max-connections: 2');
  await change(bounded, /^reloaded core$/m);
  assert.doesNotMatch(said, /edge/);
  await change(`${bounded}# a word\n`, /^no node is affected$/m);
  await change(
    bounded.replace('smarthost: core', 'smarthost: cord'),
    /:11:16: error: no node or sink is named 'cord' \[unknown-node\][^]*has one error: nothing was changed$/m,
  );
  const wider = bounded.replace(
    'listen: [{ port: auto }]\n    api: { port: auto }\n    users',
    'listen: [{ port: auto }, { name: more, port: auto }]\n    api: { port: auto }\n    users',
  );
  await change(wider, /^edge needs a restart: listen$/m);
  mesh.runner.kill('SIGINT');
  const [code] = (await once(mesh.runner, 'exit')) as [number | null];
  assert.equal(code, 130);
});
