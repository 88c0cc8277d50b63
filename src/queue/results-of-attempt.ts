import type { AttemptReport } from '../send/outcome.js';
import type { RoutedEntry } from './destination.js';
import { isFinal } from './item.js';
import type { Results, Settled } from './results.js';
import type { Settlement } from './settle.js';

/**
 * Resolves when it is stored what an attempt came to. Until then, to the disk, nothing has happened
 * to its recipients: a message does not leave the spool before its results are safe.
 */
export async function tellResults(
  results: Pick<Results, 'settled'>,
  { item, recipients }: RoutedEntry,
  { failed, quarantined, deferred }: Settlement,
  { earlier = [], record }: AttemptReport,
  openBody: Settled['openBody'],
): Promise<void> {
  const ended = recipients.filter(
    ({ state, unreported }) => isFinal(state) && unreported === undefined,
  );
  for (const recipient of ended) {
    recipient.unreported = true;
  }
  await results.settled({
    item,
    delivered: recipients.filter(({ state }) => state === 'delivered'),
    // Of the null sender's mail nobody else hears that it failed.
    failed: item.quarantine?.kind === 'undeliverable' ? [...failed, ...quarantined] : failed,
    deferred,
    attempts: [...earlier, record],
    openBody,
  });
  for (const recipient of ended) {
    delete recipient.unreported;
  }
}
