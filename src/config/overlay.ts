import { Secret } from '../base/secret.js';
import type { Path } from '../topology/fault.js';
import { LIMIT_KEYS } from '../topology/schema-limits.js';
import type { NodeEntry, SecretEntry, Topology } from '../topology/schema.js';
import type { ConfigFault } from './fault.js';
import type { Config } from './load.js';
import { PathOrigins, type OverlayContext } from './overlay-context.js';
import { overlayHops } from './overlay-hops.js';
import { overlayOtlp } from './overlay-otlp.js';
import { overlayRabbitmq } from './overlay-rabbitmq.js';
import { overlayServer } from './overlay-server.js';
import { overlaySpool } from './overlay-spool.js';
import type { ConfigKey } from './schema.js';

/** A topology in which the flat keys of one node have been laid over its entry. */
export interface Overlaid {
  topology: Topology;
  origins: PathOrigins;
  /** Values of the secrets that the flat keys brought, where they are not in a file of their own. */
  secrets: ReadonlyMap<string, Secret>;
  faults: ConfigFault[];
}

/** Flat keys that have the same name and the same value in a node's entry. */
const SAME_IN_NODE = [
  'hostname',
  'relay-from',
  'steer-to',
  'allow-insecure-auth',
  'dns-servers',
  'mx-port',
  'max-connections',
  'max-messages-per-connection',
  'max-messages-per-minute',
  'max-connects-per-minute',
  'idle-timeout',
  'retry-interval',
  'expire-after',
  'doubt-timeout',
  'drain-timeout',
  'workers',
  'spool-fallback',
  ...LIMIT_KEYS,
] as const satisfies ConfigKey[];

/**
 * Lays the flat keys over the entry of one node; what they do not name stays as it is, and so does
 * everything else of the topology. Pure.
 *
 * @param topology must have the node
 * @param locate place of a value of the topology, for people
 */
export function overlayNode(
  topology: Topology,
  nodeName: string,
  config: Config,
  locate: (path: Path) => string,
): Overlaid {
  const secrets = new Map<string, Secret>();
  const declared: Record<string, SecretEntry> = { ...topology.secrets };
  const origins = new PathOrigins();
  const faults: ConfigFault[] = [];
  const context: OverlayContext = {
    config,
    nodeName,
    locate,
    origins,
    declare(name, source, origin) {
      let secret = name;
      while (Object.hasOwn(declared, secret)) secret += '+';
      // the value itself is handed on beside the topology
      declared[secret] = source instanceof Secret ? { env: 'RELAYMESH' } : source;
      if (source instanceof Secret) secrets.set(secret, source);
      origins.set(['secrets', secret], origin);
      return { secret };
    },
    report: (fault) => faults.push(fault),
  };
  const node: NodeEntry = { ...(topology.nodes[nodeName] as NodeEntry) };
  overlaySameKeys(node, context);
  overlayServer(node, context);
  overlayHops(node, context);
  overlayOtlp(node, topology, context);
  overlayRabbitmq(node, context);
  overlaySpool(node, topology, context);
  return {
    topology: { ...topology, secrets: declared, nodes: { ...topology.nodes, [nodeName]: node } },
    origins,
    secrets,
    faults,
  };
}

function overlaySameKeys(node: NodeEntry, { config, nodeName, origins }: OverlayContext): void {
  const entry: Record<string, unknown> = node;
  for (const key of SAME_IN_NODE) {
    const value = config.value(key);
    if (value === undefined) continue;
    const isList = key === 'relay-from' || key === 'steer-to';
    if (value !== null) entry[key] = value;
    else if (isList) entry[key] = [];
    else delete entry[key];
    origins.set(['nodes', nodeName, key], config.origin(key));
  }
}
