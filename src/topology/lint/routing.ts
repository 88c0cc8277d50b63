import { isWildcard } from '../host-address.js';
import { parseSteerEntry } from '../steer-entry.js';
import type { LintContext } from './context.js';
import { addressKey, edgesOf, flowingEdges, type Edge, type Edges } from './edges.js';

/** Where mail comes in, where it goes, and whether it arrives. */
export function checkRouting(context: LintContext): void {
  const edges = edgesOf(context);
  checkCycles(context, edges);
  checkPossibleCycles(context, edges);
  checkReachable(context, edges);
  checkSinksInUse(context);
  checkLinksInUse(context);
}

/** What forwards to another node without condition; with a sink in between nothing does. */
function certainNext({ targets }: LintContext, edges: Edges): Map<string, Edge> {
  const next = new Map<string, Edge>();
  for (const [name, ofNode] of edges) {
    const edge = ofNode.find(({ always }) => always);
    if (edge !== undefined && targets.get(name)?.sink === undefined) next.set(name, edge);
  }
  return next;
}

function checkCycles(context: LintContext, edges: Edges): void {
  const next = certainNext(context, edges);
  const done = new Set<string>();
  for (const start of next.keys()) {
    const walked: string[] = [];
    let at: string | undefined = start;
    while (at !== undefined && !done.has(at)) {
      done.add(at);
      walked.push(at);
      at = next.get(at)?.to;
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
    context.report('cycle', next.get(last)?.path ?? ['nodes', last], message, {
      hint: 'let one of them forward to a sink or to a host outside',
    });
  }
}

/** Circles that take a route, a pool or a failover: some mail may go round, not all of it. */
function checkPossibleCycles(context: LintContext, edges: Edges): void {
  const flowing = flowingEdges(context, edges);
  const seen = new Set<string>();
  for (const [from, ofNode] of flowing) {
    for (const { to, path, always } of ofNode) {
      const way = always ? undefined : shortestWay(flowing, to, from);
      if (way === undefined) continue;
      const members = way.toSorted().join(' ');
      if (seen.has(members)) continue;
      seen.add(members);
      context.report('cycle', path, `mail could go in a circle: ${[from, ...way].join(' -> ')}`, {
        severity: 'warning',
        hint: 'a message that comes back to a node is refused there (554 5.4.6) and bounces',
      });
    }
  }
}

/** The nodes from `start` to `end`, both included; undefined when no mail goes that way. */
function shortestWay(edges: Edges, start: string, end: string): string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[start, undefined]]);
  for (const name of cameFrom.keys()) {
    if (name === end) {
      const way: string[] = [];
      for (let at: string | undefined = end; at !== undefined; at = cameFrom.get(at)) way.push(at);
      return way.toReversed();
    }
    for (const { to } of edges.get(name) ?? []) {
      if (!cameFrom.has(to)) cameFrom.set(to, name);
    }
  }
  return undefined;
}

/** Node → the nodes that its mail may reach: by its hops, and by messages that name one. */
function reachFrom({ topology, hops }: LintContext, edges: Edges): Map<string, Set<string>> {
  const reach = new Map<string, Set<string>>();
  for (const [name, node] of Object.entries(topology.nodes)) {
    const next = new Set((edges.get(name) ?? []).map(({ to }) => to));
    const unknown = hops.get(name)?.some(({ planned }) => 'problem' in planned) === true;
    const into = topology.links.filter((link) => link.to === name);
    // where a smarthost is misspelt, its link tells what was meant
    for (const { from, to } of topology.links) if (unknown && from === name) next.add(to);
    const lists = [node, ...node.users, ...into].map((one) => one['steer-to']);
    for (const text of lists.flat()) {
      const parsed = parseSteerEntry(topology, text, []);
      if ('entry' in parsed && parsed.entry.kind === 'name') next.add(parsed.entry.name);
    }
    reach.set(name, next);
  }
  return reach;
}

function checkReachable(context: LintContext, edges: Edges): void {
  const { nodes } = context.topology;
  const reach = reachFrom(context, edges);
  const runs = Object.keys(nodes).find((name) => name === context.node);
  const reached = new Set(
    Object.entries(nodes)
      .filter(
        ([name, node]) =>
          // how mail comes to the other nodes is seen where they run
          (runs !== undefined && runs !== name) ||
          node.users.length > 0 ||
          node['relay-from'].length > 0,
      )
      .map(([name]) => name),
  );
  for (const name of reached) for (const to of reach.get(name) ?? []) reached.add(to);
  const targets = new Set([...reach.values()].flatMap((names) => [...names]));
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

/**
 * Sinks that nothing names, and that stand for no host that something names. Flat keys of a node that
 * starts may turn its mail away from one.
 */
function checkSinksInUse(context: LintContext): void {
  const { topology, hops, node, report } = context;
  const planned = [...hops.values()].flat().map((hop) => hop.planned);
  // a name with a slip may have meant any of them
  if (node !== undefined || planned.some((one) => 'problem' in one)) return;
  const named = new Set<string>();
  const addresses = new Set<string>();
  for (const one of planned) {
    if (!('plan' in one)) continue;
    named.add(one.plan.name);
    if (one.plan.port !== 'auto') addresses.add(addressKey(one.plan.host, one.plan.port));
  }
  const steerable = [...Object.values(topology.nodes), ...topology.links].flatMap((entry) => [
    ...entry['steer-to'],
    ...('users' in entry ? entry.users : []).flatMap((user) => user['steer-to']),
  ]);
  for (const text of steerable) {
    const parsed = parseSteerEntry(topology, text, []);
    // hosts by pattern may be anything that has this port
    if (!('entry' in parsed) || parsed.entry.kind !== 'name') return;
    named.add(parsed.entry.name);
  }
  const outside = outsideHosts(context);
  for (const [name, { host, port, 'stands-for': standsFor }] of Object.entries(topology.sinks)) {
    const byAddress = port !== 'auto' && addresses.has(addressKey(sinkMachine(host), port));
    const standsIn = standsFor.some((text) => outside.has(text.toLowerCase()));
    // a node of the same name is a fault of its own
    if (named.has(name) || byAddress || standsIn || Object.hasOwn(topology.nodes, name)) continue;
    report('unreachable-sink', ['sinks', name], `no mail can reach sink '${name}'`, {
      part: 'key',
      hint: 'make it a smarthost or the smtp-sink-address of a node, or take it away',
    });
  }
}

/** The hosts that mail goes to, as `host`, as `host:port`, and `*` where it goes by MX. */
function outsideHosts({ hops, targets }: LintContext): Set<string> {
  const names = new Set<string>();
  for (const { planned } of [...hops.values()].flat()) {
    if (!('plan' in planned) || planned.plan.kind !== 'host') continue;
    const host = planned.plan.host.toLowerCase();
    names.add(host).add(`${host}:${planned.plan.port}`);
  }
  for (const { fallback, routes } of targets.values()) {
    if ([fallback, ...routes.map(({ target }) => target)].some(({ kind }) => kind === 'mx')) {
      names.add('*');
    }
  }
  return names;
}

/** Where a sink that is bound to all addresses is reached. */
function sinkMachine(host: string): string {
  return isWildcard(host) ? '127.0.0.1' : host;
}

function checkLinksInUse({ topology, hops, report }: LintContext): void {
  const used = new Set<number>();
  for (const { planned } of [...hops.values()].flat()) {
    if ('plan' in planned && planned.plan.link?.used === true) used.add(planned.plan.link.index);
  }
  topology.links.forEach((link, index) => {
    const { from, to } = link;
    const known = Object.hasOwn(topology.nodes, from) && Object.hasOwn(topology.nodes, to);
    const ofSender = (hops.get(from) ?? []).map(({ planned }) => planned);
    // what is wrong with the ends or with a hop is reported as such
    const unclear = !known || from === to || ofSender.some((planned) => 'problem' in planned);
    if (used.has(index) || unclear) return;
    const ownLogin = ofSender.some(
      (planned) => 'plan' in planned && planned.plan.kind === 'node' && planned.plan.name === to,
    );
    report(
      'unused-link',
      ['links', index],
      ownLogin
        ? `the smarthost of node '${from}' brings its own login, so this link is not used`
        : `no mail takes the link from '${from}' to '${to}'`,
      {
        hint: ownLogin
          ? undefined
          : `neither the smarthost nor a route of node '${from}' is '${to}'`,
      },
    );
  });
}
