import { RABBITMQ_KEYS } from '../topology/schema-rabbitmq.js';
import type { NodeEntry } from '../topology/schema.js';
import type { OverlayContext } from './overlay-context.js';

/**
 * The flat keys about RabbitMQ, laid over a node's entry. An empty `rabbitmq-address` takes all of
 * them away that the topology has.
 */
export function overlayRabbitmq(node: NodeEntry, context: OverlayContext): void {
  const { config, nodeName, origins } = context;
  const entry: Record<string, unknown> = node;
  if (config.value('rabbitmq-address') === null) {
    for (const key of RABBITMQ_KEYS) delete entry[key];
    return;
  }
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
