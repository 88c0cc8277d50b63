import type { Path } from '../fault.js';
import { entryOf } from '../hop-plan.js';
import { tunablesOf } from '../tunables.js';
import type { LintContext } from './context.js';

/** Of those that are divided among workers, the ones that somebody may set to a few. */
const DIVIDED = [
  'max-connections',
  'max-messages-per-minute',
  'max-connects-per-minute',
  'max-sessions',
  'max-sessions-per-client',
  'max-connects-per-client-per-minute',
  'max-messages-per-client-per-minute',
  'max-messages-per-user-per-minute',
  'max-login-failures-per-client',
  'max-login-failures-per-user',
  'max-errors-per-client-per-minute',
  'max-queue-messages',
  'max-attempts-at-once',
  'max-reports-per-minute',
] as const;

/** Limits that cannot be divided among the workers of a node: each of them has at least 1. */
export function checkWorkers({ topology, node: own, report }: LintContext): void {
  for (const name of Object.keys(topology.nodes)) {
    const node = entryOf(topology.nodes, name);
    if (node === undefined || ![undefined, name].includes(own)) continue;
    const { workers } = tunablesOf(topology, node);
    const look = (entry: object | undefined, path: Path): void => {
      for (const key of DIVIDED) {
        const value: unknown = (entry as Record<string, unknown> | undefined)?.[key];
        if (typeof value !== 'number' || value >= workers) continue;
        report(
          'limit-below-workers',
          [...path, key],
          `node '${name}' has ${workers} workers, and each counts at least 1 of the ${value} allowed here`,
          { hint: `raise it to ${workers}, or lower \`workers\`` },
        );
      }
    };
    look(topology.defaults, ['defaults']);
    look(node, ['nodes', name]);
    node.queues.forEach((queue, index) => look(queue, ['nodes', name, 'queues', index]));
    topology.links.forEach((link, index) => {
      if (link.from === name) look(link, ['links', index]);
    });
  }
}
