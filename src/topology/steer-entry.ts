import { isIP } from 'node:net';
import type { Path } from './fault.js';
import { unknownName, type HopProblem } from './hop-plan.js';
import { isHost, parseHostPort } from './host-address.js';
import type { Topology } from './schema.js';

/** One entry of a `steer-to` list; a name stands for all listeners of that node or sink. */
export type SteerEntry =
  | { kind: 'name'; name: string }
  | { kind: 'host'; host: string; port: number }
  | { kind: 'domain'; domain: string; port: number };

const DEFAULT_PORT = 25;

/** Reads the entry at `path`. Hosts are lower case and without a dot at their end. */
export function parseSteerEntry(
  topology: Topology,
  text: string,
  path: Path,
): { entry: SteerEntry } | { problem: HopProblem } {
  if (isTopologyName(topology, text)) return { entry: { kind: 'name', name: text } };
  const wildcard = text.startsWith('*.');
  const parsed = parseHostPort(wildcard ? text.slice(2) : text);
  if (parsed === undefined || (wildcard && isIP(parsed.host) !== 0)) {
    return { problem: malformed(path) };
  }
  const host = parsed.host.toLowerCase().replace(/\.$/, '');
  const port = parsed.port ?? DEFAULT_PORT;
  if (wildcard) return { entry: { kind: 'domain', domain: host, port } };
  if (isTopologyName(topology, host)) {
    return {
      problem: {
        ruleId: 'invalid-value',
        path,
        message: `'${host}' is a name of the topology, which stands for its own ports`,
        hint: `write ${host} without a port`,
      },
    };
  }
  const isLabel = isHost(host) && isIP(host) === 0 && !host.includes('.') && host !== 'localhost';
  if (isLabel && parsed.port === undefined) return { problem: unknownName(topology, path, host) };
  return { entry: { kind: 'host', host, port } };
}

function isTopologyName({ nodes, sinks }: Topology, text: string): boolean {
  return Object.hasOwn(nodes, text) || Object.hasOwn(sinks, text);
}

function malformed(path: Path): HopProblem {
  return {
    ruleId: 'invalid-value',
    path,
    message: 'an entry of steer-to must be a name of the topology, `host:port` or `*.domain:port`',
    hint: 'every host that a message may name has to be listed; there is no entry for all of them',
  };
}
