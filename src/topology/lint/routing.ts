import type { HopPlan } from '../hop-plan.js';
import { isLoopbackHost } from '../../format/loopback.js';
import type { LintContext } from './context.js';

/** Where mail comes in, where it goes, and whether it arrives. */
export function checkRouting(context: LintContext): void {
  const next = nextNodes(context);
  checkCycles(context, next);
  checkReachable(context, next);
  checkDeadEnds(context);
  checkLinksInUse(context);
}

/** Node → the node that its mail goes to, also when that one is given by its address. */
function nextNodes({ topology, plans }: LintContext): Map<string, string> {
  const byAddress = new Map<string, string>();
  for (const [name, node] of Object.entries(topology.nodes)) {
    for (const { port } of node.listen) {
      if (port !== 'auto') byAddress.set(addressKey(node.host, port), name);
    }
  }
  const next = new Map<string, string>();
  for (const [name, planned] of plans) {
    const target = 'plan' in planned ? targetOf(planned.plan, byAddress) : planned.problem.target;
    if (target !== undefined) next.set(name, target);
  }
  return next;
}

function targetOf(plan: HopPlan, byAddress: Map<string, string>): string | undefined {
  if (plan.kind === 'node') return plan.name;
  if (plan.kind === 'sink' || plan.port === 'auto') return undefined;
  return byAddress.get(addressKey(plan.host, plan.port));
}

function addressKey(host: string, port: number): string {
  return `${isLoopbackHost(host) ? 'loopback' : host.toLowerCase()} ${port}`;
}

function checkCycles(context: LintContext, next: Map<string, string>): void {
  const done = new Set<string>();
  for (const start of next.keys()) {
    const walked: string[] = [];
    let at: string | undefined = start;
    while (at !== undefined && !done.has(at)) {
      done.add(at);
      walked.push(at);
      at = next.get(at);
    }
    const entry = at === undefined ? -1 : walked.indexOf(at);
    if (entry === -1) continue;
    const circle = walked.slice(entry);
    const first = circle[0] as string;
    const last = circle.at(-1) as string;
    const message =
      circle.length === 1
        ? `the smarthost of node '${first}' is the node itself (${first} -> ${first})`
        : `mail would go in a circle: ${[...circle, first].join(' -> ')}`;
    context.report('cycle', ['nodes', last, 'smarthost'], message, {
      hint: 'let one of them forward to a sink or to a host outside',
    });
  }
}

function checkReachable(context: LintContext, certain: Map<string, string>): void {
  const { nodes, links } = context.topology;
  const next = new Map(certain);
  for (const { from, to } of links) {
    // where a smarthost is misspelt, its link tells what was meant
    const planned = context.plans.get(from);
    if (planned !== undefined && !('plan' in planned) && !next.has(from)) next.set(from, to);
  }
  const reached = new Set<string>();
  for (const [name, node] of Object.entries(nodes)) {
    if (node.users.length === 0 && node['relay-from'].length === 0) continue;
    let at: string | undefined = name;
    while (at !== undefined && !reached.has(at)) {
      reached.add(at);
      at = next.get(at);
    }
  }
  const targets = new Set(next.values());
  for (const [name, node] of Object.entries(nodes)) {
    if (reached.has(name)) continue;
    // with an API that has a known place, programs may be all that brings mail
    const throughApi = node.api !== undefined && !targets.has(name);
    context.report(
      'unreachable-node',
      ['nodes', name],
      throughApi
        ? `mail reaches node '${name}' through its API only`
        : `no mail can reach node '${name}'`,
      {
        part: 'key',
        severity: throughApi ? 'warning' : 'error',
        hint: 'give it `users` or `relay-from`, or make it the smarthost of a node that has them',
      },
    );
  }
}

function checkDeadEnds({ topology, report }: LintContext): void {
  for (const [name, node] of Object.entries(topology.nodes)) {
    if (node.smarthost !== undefined) continue;
    report(
      'dead-end-node',
      ['nodes', name],
      `no mail can leave node '${name}': it has no smarthost`,
      {
        part: 'key',
        hint: 'delivery by MX is not available in this version, name a smarthost',
      },
    );
  }
}

function checkLinksInUse({ topology, plans, report }: LintContext): void {
  const used = new Set<number>();
  for (const planned of plans.values()) {
    if ('plan' in planned && planned.plan.link?.used === true) used.add(planned.plan.link.index);
  }
  topology.links.forEach((link, index) => {
    const { from, to } = link;
    const known = Object.hasOwn(topology.nodes, from) && Object.hasOwn(topology.nodes, to);
    const planned = plans.get(from);
    // what is wrong with the ends or with the smarthost is reported as such
    if (used.has(index) || !known || from === to || (planned && !('plan' in planned))) return;
    const ownLogin = planned?.plan.kind === 'node' && planned.plan.name === to;
    report(
      'unused-link',
      ['links', index],
      ownLogin
        ? `the smarthost of node '${from}' brings its own login, so this link is not used`
        : `no mail takes the link from '${from}' to '${to}'`,
      { hint: ownLogin ? undefined : `the smarthost of node '${from}' is not '${to}'` },
    );
  });
}
