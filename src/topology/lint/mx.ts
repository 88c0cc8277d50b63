import { isIP } from 'node:net';
import { isLoopbackAddress } from '../../format/loopback.js';
import { parseHostPort } from '../host-address.js';
import type { NodeEntry, Topology } from '../schema.js';
import type { LintContext } from './context.js';

/** Delivery to the mail servers of the recipients: where it is not meant, and how they are found. */
export function checkMx(context: LintContext): void {
  const { topology, report } = context;
  const playground = runsOnOneMachine(topology);
  for (const [name, node] of Object.entries(topology.nodes)) {
    const path = ['nodes', name];
    node['dns-servers']?.forEach((server, index) => {
      if (isIP(parseHostPort(server)?.host ?? '') !== 0) return;
      const message = 'a DNS server must be an IP address, with an optional port';
      report('invalid-value', [...path, 'dns-servers', index], message, {
        hint: 'as in 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353',
      });
    });
    if (playground) checkEscape(context, name, node);
  }
}

/** Mail that would leave a run on one machine, which is a test more often than not. */
function checkEscape({ targets, report }: LintContext, name: string, node: NodeEntry): void {
  const ofNode = targets.get(name);
  const ownDns = node['dns-servers']?.every((server) =>
    isLoopbackAddress(parseHostPort(server)?.host ?? ''),
  );
  if (ofNode === undefined || ofNode.sink !== undefined || ownDns === true) return;
  const hint =
    'give it a `smarthost`, or while you test an `smtp-sink-address` that names a sink here';
  if (ofNode.fallback.kind === 'mx') {
    const message = `node '${name}' has no smarthost: it sends mail to the real internet`;
    report('delivers-by-mx', ['nodes', name], message, { part: 'key', hint });
  }
  for (const { path, target } of ofNode.routes) {
    if (target.kind !== 'mx') continue;
    const message = 'this route sends mail to the real internet';
    report('delivers-by-mx', [...path, 'mx'], message, { part: 'key', hint });
  }
}

/** What only works where all of the mesh is on one machine says that it is. */
function runsOnOneMachine({ tls, nodes, sinks }: Topology): boolean {
  const certificates = [tls, ...Object.values(nodes).map((node) => node.tls)];
  const ports = [
    ...Object.values(nodes).flatMap((node) => [...node.listen, ...(node.api ? [node.api] : [])]),
    ...Object.values(sinks),
  ];
  return (
    certificates.some((entry) => entry !== undefined && 'ephemeral' in entry) ||
    ports.some(({ port }) => port === 'auto')
  );
}
