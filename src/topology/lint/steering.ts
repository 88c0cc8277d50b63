import type { Path } from '../fault.js';
import { parseSteerEntry } from '../steer-entry.js';
import type { LintContext } from './context.js';

/** Who may name a smarthost for a message, and which. */
export function checkSteering(context: LintContext): void {
  const { topology, report } = context;
  for (const [name, node] of Object.entries(topology.nodes)) {
    const path = ['nodes', name];
    checkEntries(context, node['steer-to'], path);
    node.users.forEach((user, index) => {
      checkPair(context, user, [...path, 'users', index]);
    });
  }
  topology.links.forEach((link, index) => {
    const path = ['links', index];
    checkPair(context, link, path);
    const hasLogin = link.username !== undefined || link.certificate !== undefined;
    if (link.may.length === 0 || hasLogin) return;
    report('steering', [...path, 'may'], 'without a login nobody steers over this link', {
      part: 'key',
      hint: 'give the link a username and a password',
    });
  });
}

function checkPair(
  context: LintContext,
  entry: { may: readonly string[]; 'steer-to': readonly string[] },
  path: Path,
): void {
  const { report } = context;
  const maySteer = entry.may.includes('steer');
  const hasTargets = entry['steer-to'].length > 0;
  checkEntries(context, entry['steer-to'], path);
  if (maySteer && !hasTargets) {
    report('steering', [...path, 'may'], '`may: [steer]` without `steer-to` allows nothing', {
      part: 'key',
      hint: 'list the smarthosts that messages may name in `steer-to`',
    });
  } else if (hasTargets && !maySteer) {
    report('steering', [...path, 'steer-to'], '`steer-to` has no effect without `may: [steer]`', {
      part: 'key',
    });
  }
}

function checkEntries(
  { topology, report }: LintContext,
  entries: readonly string[],
  at: Path,
): void {
  entries.forEach((text, index) => {
    const parsed = parseSteerEntry(topology, text, [...at, 'steer-to', index]);
    if ('entry' in parsed) return;
    const { ruleId, path, message, hint } = parsed.problem;
    report(ruleId, path, message, { hint });
  });
}
