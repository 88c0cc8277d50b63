import { placeHops, type ChainHop, type ChainTrace } from './timeline.js';

/** A recipient as the last hop that knows of it tells. */
export interface Fate {
  key: string;
  node: string;
  record: ChainHop['recipients'][number];
  /** The message that this is a report on; null: this is no report. */
  reportOf: string | null;
}

/** The fates of all recipients, those of reports last. A recipient that two branches have is told twice. */
export function fatesOf(trace: ChainTrace): Fate[] {
  const placed = placeHops(trace.hops);
  const fates: Fate[] = [];
  for (const { hop } of placed) {
    const onward = placed.filter(
      ({ parent, hop: next }) => parent?.hop === hop && next.bounce_of === null,
    );
    const taken = new Set(
      onward.flatMap(({ hop: next }) => next.recipients.map(({ address }) => address)),
    );
    for (const record of hop.recipients) {
      if (record.action === 'transferred' && taken.has(record.address)) continue;
      const key = `${hop.node} ${hop.queue_id} ${record.address}`;
      fates.push({ key, node: record.node ?? hop.node, record, reportOf: hop.bounce_of });
    }
  }
  return [
    ...fates.filter(({ reportOf }) => reportOf === null),
    ...fates.filter(({ reportOf }) => reportOf !== null),
  ];
}

/** Some recipient of this hop is not settled: the message is still there. */
export function isOpen({ recipients }: ChainHop): boolean {
  return recipients.some(({ action }) => action === 'queued' || action === 'delayed');
}

/**
 * The node at which the message can be looked at and steered: of a tier, the one that holds it. Null:
 * none of the tier does, and it waits at the broker for any of them.
 */
export function holderOf(hop: ChainHop): string | null {
  const [waiting] = hop.waiting ?? [];
  if (waiting !== undefined) return waiting.node ?? hop.node;
  if (hop.tier === undefined) return hop.node;
  if (isOpen(hop)) return null;
  return hop.recipients.find(({ action }) => action === 'failed')?.node ?? hop.node;
}

/** Some recipient of this hop is given up. */
export function hasFailed({ recipients }: ChainHop): boolean {
  return recipients.some(({ action }) => action === 'failed');
}
