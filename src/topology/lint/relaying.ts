import { isLoopbackHost } from '../../format/loopback.js';
import { tunablesOf } from '../tunables.js';
import type { LintContext } from './context.js';

/** Networks of this size or larger are most of the internet, not a site. */
const WIDEST_PREFIX = { 4: 7, 6: 15 };

/** Settings of a node that are valid one by one and harmful as they are. */
export function checkRelaying(context: LintContext): void {
  const { topology, report } = context;
  for (const [name, node] of Object.entries(topology.nodes)) {
    const path = ['nodes', name];
    const exposed = node.listen.some((listener) => !isLoopbackHost(listener.host));
    node['relay-from'].forEach((network, index) => {
      const prefix = network.split('/')[1];
      if (prefix === undefined) return;
      const widest = network.includes(':') ? WIDEST_PREFIX[6] : WIDEST_PREFIX[4];
      if (Number(prefix) > widest) return;
      report(
        'open-relay',
        [...path, 'relay-from', index],
        `with relay-from ${network} strangers can relay through node '${name}'`,
        {
          severity: exposed ? 'error' : 'warning',
          hint: 'list the networks of your own clients; for others there are `users`',
        },
      );
    });
    const { 'expire-after': expireAfter, 'retry-interval': intervals } = tunablesOf(topology, node);
    const first = intervals[0] ?? 0;
    if (expireAfter <= first) {
      const own = node['expire-after'] !== undefined || node['retry-interval'] !== undefined;
      const holder = own ? node : topology.defaults;
      const key = holder['expire-after'] === undefined ? 'retry-interval' : 'expire-after';
      report(
        'expires-before-retry',
        own ? [...path, key] : ['defaults', key],
        `mail expires after ${expireAfter} s, before its second attempt at ${first} s`,
      );
    }
    const { api } = node;
    const elsewhere = Object.keys(topology.nodes).length > 1 && !isLoopbackHost(node.host);
    if (api === undefined || isLoopbackHost(api.host)) continue;
    if (context.node === undefined || context.node === name) {
      report(
        'plaintext-token',
        [...path, 'api', 'host'],
        `the API of node '${name}' is plain HTTP on ${api.host}: who reads along has its token`,
        { hint: 'leave it on loopback behind a TLS proxy, a tunnel or a VPN' },
      );
    }
    if (api.token === undefined && elsewhere) {
      report(
        'token-missing',
        [...path, 'api'],
        `the other nodes do not know the API token of node '${name}', so no trace spans it`,
        { hint: 'give every API the same `token: { secret: NAME }`' },
      );
    }
  }
}
