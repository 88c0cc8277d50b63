import { BROKER_LOGIN_KEYS } from '../topology/node-spool.js';
import type { SpoolEntry } from '../topology/schema-spool.js';
import type { NodeEntry, Topology } from '../topology/schema.js';
import type { OverlayContext } from './overlay-context.js';
import type { ConfigKey } from './schema.js';

/** Members of the spool, beside its broker and the password there, that a flat key sets. */
const MEMBERS = ['tier', 'username', 'ca', 'prefetch', 'max-message-size'] as const;
const ABOUT_BROKER = [
  'spool-tier',
  'spool-username',
  'spool-password',
  'spool-password-file',
  'spool-ca',
  'spool-prefetch',
  'spool-max-message-size',
] as const satisfies ConfigKey[];

/**
 * The flat keys about a shared spool, laid over a node's entry. `spool-amqp` replaces the broker and
 * takes away the login that the topology has for it, so that no password goes to another broker
 * than it was meant for; the others change single members.
 */
export function overlaySpool(node: NodeEntry, topology: Topology, context: OverlayContext): void {
  const { config, nodeName, origins } = context;
  const path = ['nodes', nodeName, 'spool'];
  const amqp = config.value('spool-amqp');
  if (amqp === null) {
    node.spool = 'none';
  } else if (amqp !== undefined) {
    const spool: SpoolEntry = node.spool === 'none' ? {} : { ...node.spool };
    for (const key of BROKER_LOGIN_KEYS) delete spool[key];
    const [first] = amqp;
    // one by itself may be the name of a broker
    node.spool = { ...spool, amqp: amqp.length === 1 && first !== undefined ? first : amqp };
    origins.set([...path, 'amqp'], config.origin('spool-amqp'));
  }
  const given = ABOUT_BROKER.filter((key) => config.has(key));
  if (given.length === 0) return;
  if ((node.spool ?? topology.defaults.spool ?? 'none') === 'none') {
    given.forEach((key) => reportUnused(key, context));
    return;
  }
  node.spool = withMembers(node.spool === undefined ? {} : (node.spool as SpoolEntry), context);
}

function withMembers(before: SpoolEntry, context: OverlayContext): SpoolEntry {
  const { config, nodeName, origins, declare } = context;
  const spool: SpoolEntry = { ...before };
  const entry: Record<string, unknown> = spool;
  const path = ['nodes', nodeName, 'spool'];
  for (const member of MEMBERS) {
    const key = `spool-${member}` as const;
    const value = config.value(key);
    // in place of what `defaults` say
    if (value === null) entry[member] = undefined;
    else if (value !== undefined) entry[member] = value;
    origins.set([...path, member], config.origin(key));
  }
  for (const key of ['spool-password', 'spool-password-file'] as const) {
    const value = config.value(key);
    if (value === undefined) continue;
    const origin = config.origin(key);
    if (value === null) spool.password = undefined;
    else {
      const source = typeof value === 'string' ? { file: value } : value;
      spool.password = declare('password of the broker', source, origin);
    }
    origins.set([...path, 'password'], origin);
  }
  return spool;
}

function reportUnused(key: ConfigKey, { config, report }: OverlayContext): void {
  const origin = config.origin(key);
  report({
    ruleId: 'unused-key',
    severity: 'warning',
    message: `${key} has no effect: there is no spool-amqp`,
    where: origin?.where ?? key,
    ...(origin?.position === undefined ? {} : { line: origin.position.line }),
  });
}
