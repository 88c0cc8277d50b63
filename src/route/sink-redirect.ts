import { isIP } from 'node:net';
import { messageOf, RelayError } from '../base/errors.js';
import type { NextHop } from '../send/next-hop.js';
import type { RouteTable } from './table.js';

/**
 * The sink in place of a hop (SMARTHOST: queues): queues, capacities and the meaning of replies stay
 * as they are, only the connection goes elsewhere, with the sink's login, if the sink wants one, and
 * never with the hop's.
 */
export function redirectToSink(hop: NextHop, sink: NextHop): NextHop {
  const { replyRules } = hop;
  return { ...sink, loginIfOffered: true, ...(replyRules === undefined ? {} : { replyRules }) };
}

/**
 * The table with the address of its sink. A name is resolved once, and that address is used until
 * the program stops: what `before` has found stays.
 *
 * @throws RelayError SINK_NOT_FOUND when the name has no address, or none can be learnt now.
 */
export async function pinSink(
  table: RouteTable,
  before: RouteTable | null,
  resolve: (host: string) => Promise<string[]>,
): Promise<RouteTable> {
  const { sink } = table;
  if (sink === null || sink.address !== undefined || isIP(sink.host) !== 0) {
    return table;
  }
  const known = before?.sink?.host === sink.host ? before.sink.address : undefined;
  const address = known ?? (await addressOf(sink.host, resolve));
  return { ...table, sink: { ...sink, address } };
}

async function addressOf(
  host: string,
  resolve: (host: string) => Promise<string[]>,
): Promise<string> {
  let reason = 'it has no address';
  try {
    const [address] = await resolve(host);
    if (address !== undefined) {
      return address;
    }
  } catch (error) {
    reason = messageOf(error);
  }
  throw new RelayError('SINK_NOT_FOUND', `the sink ${host} cannot be resolved: ${reason}`, {
    fault: 'operator',
    where: 'smtp-sink-address',
    hint: 'Write an IP address, or a name that the DNS or the hosts file of this machine knows.',
  });
}
