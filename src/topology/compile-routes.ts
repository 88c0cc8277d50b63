import type { Comparison, RouteRule, RouteTable, RouteTarget } from '../route/table.js';
import type { NextHop } from '../send/next-hop.js';
import { compileCapacities } from './compile-capacities.js';
import { HopQueues } from './compile-hops.js';
import type { CompileInputs } from './compile-inputs.js';
import type { NextHopCompiler } from './compile-next-hop.js';
import { entryOf, planNamed } from './hop-plan.js';
import { targetsOf, type Target } from './node-hops.js';
import type { RouteEntry } from './schema-routes.js';
import type { NodeEntry, Topology } from './schema.js';
import { bytesOf } from './size.js';
import { parseSteerEntry } from './steer-entry.js';

const MX_PORT = 25;

/**
 * The routing of one node.
 *
 * @throws RelayError UNKNOWN_SMARTHOST, PORT_NOT_ALLOTTED, MISSING_CREDENTIAL, and whatever
 *   `inputs` throw.
 */
export function compileRoutes(
  topology: Topology,
  nodeName: string,
  node: NodeEntry,
  compiler: NextHopCompiler,
  inputs: CompileInputs,
): RouteTable {
  const targets = targetsOf(topology, nodeName);
  const queues = new HopQueues(compiler, topology.links);
  // the smarthost comes first: its queue keeps its name, whatever routes there are
  const fallback = compileTarget(targets.fallback, queues);
  const rules = targets.routes.map(({ entry, path, target }) =>
    compileRule(entry, inputs.locate(path), compileTarget(target, queues)),
  );
  const { outsideRoots } = compiler;
  const ca = outsideRoots === undefined ? {} : { ca: outsideRoots };
  return {
    rules,
    fallback,
    sink: targets.sink === undefined ? null : compiler.compile(targets.sink),
    mx: { port: node['mx-port'] ?? MX_PORT, tls: 'opportunistic', ...ca },
    named: compileNamed(topology, nodeName, node, compiler),
    ...(compiler.replyRules.length === 0 ? {} : { replyRules: compiler.replyRules }),
    ...ca,
    allowInsecureAuth: node['allow-insecure-auth'] ?? false,
    capacities: compileCapacities(topology, node, queues.all),
  };
}

function compileTarget(target: Target, queues: HopQueues): RouteTarget {
  switch (target.kind) {
    case 'mx':
      return { kind: 'mx' };
    case 'hop':
      return { kind: 'hop', hop: queues.queueOf(target.hop) };
    case 'pool':
      return {
        kind: 'pool',
        members: target.members.map(({ hop, weight }) => ({ hop: queues.queueOf(hop), weight })),
        failover: target.failover.map((hop) => queues.queueOf(hop)),
      };
  }
}

function compileRule(entry: RouteEntry, where: string, target: RouteTarget): RouteRule {
  const rule: RouteRule = { where, target };
  for (const condition of ['recipient', 'sender', 'user', 'tag'] as const) {
    const patterns = entry[condition];
    if (patterns !== undefined) rule[condition] = [patterns].flat();
  }
  if (entry.size !== undefined) rule.sizeBytes = parseSize(entry.size);
  if (entry.attempts !== undefined) rule.attempts = parseAttempts(entry.attempts);
  return rule;
}

/** The schema has checked the form: an operator, a number, and perhaps a unit. */
export function parseSize(text: string): Comparison {
  const [, operator, size = ''] = /^([<>]=?)\s*(.*)$/.exec(text) ?? [];
  return { operator: operator as Comparison['operator'], value: bytesOf(size) };
}

function parseAttempts(attempts: number | string): Comparison {
  if (typeof attempts === 'number') return { operator: '=', value: attempts };
  const [, operator, number] = /^([<>]=?|=)\s*(\d+)$/.exec(attempts) ?? [];
  return { operator: operator as Comparison['operator'], value: Number(number) };
}

/** The nodes and sinks that any `steer-to` list names that holds at this node. */
function compileNamed(
  topology: Topology,
  nodeName: string,
  node: NodeEntry,
  compiler: NextHopCompiler,
): Record<string, NextHop> {
  const lists = [
    node['steer-to'],
    ...node.users.map((user) => user['steer-to']),
    ...topology.links.filter((link) => link.to === nodeName).map((link) => link['steer-to']),
  ];
  const named: Record<string, NextHop> = {};
  for (const text of new Set(lists.flat())) {
    const path = ['nodes', nodeName];
    const parsed = parseSteerEntry(topology, text, path);
    if (!('entry' in parsed) || parsed.entry.kind !== 'name') continue;
    const { name } = parsed.entry;
    const plan = entryOf(named, name) === undefined ? planNamed(topology, name) : undefined;
    if (plan !== undefined) named[name] = compiler.compilePlan(plan, path);
  }
  return named;
}
