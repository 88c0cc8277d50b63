import { hostname } from 'node:os';
import { isLoopbackHost } from '../format/loopback.js';
import type { Fault, RuleId } from '../topology/fault.js';
import { isHost } from '../topology/host-address.js';
import type { LoadedTopology } from '../topology/load.js';
import { completeTopology, topologySchema } from '../topology/schema.js';
import type { Config } from './load.js';

const DEFAULT_NAME = 'relaymesh';
const DEFAULT_SMTP = { host: '127.0.0.1', port: 2525 };
const DEFAULT_API = { host: '127.0.0.1', port: 8025 };

/**
 * The topology of a node that has none: the node alone, as it is before any flat key is laid over
 * it. Its defaults are those of the flat keys.
 *
 * @param name Default: `relaymesh`.
 */
export function soleNode(
  config: Config | undefined,
  name = DEFAULT_NAME,
): { loaded: LoadedTopology; name: string } {
  const machine = hostname();
  const written = topologySchema.parse({
    version: 1,
    name,
    nodes: {
      [name]: {
        ...(isHost(machine) && !isLoopbackHost(machine) ? { hostname: machine } : {}),
        listen: [DEFAULT_SMTP],
        api: DEFAULT_API,
      },
    },
  });
  const file = config?.file ?? 'the command line and the environment';
  const positions = { file, at: () => ({ file, line: 0, column: 0 }), has: () => false };
  return { loaded: { topology: completeTopology(written), positions }, name };
}

/** What to do, in the words of a config file where those of a topology would not help. */
const HINTS: Partial<Record<RuleId, string>> = {
  'missing-certificate': 'set tls-cert and tls-key, or smtp-tls: none',
  'unknown-node': 'a host needs its full name, or a port as in relay:25',
  'unreachable-node': 'set users-file, or relay-from',
};

const LISTENER_TLS = [
  'give a listener tls: required',
  'set smtp-tls: required, with tls-cert and tls-key',
] as const;

/** A fault of the topology that `soleNode` made, for who wrote flat keys. */
export function wordedForKeys(fault: Fault): Fault {
  const hint = HINTS[fault.ruleId] ?? fault.hint?.replace(...LISTENER_TLS);
  return {
    ...fault,
    // a default stands in no line
    message: fault.message.replace(', line 0)', ')'),
    ...(hint === undefined ? {} : { hint }),
  };
}
