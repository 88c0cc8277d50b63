import { RABBITMQ_KEYS } from '../topology/schema-rabbitmq.js';
import type { NodeEntry } from '../topology/schema.js';
import type { OverlayContext } from './overlay-context.js';

/** A login goes to the broker that it is named with, and no other. */
const LOGIN_KEYS = ['rabbitmq-username', 'rabbitmq-password', 'rabbitmq-ca'] as const;

/**
 * The flat keys about RabbitMQ, laid over a node's entry. `rabbitmq-address` takes away the login that
 * the topology has for another broker; an empty one takes away all that it has.
 */
export function overlayRabbitmq(node: NodeEntry, context: OverlayContext): void {
  const { config, nodeName, origins } = context;
  const entry: Record<string, unknown> = node;
  const address = config.value('rabbitmq-address');
  if (address !== undefined) {
    for (const key of address === null ? RABBITMQ_KEYS : LOGIN_KEYS) delete entry[key];
  }
  if (address === null) return;
  for (const key of RABBITMQ_KEYS) {
    if (key === 'rabbitmq-password') continue;
    const value = config.value(key);
    if (value === undefined) continue;
    if (value === null) delete entry[key];
    else entry[key] = value;
    origins.set(['nodes', nodeName, key], config.origin(key));
  }
  overlayPassword(node, context);
}

function overlayPassword(
  node: NodeEntry,
  { config, nodeName, origins, declare }: OverlayContext,
): void {
  const keys = ['rabbitmq-password', 'rabbitmq-password-file'] as const;
  const given = keys.find((key) => (config.value(key) ?? undefined) !== undefined);
  const named = given ?? keys.find((key) => config.has(key));
  if (named === undefined) return;
  const origin = config.origin(named);
  const file = config.value('rabbitmq-password-file') ?? undefined;
  const password = config.value('rabbitmq-password') ?? undefined;
  delete node['rabbitmq-password'];
  if (file !== undefined) node['rabbitmq-password'] = declare(named, { file }, origin);
  else if (password !== undefined) node['rabbitmq-password'] = declare(named, password, origin);
  origins.set(['nodes', nodeName, 'rabbitmq-password'], origin);
}
