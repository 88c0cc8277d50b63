import { isLoopbackHost } from '../../format/loopback.js';
import type { Path } from '../fault.js';
import { entryOf } from '../hop-plan.js';
import {
  brokerIdentity,
  brokerPlace,
  spoolOf,
  type BrokerPlace,
  type NodeSpool,
} from '../node-spool.js';
import { didYouMean } from '../suggest.js';
import { tunablesOf } from '../tunables.js';
import { checkCaFile } from './ca-file.js';
import type { LintContext } from './context.js';

/** Spools that tiers share: their brokers, the logins there, and what cannot go with them. */
export function checkSpools(context: LintContext): void {
  const { topology } = context;
  const used = new Set<string>();
  const tiers = new Map<string, { node: string; broker: string }>();
  for (const name of Object.keys(topology.nodes)) {
    const spool = spoolOf(topology, name);
    if (spool === undefined) {
      checkWithoutSpool(context, name);
      continue;
    }
    // of the others only where they share matters to a node
    const judged = context.node === undefined || context.node === name;
    if (judged) checkWorkers(context, name);
    const place = checkPlace(context, name, spool);
    if (place === undefined) continue;
    if (place.kind === 'local') used.add(place.name);
    if (judged) checkLogin(context, name, spool, place);
    checkTier(context, name, spool, place, tiers);
  }
  for (const name of Object.keys(topology.brokers)) {
    if (used.has(name)) continue;
    context.report('unused-broker', ['brokers', name], `no node has its spool at '${name}'`, {
      part: 'key',
    });
  }
}

function checkWithoutSpool({ topology, report }: LintContext, name: string): void {
  entryOf(topology.nodes, name)?.queues.forEach((queue, index) => {
    if (queue['across-tier'] === undefined) return;
    const path = ['nodes', name, 'queues', index, 'across-tier'];
    report('unfit-spool', path, `node '${name}' shares its mail with no tier`, {
      part: 'key',
      hint: 'give it a `spool`, or take the key away',
    });
  });
}

function checkWorkers({ topology, report }: LintContext, name: string): void {
  const node = entryOf(topology.nodes, name);
  if (node === undefined || tunablesOf(topology, node).workers === 1) return;
  const path = node.workers === undefined ? ['defaults', 'workers'] : ['nodes', name, 'workers'];
  report(
    'unfit-spool',
    path,
    `node '${name}' shares its spool with a tier and has more than one worker`,
    { hint: 'start more nodes of the tier, each with one' },
  );
}

function checkPlace(
  { topology, report }: LintContext,
  node: string,
  { entry, keyPath }: NodeSpool,
): BrokerPlace | undefined {
  const names = Object.keys(topology.brokers);
  if (entry.amqp === undefined) {
    report('missing-key', ['nodes', node, 'spool'], 'a shared spool needs a broker', {
      part: 'key',
      hint: 'name it in `amqp`, here or under `spool` in `defaults`',
    });
    return undefined;
  }
  const at = keyPath('amqp');
  const found = brokerPlace(entry.amqp);
  if ('problems' in found) {
    for (const { ruleId, path, message, hint } of found.problems) {
      report(ruleId, [...at, ...path], message, { hint });
    }
    return undefined;
  }
  const { place } = found;
  if (place.kind === 'local' && !names.includes(place.name)) {
    report('unknown-broker', at, `no broker is named '${place.name}'`, {
      hint:
        didYouMean(place.name, names) ??
        'declare it under `brokers`, or write the URL of one: amqps://HOST',
    });
    return undefined;
  }
  return place;
}

function checkLogin(
  context: LintContext,
  node: string,
  { entry, keyPath }: NodeSpool,
  place: BrokerPlace,
): void {
  const { report, topology } = context;
  if (place.kind === 'local') {
    for (const key of ['username', 'password', 'ca'] as const) {
      if (entry[key] === undefined) continue;
      report('unfit-spool', keyPath(key), `the run itself makes the login at '${place.name}'`, {
        part: 'key',
        hint: `take \`${key}\` away, or name the URL of a broker in \`amqp\``,
      });
    }
    return;
  }
  for (const key of ['username', 'password'] as const) {
    if (entry[key] !== undefined) continue;
    report('missing-credential', keyPath('amqp'), `the spool of node '${node}' has no ${key}`, {
      part: 'key',
      hint: 'give it `username` and `password: { secret: NAME }` where its `amqp` stands',
    });
  }
  const clear = place.addresses.find(({ tls, host }) => !tls && !isLoopbackHost(host));
  const isAllowed = entryOf(topology.nodes, node)?.['allow-insecure-auth'] === true;
  if (clear !== undefined && !isAllowed) {
    const message = `the login and the mail would go to ${clear.host} in clear`;
    report('plaintext-login', keyPath('amqp'), message, {
      hint: 'write amqps://, or set `allow-insecure-auth: true` on the node',
    });
  }
  if (entry.ca !== undefined) checkCaFile(context, entry.ca, keyPath('ca'));
}

/** Two nodes of a tier that share nothing are most likely meant to. */
function checkTier(
  { report }: LintContext,
  node: string,
  { entry, keyPath }: NodeSpool,
  place: BrokerPlace,
  tiers: Map<string, { node: string; broker: string }>,
): void {
  if (entry.tier === undefined) return;
  const broker = brokerIdentity(place);
  const first = tiers.get(entry.tier);
  if (first === undefined) tiers.set(entry.tier, { node, broker });
  else if (first.broker !== broker) {
    const path: Path = keyPath('amqp');
    report(
      'different-brokers',
      path,
      `node '${node}' is in tier '${entry.tier}' with node '${first.node}', which has another broker`,
      { hint: 'name the same one, or give them different tiers' },
    );
  }
}
