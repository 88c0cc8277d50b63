import { hostnameOf } from '../compile.js';
import { isLoopbackHost } from '../../format/loopback.js';
import type { HopKeys } from '../hop-plan.js';
import { hopsOf } from '../node-hops.js';
import type { NodeEntry, Topology } from '../schema.js';
import { tunablesOf } from '../tunables.js';
import { withFiles, type NeededFile, type PlaceFile } from './needed-files.js';
import { sliceOf } from './slice.js';
import { completed, mappingAt, type Written } from './written.js';

export const EXPORT_TARGETS = ['systemd', 'compose', 'kubernetes'] as const;
export type ExportTarget = (typeof EXPORT_TARGETS)[number];

/** A topology as it is deployed. */
export interface Mesh {
  topology: Topology;
  written: Written;
}

/** One node as it is deployed. */
export interface NodePlan {
  name: string;
  host: string;
  slice: Written;
  files: NeededFile[];
  listeners: { name: string; port: number; isLocal: boolean }[];
  api: { host: string; port: number } | undefined;
  /** Clients that are not nodes of the mesh bring mail to it. */
  takesClients: boolean;
  drainSeconds: number;
  /** What the data folder holds at most, with what has to stay free beside it. */
  dataBytes: number;
  /** `relay-from` names addresses of the machine itself. */
  relayFromLocal: boolean;
  /** Programs that it runs for access tokens. */
  programs: string[];
}

/** How long after the drain a process is killed. */
const STOP_MARGIN_SECONDS = 15;

/** Longer than the node takes to end by itself. */
export function stopSeconds({ drainSeconds }: NodePlan): number {
  return drainSeconds + STOP_MARGIN_SECONDS;
}

export function planNode(
  { topology, written }: Mesh,
  name: string,
  place: (node: string) => PlaceFile,
): NodePlan {
  const node = topology.nodes[name] as NodeEntry;
  const tunables = tunablesOf(topology, node);
  const { slice, files } = withFiles(topology, sliceOf(topology, written, name), name, place(name));
  return {
    name,
    host: node.host,
    slice,
    files,
    listeners: node.listen.map((listener) => ({
      name: listener.name,
      port: Number(listener.port),
      isLocal: isLoopbackHost(listener.host),
    })),
    api: node.api === undefined ? undefined : { host: node.api.host, port: Number(node.api.port) },
    takesClients: node.users.length > 0 || node['relay-from'].length > 0,
    drainSeconds: tunables['drain-timeout'],
    dataBytes:
      tunables['max-queue-size'] +
      tunables['trace-max-size'] +
      tunables['delivery-keys-size'] +
      tunables['disk-reserve'],
    programs: [...new Set(hopsOf(topology, name).flatMap(({ keys }) => programOf(keys.token)))],
    relayFromLocal: node['relay-from'].some((network) =>
      isLoopbackHost(network.split('/')[0] ?? ''),
    ),
  };
}

function programOf(token: HopKeys['token']): string[] {
  return token !== undefined && 'command' in token ? token.command.slice(0, 1) : [];
}

/**
 * The topology as containers run it, each with a loopback of its own: a node that was reached there
 * is reached by its name, and an API answers there too. The name in greetings stays what it was.
 */
export function inContainers({ topology, written }: Mesh): Mesh {
  const nodes: Written = {};
  for (const [name, value] of Object.entries(mappingAt(written, 'nodes'))) {
    const entry = { ...(value as Written) };
    const node = topology.nodes[name] as NodeEntry;
    if (isLoopbackHost(node.host)) {
      entry['hostname'] = hostnameOf(topology, name);
      entry['host'] = name;
    }
    if (node.api !== undefined && isLoopbackHost(node.api.host)) {
      entry['api'] = { ...mappingAt(entry, 'api'), host: '0.0.0.0' };
    }
    nodes[name] = entry;
  }
  const placed = { ...written, nodes };
  return { topology: completed(placed), written: placed };
}
