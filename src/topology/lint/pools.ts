import type { Path } from '../fault.js';
import { identityOf } from '../hop-plan.js';
import type { NodeHop, NodeTargets, Target } from '../node-hops.js';
import type { RouteEntry } from '../schema-routes.js';
import type { LintContext } from './context.js';

type Pool = Extract<Target, { kind: 'pool' }>;

/** Routes that no mail takes, and pools that cannot share it. */
export function checkPools(context: LintContext): void {
  for (const [name, { routes, fallback }] of context.targets) {
    for (const target of [fallback, ...routes.map((route) => route.target)]) {
      if (target.kind === 'pool') checkPool(context, target);
    }
    checkOrder(context, name, routes);
  }
}

function checkPool({ positions, report }: LintContext, pool: Pool): void {
  const { path, members, failover } = pool;
  if (members.every(({ weight }) => weight === 0)) {
    report('zero-weight-pool', [...path, 'pool'], 'no member of this pool has a weight above 0', {
      part: 'key',
      hint: 'a member with weight 0 gets no mail; give one of them a weight, or leave it out',
    });
  }
  const seen = new Map<string, NodeHop>();
  for (const hop of [...members.map((member) => member.hop), ...failover]) {
    if (!('plan' in hop.planned)) continue;
    const identity = identityOf(hop.planned.plan);
    const first = seen.get(identity);
    if (first === undefined) {
      seen.set(identity, hop);
      continue;
    }
    const { line } = positions.at(first.path);
    report(
      'duplicate-pool-member',
      hop.path,
      `'${hop.planned.plan.name}' is already in this pool (line ${line})`,
      {
        hint:
          hop.role === 'failover'
            ? 'failover is for when every member is at fault; name another next hop'
            : 'for a larger share of the mail, give it more `weight`',
      },
    );
  }
}

function checkOrder(
  { positions, report }: LintContext,
  name: string,
  routes: NodeTargets['routes'],
): void {
  const all = routes.findIndex(({ entry }) => takesAllMail(entry));
  const before = all === -1 ? routes : routes.slice(0, all);
  const seen = new Map<string, Path>();
  for (const { entry, path } of before) {
    const conditions = conditionsOf(entry);
    const same = seen.get(conditions);
    if (same === undefined) {
      seen.set(conditions, path);
      continue;
    }
    report(
      'unreachable-route',
      path,
      `no mail takes this route of node '${name}': the one on line ${positions.at(same).line} has the same conditions`,
      { hint: 'take it away, or give it other conditions' },
    );
  }
  if (all === -1) return;
  const { line } = positions.at(routes[all]?.path ?? []);
  for (const { path } of routes.slice(all + 1)) {
    report(
      'unreachable-route',
      path,
      `no mail takes this route of node '${name}': the one on line ${line} takes all of it`,
      { hint: 'move the route without conditions to the end, or write it as the `smarthost`' },
    );
  }
}

/** The same text for the same conditions. */
function conditionsOf({ recipient, sender, user, tag, size, attempts }: RouteEntry): string {
  const patterns = [recipient, sender, user, tag].map((condition) =>
    condition === undefined ? null : [condition].flat(),
  );
  return JSON.stringify([patterns, size, attempts]);
}

function takesAllMail({ recipient, sender, user, tag, size, attempts }: RouteEntry): boolean {
  const anyone = recipient === undefined || [recipient].flat().includes('*');
  const others = [sender, user, tag, size, attempts];
  return anyone && others.every((condition) => condition === undefined);
}
