import { isIP } from 'node:net';
import type { Path } from '../fault.js';
import { isLoopbackHost } from '../../format/loopback.js';
import { isWildcard } from '../host-address.js';
import type { LintContext } from './context.js';

interface Socket {
  /** What listens, for people. */
  owner: string;
  bind: string;
  port: number;
  path: Path;
}

/** Two servers of one machine on the same address and port. */
export function checkPorts(context: LintContext): void {
  const byMachineAndPort = new Map<string, Socket[]>();
  const add = (machine: string, socket: Omit<Socket, 'port'>, port: number | 'auto'): void => {
    if (port === 'auto') return;
    // all loopback addresses belong to the one machine that the file is for
    const key = `${isLoopbackHost(machine) ? 'loopback' : machine.toLowerCase()} ${port}`;
    const others = byMachineAndPort.get(key) ?? [];
    byMachineAndPort.set(key, others);
    const taken = others.find((other) => overlap(other.bind, socket.bind));
    others.push({ ...socket, port });
    if (taken === undefined) return;
    const { line } = context.positions.at(taken.path);
    context.report(
      'duplicate-port',
      socket.path,
      `${socket.owner} wants port ${port} of ${socket.bind}, which ${taken.owner} has (${taken.bind}, line ${line})`,
    );
  };
  const { nodes, sinks, brokers } = context.topology;
  for (const [name, node] of Object.entries(nodes)) {
    node.listen.forEach((listener, index) => {
      const path = ['nodes', name, 'listen', index, 'port'];
      const owner = `listener '${listener.name}' of node '${name}'`;
      add(node.host, { owner, bind: listener.host, path }, listener.port);
    });
    if (node.api !== undefined) {
      const path = ['nodes', name, 'api', 'port'];
      add(
        node.host,
        { owner: `the API of node '${name}'`, bind: node.api.host, path },
        node.api.port,
      );
    }
  }
  for (const [name, sink] of Object.entries(sinks)) {
    const path = ['sinks', name, 'port'];
    const machine = isWildcard(sink.host) ? '127.0.0.1' : sink.host;
    add(machine, { owner: `sink '${name}'`, bind: sink.host, path }, sink.port);
  }
  for (const [name, { port }] of Object.entries(brokers)) {
    const bind = '127.0.0.1';
    add(bind, { owner: `broker '${name}'`, bind, path: ['brokers', name, 'port'] }, port);
  }
}

/** Whether two servers that are bound to these addresses of one machine are in each other's way. */
function overlap(a: string, b: string): boolean {
  if (a.toLowerCase() === b.toLowerCase()) return true;
  const [first, second] = [families(a), families(b)];
  // `::` takes IPv4 as well
  if (isWildcard(a) || isWildcard(b)) {
    const wildcard = isWildcard(a) ? first : second;
    return wildcard.has(6) || first.has(4) === second.has(4);
  }
  return isAlias(a, b) || isAlias(b, a);
}

function families(host: string): Set<number> {
  const family = isIP(host);
  return new Set(family === 0 ? [4, 6] : [family]);
}

function isAlias(name: string, address: string): boolean {
  return name.toLowerCase() === 'localhost' && (address === '127.0.0.1' || address === '::1');
}
