import { makeSecretText } from '../../base/secret.js';
import { otlpOf, otlpSecrets } from '../compile-otlp.js';
import { hopsOf } from '../node-hops.js';
import { spoolOf } from '../node-spool.js';
import type { Topology } from '../schema.js';

/** Values for all secrets with `generate: true`: those of an earlier run, else new ones. */
export function generateSecrets(
  topology: Topology,
  remembered: Readonly<Record<string, string>>,
): Record<string, string> {
  const generated: Record<string, string> = {};
  for (const [name, entry] of Object.entries(topology.secrets)) {
    if ('generate' in entry) {
      generated[name] = remembered[name] ?? makeSecretText();
    }
  }
  return generated;
}

/**
 * The secrets that a node has to know: those of its users and of the peers that log in at it, the
 * logins at its next hops, at its sink, at its collector and at its brokers, and the API tokens of it
 * and of its peers.
 */
export function secretsOfNode(topology: Topology, node: string): Set<string> {
  const needed = new Set<string>();
  for (const user of topology.nodes[node]?.users ?? []) needed.add(user.password.secret);
  for (const link of topology.links) {
    if (link.to !== node) continue;
    if (link.password !== undefined) needed.add(link.password.secret);
    for (const also of link['also-accept']) needed.add(also.secret);
  }
  for (const { planned } of hopsOf(topology, node)) {
    // a link's password is part of the plan when its login is the one used
    if ('plan' in planned && planned.plan.password !== undefined) needed.add(planned.plan.password);
  }
  for (const { api } of Object.values(topology.nodes)) {
    if (api?.token !== undefined) needed.add(api.token.secret);
  }
  const otlp = otlpOf(topology, node);
  if (otlp !== undefined) {
    for (const { secret } of otlpSecrets(otlp.entry, otlp.path)) needed.add(secret);
  }
  const spool = spoolOf(topology, node);
  if (spool?.entry.password !== undefined) needed.add(spool.entry.password.secret);
  const rabbitmq = topology.nodes[node]?.['rabbitmq-password'];
  if (rabbitmq !== undefined) needed.add(rabbitmq.secret);
  return needed;
}

/** The given values without those whose name is not in `names`. */
export function onlySecrets(
  values: Readonly<Record<string, string>>,
  names: ReadonlySet<string>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.has(name)));
}
