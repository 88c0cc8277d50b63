import { ApiClient } from './api/client.js';
import type { ApiPeer } from './api/settings.js';
import type { PeerAnswer, PeerRequest } from './api/views.js';
import { codeOf, messageOf } from './base/errors.js';
import type { ChainHop, ChainTrace } from './trace/record.js';

const PEER_TIMEOUT_MS = 2000;
/** For what somebody waits for who asked for this one node: an action may have much to do. */
const PASS_TIMEOUT_MS = 10_000;

/** The APIs of the other nodes, for questions that span them. */
export class NodePeers {
  readonly #clients: ReadonlyMap<string, ApiClient>;
  readonly #patient: ReadonlyMap<string, ApiClient>;
  readonly #tiers: ReadonlyMap<string, string>;

  constructor(peers: readonly ApiPeer[]) {
    const clients = (timeoutMs: number): Map<string, ApiClient> =>
      new Map(
        peers.map(({ node, url, token }) => [node, new ApiClient({ url, token, timeoutMs })]),
      );
    this.#tiers = new Map(
      peers.flatMap(({ node, tier }) => (tier === undefined ? [] : [[node, tier]])),
    );
    this.#clients = clients(PEER_TIMEOUT_MS);
    this.#patient = clients(PASS_TIMEOUT_MS);
  }

  get names(): string[] {
    return [...this.#clients.keys()];
  }

  /** The tier with which a node shares its mail; undefined: with nobody, as far as is known here. */
  tierOf(node: string): string | undefined {
    return this.#tiers.get(node);
  }

  /** Rejects when there is no answer in time. */
  ask<Answer>(node: string, path: string): Promise<Answer> {
    const client = this.#clients.get(node);
    return client === undefined
      ? Promise.reject(new Error('its API is not known here'))
      : client.getJson<Answer>(path);
  }

  /** Passes a request on; null for a node whose API is not known here. Rejects as `ApiClient.pass`. */
  pass(node: string, request: PeerRequest): Promise<PeerAnswer> | null {
    return this.#patient.get(node)?.pass(request) ?? null;
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
