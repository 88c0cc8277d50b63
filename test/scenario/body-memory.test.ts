import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Dialogue } from '../intake/dialogue.js';
import { startTwoNodes, type TwoNodes } from './two-nodes.js';
import { until } from './waiting.js';

const CLIENTS = 40;
const LINE = `${'x'.repeat(98)}\r\n`;
/** 200 kB each, 8 MB together. */
const LINES = 2000;
/** Bodies of that size that have room in 4 MiB. */
const HAVE_ROOM = 21;

/** Bodies that a node keeps in files. */
function bodyFiles({ topology }: TwoNodes, node: string): Promise<string[]> {
  return readdir(path.join(topology.node(node).dataDir, 'spool', 'bodies'));
}

test('with no memory for bodies all mail goes through files, and arrives as it was', async (t) => {
  const nodes = await startTwoNodes(t, ['max-body-memory: 0', 'max-connections: 2']);
  await Promise.all(
    Array.from({ length: CLIENTS }, (_, index) =>
      nodes.send(index % 2 === 0 ? 'edge' : 'core', `one-${index}@memory.test`),
    ),
  );
  await nodes.assertAllArrivedOnce();
  await until('the files to be removed', async () => {
    const files = await bodyFiles(nodes, 'core');
    return files.length === 0;
  });
});

test('bodies on their way in take no more memory than they may, and none is refused', async (t) => {
  const nodes = await startTwoNodes(t, ['max-body-memory: 4MiB']);
  const { port } = nodes.topology.relay('core');
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => Dialogue.open(port)));
  for (const [index, client] of clients.entries()) {
    await client.askAll('MAIL FROM:<a@memory.test>', `RCPT TO:<b-${index}@memory.test>`, 'DATA');
    client.write(`Subject: ${index}\r\n\r\n${LINE.repeat(LINES)}`);
  }
  await until('those without room to be in files', async () => {
    const files = await bodyFiles(nodes, 'core');
    return files.length >= CLIENTS - HAVE_ROOM;
  });
  const files = await bodyFiles(nodes, 'core');
  assert.ok(files.length < CLIENTS, 'those with room are not');
  for (const client of clients) {
    client.write('.\r\n');
    assert.match(await client.reply(), /^250 /);
  }
  const arrivals = await nodes.topology
    .sink()
    .untilArrived(clients.map((_, index) => `b-${index}@memory.test`));
  const hashes = new Set([...arrivals.values()].flat().map(({ body_sha256: hash }) => hash));
  assert.equal(arrivals.size, CLIENTS);
  assert.equal(hashes.size, 1);
});
