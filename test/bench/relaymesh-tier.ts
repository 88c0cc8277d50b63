import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NodeClient } from '../scenario/node-client.js';
import { startBroker, withoutBroker, type TestBroker } from '../broker.js';
import type { Ending } from '../scenario/at-end.js';
import type { Absent, Contender, Holding, Running, StartOptions } from './contender.js';
import { startNode, type RunningNode } from './relaymesh-node.js';

/*
 * Nodes that share their mail at a broker, which runs beside them on this machine and belongs to
 * what is measured. It is the one that `topology up` starts: a single RabbitMQ with one scheduler,
 * so that its quorum queues have one member. Three of them on machines of their own would have the
 * network between them on top.
 */

const TIER = 'bench';
/** The queue of a node with one smarthost for all. */
const QUEUE = '(smarthost)';

/** @param nodes mail comes in at the first of them, and leaves from all */
export function tierOf(
  nodes: number,
  nodeOptions: readonly string[],
  name: string,
): Contender | Absent {
  const reason = withoutBroker();
  if (reason !== false) return { name, reason };
  const options = nodeOptions.length === 0 ? '' : `, ${nodeOptions.join(' ')}`;
  const each = nodes === 1 ? 'a node' : `${nodes} nodes`;
  return {
    name,
    description: `${each} and RabbitMQ with one scheduler on the same machine${options}`,
    syncsElsewhere: true,
    start: (owner, start) => startTier(owner, start, nodes, nodeOptions),
  };
}

async function startTier(
  owner: Ending,
  start: StartOptions,
  nodes: number,
  nodeOptions: readonly string[],
): Promise<Running> {
  const broker = await startBroker(owner);
  const passwordFile = path.join(start.folder, 'broker-password');
  await writeFile(passwordFile, broker.password, { mode: 0o600 });
  const shared = [
    `spool-amqp=amqp://${broker.host}:${broker.port}`,
    `spool-tier=${TIER}`,
    `spool-username=${broker.username}`,
    `spool-password-file=${passwordFile}`,
  ];
  const running: RunningNode[] = [];
  for (let at = 1; at <= nodes; at++) {
    const folder = path.join(start.folder, `node-${at}`);
    await mkdir(folder);
    const options = [...nodeOptions, ...shared, `node-name=node-${at}`];
    running.push(await startNode(owner, { ...start, folder }, options));
  }
  const brokerPids = pidsOf(broker);
  return {
    port: running[0]?.port ?? 0,
    pids: [...running.flatMap(({ pids }) => pids), ...brokerPids],
    brokerPids,
    holding: await holdingOf(running),
  };
}

function pidsOf(broker: TestBroker): number[] {
  const pid = broker.pid();
  if (pid === null) throw new Error('the broker has ended');
  return [pid];
}

/** Pauses what leaves, at every node, by its API: each has to have had mail before. */
async function holdingOf(nodes: readonly RunningNode[]): Promise<Holding> {
  const clients: NodeClient[] = [];
  for (const { apiPort, dataFolder } of nodes) {
    const token = await readFile(path.join(dataFolder, 'api-token'), 'utf8');
    clients.push(new NodeClient(`http://127.0.0.1:${apiPort}`, token.trim()));
  }
  const tell = async (action: 'pause' | 'resume'): Promise<void> => {
    await Promise.all(clients.map((client) => client.control(QUEUE, action)));
  };
  return { hold: () => tell('pause'), release: () => tell('resume') };
}
