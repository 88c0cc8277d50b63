import type { TestContext } from 'node:test';
import { ApiClient } from '../../src/api/client.js';
import { ApiServer } from '../../src/api/server.js';
import { systemClock } from '../../src/base/clock.js';
import { silentLogger } from '../../src/base/log.js';
import { Secret } from '../../src/base/secret.js';
import { NodePeers } from '../../src/node-peers.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { WorkerLink } from '../../src/workers/link.js';
import { MergedViews } from '../../src/workers/merged-views.js';
import { runNode, type RunningNode } from '../api/running-node.js';
import { SmtpClient } from '../sink/client.js';

export const NODE = 'edge';
export const TOKEN = 'token-of-the-front';

/** Two nodes of one name as workers, and the API that stands in front of them. */
export interface MergedBench {
  workers: [RunningNode, RunningNode];
  links: [WorkerLink, WorkerLink];
  port: number;
  url: string;
  client: ApiClient;
  merged: MergedViews;
  /** Hands a message to one worker by SMTP. */
  send(worker: 0 | 1, envelope?: { from?: string; to?: string[] }): Promise<void>;
}

export async function runMerged(
  t: TestContext,
  hop: NextHop,
  { peers = [] }: { peers?: readonly RunningNode[] } = {},
): Promise<MergedBench> {
  const workers: [RunningNode, RunningNode] = [
    await runNode(t, NODE, hop, undefined, { behindFront: true }),
    await runNode(t, NODE, hop, undefined, { behindFront: true }),
  ];
  const linkOf = (index: 0 | 1): WorkerLink => ({
    index,
    url: workers[index].url,
    token: `token-of-${NODE}`,
    up: true,
  });
  const links: [WorkerLink, WorkerLink] = [linkOf(0), linkOf(1)];
  const known = new NodePeers(
    peers.map(({ settings, url }) => ({
      node: settings.name,
      url,
      token: settings.api.token,
    })),
  );
  const merged = new MergedViews({
    node: NODE,
    links: () => links,
    peers: () => known,
    clock: systemClock,
    log: silentLogger,
    processOf: (worker) => ({ pid: 100 + worker, restarts: worker }),
    processMetrics: async () =>
      '# HELP relaymesh_process_resident_memory_bytes x\n# TYPE relaymesh_process_resident_memory_bytes gauge\nrelaymesh_process_resident_memory_bytes 7\n',
  });
  const settings = { host: '127.0.0.1', port: 0, token: new Secret(TOKEN), hosts: [], peers: [] };
  const server = new ApiServer(settings, merged.views, silentLogger);
  await server.start();
  t.after(async () => {
    merged.stop();
    await server.stop();
  });
  const { port } = server.address;
  const url = `http://127.0.0.1:${port}`;
  return {
    workers,
    links,
    port,
    url,
    client: new ApiClient({ url, token: new Secret(TOKEN), timeoutMs: 5000 }),
    merged,
    send: async (worker, { from = 'a@a.example', to = ['b@b.example'] } = {}) => {
      const client = await SmtpClient.greeted(workers[worker].smtpPort);
      const replies = await client.send(from, to, 'Subject: x\r\n\r\nx');
      client.destroy();
      if (replies.at(-1)?.startsWith('250 ') !== true) throw new Error(replies.join('; '));
    },
  };
}
