import { ApiClient } from './api/client.js';
import type { ApiPeer } from './api/settings.js';
import { codeOf, messageOf } from './base/errors.js';
import type { ChainHop, ChainTrace } from './trace/record.js';

const PEER_TIMEOUT_MS = 2000;

/** The APIs of the other nodes, for questions that span them. */
export class NodePeers {
  readonly #clients: ReadonlyMap<string, ApiClient>;

  constructor(peers: readonly ApiPeer[]) {
    this.#clients = new Map(
      peers.map(({ node, url, token }) => [
        node,
        new ApiClient({ url, token, timeoutMs: PEER_TIMEOUT_MS }),
      ]),
    );
  }

  get names(): string[] {
    return [...this.#clients.keys()];
  }

  /** Rejects when there is no answer in time. */
  ask<Answer>(node: string, path: string): Promise<Answer> {
    const client = this.#clients.get(node);
    return client === undefined
      ? Promise.reject(new Error('its API is not known here'))
      : client.getJson<Answer>(path);
  }

  /** What another node knows of a path; nothing where it knows none. Rejects as `ask` does. */
  async hops(node: string, id: string): Promise<ChainHop[]> {
    try {
      const { hops } = await this.ask<ChainTrace>(node, `/trace/${encodeURIComponent(id)}`);
      return hops;
    } catch (error) {
      if (codeOf(error) === 'NOT_FOUND') {
        return [];
      }
      throw new Error(messageOf(error), { cause: error });
    }
  }
}
