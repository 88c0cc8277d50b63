import { messageOf } from '../base/errors.js';
import { mesh, type Mesh } from './shape/mesh.js';

/** What the collection needs of the world. */
export interface CollectMeshOptions {
  /** This node's own part. */
  own: Mesh;
  /** Names of the nodes that can be asked. */
  peers: readonly string[];
  /** The own part of another node, within a deadline; rejects when there is none. */
  ask: (node: string) => Promise<unknown>;
}

/** Nodes that are asked at once. */
const MAX_AT_ONCE = 64;

/**
 * The parts of all nodes, asked in parallel. One that does not answer is named, with the reason, and
 * holds nobody up; of what it answers only what is about itself is believed.
 */
export async function collectMesh({ own, peers, ask }: CollectMeshOptions): Promise<Mesh> {
  const parts: Array<Pick<Mesh, 'nodes' | 'links'>> = [];
  const waiting = [...peers.entries()];
  const askNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, node] = next;
      parts[index] = await partOf(node, ask);
    }
  };
  await Promise.all(Array.from({ length: MAX_AT_ONCE }, askNext));
  return {
    ...own,
    nodes: [...own.nodes, ...parts.flatMap(({ nodes }) => nodes)],
    links: [...own.links, ...parts.flatMap(({ links }) => links)],
  };
}

async function partOf(
  node: string,
  ask: CollectMeshOptions['ask'],
): Promise<Pick<Mesh, 'nodes' | 'links'>> {
  try {
    const answer = mesh.safeParse(await ask(node));
    const self = answer.data?.nodes.filter((one) => one.node === node) ?? [];
    return answer.success && self.length === 1
      ? { nodes: self, links: answer.data.links.filter(({ from }) => from === node) }
      : unreachable(node, 'its API does not answer as that of this node');
  } catch (error) {
    return unreachable(node, messageOf(error));
  }
}

function unreachable(node: string, reason: string): Pick<Mesh, 'nodes' | 'links'> {
  const unknown = {
    ready: null,
    messages: null,
    quarantined: null,
    elsewhere: null,
    received_per_minute: null,
  };
  return { nodes: [{ node, reachable: false, reason, ...unknown }], links: [] };
}
