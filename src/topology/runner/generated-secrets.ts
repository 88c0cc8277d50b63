import { randomBytes } from 'node:crypto';
import type { Topology } from '../schema.js';

const GENERATED_BYTES = 32;

/** Values for all secrets with `generate: true`: those of an earlier run, else new ones. */
export function generateSecrets(
  topology: Topology,
  remembered: Readonly<Record<string, string>>,
): Record<string, string> {
  const generated: Record<string, string> = {};
  for (const [name, entry] of Object.entries(topology.secrets)) {
    if ('generate' in entry) {
      generated[name] = remembered[name] ?? randomBytes(GENERATED_BYTES).toString('base64url');
    }
  }
  return generated;
}

/**
 * The secrets that a node has to know: its users', those of both ends of its links, the login at
 * its smarthost, and the API tokens of it and of its peers.
 */
export function secretsOfNode(topology: Topology, node: string): Set<string> {
  const needed = new Set<string>();
  const entry = topology.nodes[node];
  for (const user of entry?.users ?? []) needed.add(user.password.secret);
  for (const link of topology.links) {
    if (link.from !== node && link.to !== node) continue;
    if (link.password !== undefined) needed.add(link.password.secret);
    if (link.to === node) for (const also of link['also-accept']) needed.add(also.secret);
  }
  const smarthost = entry?.smarthost;
  if (typeof smarthost === 'object' && smarthost.password !== undefined) {
    needed.add(smarthost.password.secret);
  }
  for (const { api } of Object.values(topology.nodes)) {
    if (api?.token !== undefined) needed.add(api.token.secret);
  }
  return needed;
}

/** The given values without those whose name is not in `names`. */
export function onlySecrets(
  values: Readonly<Record<string, string>>,
  names: ReadonlySet<string>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.has(name)));
}
