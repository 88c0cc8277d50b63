import { isIP } from 'node:net';
import type { NextHop } from '../send/next-hop.js';
import type { AttemptReport } from '../send/outcome.js';
import type { Destination } from './destination.js';
import type { ItemRecipient, LastReply } from './item.js';

/** What keeps a recipient waiting. */
export interface Holdup {
  /** Name of the hop that said so, or null when none did. */
  remote: string | null;
  words: LastReply | null;
}

/** While the hop is at fault, its fault; else what was last said about the recipient. */
export function holdupOf(
  { lastReply }: ItemRecipient,
  nextHop: NextHop,
  destination: Destination | undefined,
): Holdup {
  const fault =
    destination === undefined || destination.faultsInARow === 0 ? null : destination.lastFault;
  const words = fault ?? lastReply;
  return { remote: words?.code == null ? null : mtaName(nextHop), words };
}

/** The hop that an attempt asked; null where no mail server of a domain was found to ask. */
export function remoteOf(nextHop: NextHop, { host }: AttemptReport): string | null {
  if (nextHop.kind === 'mx') {
    return host === undefined ? null : literalOf(host);
  }
  return mtaName(nextHop);
}

function mtaName({ kind, name, host }: NextHop): string {
  return literalOf(kind === 'host' ? host : name);
}

/** RFC 3464 §2.3.5 and RFC 5321 §4.1.3: a domain or an address literal, never a port. */
function literalOf(mta: string): string {
  return isIP(mta) === 0 ? mta : isIP(mta) === 6 ? `[IPv6:${mta}]` : `[${mta}]`;
}
