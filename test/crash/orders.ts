/** What the crash test and the nodes that it runs have to say to each other. */

export const KILL_POINTS = [
  /** whole, and nothing of it stored */
  'accept:before-sync',
  /** the write is with the store */
  'accept:writing',
  /** stored, and the 250 not sent */
  'accept:after-sync',
  /** a large body is a synced file, and no record names it yet */
  'body:finished',
  /** connected, and nothing said yet */
  'attempt:started',
  /** the next hop has all of the message, and its reply is not read */
  'attempt:sent',
  /** the reply is read, and nothing has followed from it */
  'attempt:answered',
  /** the next hop took it for some recipients or refused it for now, and that is not noted */
  'update:before',
  'update:after',
  /** the next hop took it, and it still stands in the spool */
  'remove:before',
  'remove:after',
  /** the next hop refused it, and neither that nor the report of it is stored */
  'bounce:before',
  'bounce:after',
  /** in the middle of reading the spool at a start */
  'recover:entry',
] as const;

export type KillPoint = (typeof KILL_POINTS)[number];

export type Order =
  | { do: 'arm'; point: KillPoint; passes: number }
  /** reset all connections */
  | { do: 'cut' };

export function isOrder(message: unknown): message is Order {
  return typeof message === 'object' && message !== null && 'do' in message;
}

/**
 * Defects that are planted to see the accounts fail: the 250 before the sync, the removal before
 * the next hop's 2xx, delivery keys that are not stored.
 */
export const PLANTS = ['early-250', 'early-removal', 'no-keys'] as const;

export type Plant = (typeof PLANTS)[number];

export function isPlant(name: string): name is Plant {
  return (PLANTS as readonly string[]).includes(name);
}
