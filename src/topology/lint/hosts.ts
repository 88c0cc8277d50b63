import type { Path } from '../fault.js';
import { isCutOff } from '../hop-plan.js';
import { isLoopbackHost } from '../../format/loopback.js';
import { isHost, isWildcard } from '../host-address.js';
import type { LintContext } from './context.js';

/** Addresses, and what only works when all of the mesh is on one machine. */
export function checkHosts(context: LintContext): void {
  const { topology, report } = context;
  const check = (host: string | undefined, path: Path): void => {
    if (host === undefined || isHost(host)) return;
    report('invalid-value', path, `${String(path.at(-1))} must be a hostname or an IP address`);
  };
  for (const [name, node] of Object.entries(topology.nodes)) {
    const path = ['nodes', name];
    check(node.host, [...path, 'host']);
    check(node.hostname?.replace(/^\[(?:IPv6:)?(.*)\]$/i, '$1'), [...path, 'hostname']);
    check(node.api?.host, [...path, 'api', 'host']);
    node.listen.forEach((listener, index) => {
      check(listener.host, [...path, 'listen', index, 'host']);
    });
    if (isWildcard(node.host)) {
      report('invalid-value', [...path, 'host'], `${node.host} is not where others reach a node`, {
        hint: 'to listen on all addresses, set `host` of the listener',
      });
    }
  }
  for (const [name, sink] of Object.entries(topology.sinks))
    check(sink.host, ['sinks', name, 'host']);
  checkOneMachine(context);
  checkCutOff(context);
}

function checkOneMachine({ topology, report }: LintContext): void {
  const remote = Object.entries(topology.nodes).find(
    ([, { host }]) => isHost(host) && !isWildcard(host) && !isLoopbackHost(host),
  );
  if (remote === undefined) return;
  const [remoteName, { host }] = remote;
  const because = `node '${remoteName}' is at ${host}`;
  const refuse = (path: Path, what: string, hint: string): void => {
    report('one-machine-only', path, `${what} works on one machine only, and ${because}`, { hint });
  };
  const hints = {
    secret: 'give the secret an `env` or a `file`',
    tls: 'name `ca`, `cert` and `key`',
    port: 'write the port',
  };
  for (const [name, secret] of Object.entries(topology.secrets)) {
    if ('generate' in secret) refuse(['secrets', name, 'generate'], '`generate`', hints.secret);
  }
  const tls = (entry: object | undefined, path: Path): void => {
    if (entry !== undefined && 'ephemeral' in entry) {
      refuse([...path, 'ephemeral'], '`ephemeral`', hints.tls);
    }
  };
  const port = (value: number | 'auto' | undefined, path: Path): void => {
    if (value === 'auto') refuse([...path, 'port'], '`port: auto`', hints.port);
  };
  tls(topology.tls, ['tls']);
  for (const [name, node] of Object.entries(topology.nodes)) {
    tls(node.tls, ['nodes', name, 'tls']);
    port(node.api?.port, ['nodes', name, 'api']);
    node.listen.forEach((listener, index) => {
      port(listener.port, ['nodes', name, 'listen', index]);
    });
  }
  for (const [name, sink] of Object.entries(topology.sinks)) port(sink.port, ['sinks', name]);
}

/** Listeners that another machine is sent to and cannot reach. */
function checkCutOff({ topology, hops, report }: LintContext): void {
  const seen = new Set<string>();
  for (const { planned } of [...hops.values()].flat()) {
    if (!('plan' in planned) || planned.plan.kind !== 'node') continue;
    const { name, listener } = planned.plan;
    const node = topology.nodes[name];
    if (node === undefined || listener === undefined || !isCutOff(node, listener)) continue;
    if (seen.has(name)) continue;
    seen.add(name);
    const index = node.listen.indexOf(listener);
    report(
      'loopback-listener',
      ['nodes', name, 'listen', index, 'host'],
      `node '${name}' is reached at ${node.host}, but this listener is on ${listener.host} only`,
      { hint: 'give the listener `host: 0.0.0.0` or an address of that machine' },
    );
  }
}
