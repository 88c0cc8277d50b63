import { Secret } from '../../base/secret.js';
import { joinHostPort, reachableHost } from '../host-address.js';
import type { Topology } from '../schema.js';
import type { RunState } from '../state.js';

/** Where a node's API is. */
export interface LiveSource {
  node: string;
  /** Null: nobody knows. */
  url: string | null;
  token: Secret | null;
}

/** The APIs of a run on this machine. */
export function sourcesOfRun(topology: Topology, { nodes, apiToken }: RunState): LiveSource[] {
  return Object.keys(topology.nodes).map((node) => {
    const entry = nodes[node];
    return { node, url: entry?.api ?? null, token: new Secret(entry?.apiToken ?? apiToken) };
  });
}

/**
 * The APIs as the topology gives their addresses; null when it gives none with a port.
 *
 * @param tokenOf The token of a node that has a secret for it, null when that is not here.
 * @param token Of all others.
 */
export function sourcesOfTopology(
  topology: Topology,
  tokenOf: (secret: string) => Secret | null,
  token: Secret | null,
): LiveSource[] | null {
  const sources = Object.entries(topology.nodes).map(([node, { host, api }]): LiveSource => {
    if (api === undefined || api.port === 'auto') return { node, url: null, token: null };
    const own = api.token === undefined ? null : tokenOf(api.token.secret);
    const address = joinHostPort(reachableHost(host, api.host), api.port);
    return { node, url: `http://${address}`, token: own ?? token };
  });
  return sources.some(({ url }) => url !== null) ? sources : null;
}
