import type { Path } from '../fault.js';
import { parseHostPort } from '../host-address.js';
import { FLAT_KEYS, isPool } from '../node-hops.js';
import type { NodeEntry } from '../schema.js';
import type { LintContext } from './context.js';

/** `smarthost-…` and `smtp-sink-…` keys that have nothing to be about, or that say a thing twice. */
export function checkFlatKeys(context: LintContext): void {
  for (const [name, node] of Object.entries(context.topology.nodes)) {
    checkSmarthostKeys(context, ['nodes', name], node);
    const given = givenKeys(node, 'smtp-sink');
    if (node['smtp-sink-address'] !== undefined || given.length === 0) continue;
    reportConflict(context, ['nodes', name], given, 'without `smtp-sink-address`', {
      hint: 'name the sink in `smtp-sink-address`',
    });
  }
}

function checkSmarthostKeys(context: LintContext, path: Path, node: NodeEntry): void {
  const { smarthost } = node;
  const given = givenKeys(node, 'smarthost');
  if (given.length === 0) return;
  if (smarthost === undefined) {
    reportConflict(context, path, given, 'without `smarthost`', {
      hint: 'name the next hop in `smarthost`',
    });
  } else if (typeof smarthost === 'object') {
    reportConflict(context, path, given, 'beside a `smarthost` that is a mapping', {
      hint: isPool(smarthost)
        ? 'write a member of the pool as { to: { hostname, port, username, password } }'
        : 'write it into the mapping',
    });
  } else if (given.includes('smarthost-port') && parseHostPort(smarthost)?.port !== undefined) {
    reportConflict(context, path, ['smarthost-port'], 'beside a `smarthost` that has a port', {
      hint: 'keep one of them',
    });
  }
}

function givenKeys(node: NodeEntry, prefix: 'smarthost' | 'smtp-sink'): string[] {
  return FLAT_KEYS.filter((key) => node[`${prefix}-${key}`] !== undefined).map(
    (key) => `${prefix}-${key}`,
  );
}

function reportConflict(
  { report }: LintContext,
  path: Path,
  given: readonly string[],
  problem: string,
  { hint }: { hint: string },
): void {
  const keys = given.map((key) => `\`${key}\``).join(' and ');
  const verb = given.length === 1 ? 'stands' : 'stand';
  const first = given[0] as string;
  report('flat-key-conflict', [...path, first], `${keys} ${verb} ${problem}`, {
    part: 'key',
    hint,
  });
}
