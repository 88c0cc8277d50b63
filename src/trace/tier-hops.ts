import { isFinalAction, isOpenAction, leastSettled } from './actions.js';
import type { ChainAttempt, ChainHop, ChainRecipient, HopRecord } from './record.js';
import { instantOf } from './waterfall-timeline.js';

/*
 * The nodes of a tier share their mail: one accepts a message, any of them may make its attempts, and
 * each records what it did itself, under the same trace and the same queue id. Shown, their records are
 * one hop: the node is the one that accepted, and where another one worked, that one is named.
 *
 * The same records give the same hop in any order. Clocks of a tier are taken for one: they decide
 * between words that are both final or both not, and nothing else.
 */

/** The same for all records of a hop, whichever nodes of the tier made them. */
export function hopKey({ trace_id: traceId, tier, node, queue_id: queueId }: HopRecord): string {
  return tier === undefined ? `${node}/${queueId}` : `${traceId}/tier ${tier}/${queueId}`;
}

/** One hop for each message at each tier; hops of nodes that share nothing stay as they are. */
export function joinTiers(hops: readonly ChainHop[]): ChainHop[] {
  return grouped(hops, hopKey).map((records) =>
    records[0].tier === undefined ? records[0] : joined(records, acceptorOf(records)),
  );
}

/** One hop for each message at each node, whichever workers of it recorded it. */
export function joinWorkers(hops: readonly ChainHop[]): ChainHop[] {
  return grouped(hops, (hop) => `${hop.node}/${hop.queue_id}`).map((records) =>
    records.length === 1 ? records[0] : joined(records, records[0].node),
  );
}

/** Not all has been said of a message that a tier shares. */
export function isOpenInTier({ tier, recipients }: ChainHop): boolean {
  return tier !== undefined && recipients.some(({ action }) => isOpenAction(action));
}

type Records = [ChainHop, ...ChainHop[]];

function grouped(hops: readonly ChainHop[], keyOf: (hop: ChainHop) => string): Records[] {
  const groups = new Map<string, Records>();
  for (const hop of hops) {
    const key = keyOf(hop);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [hop]);
    else known.push(hop);
  }
  return [...groups.values()];
}

/** As those say that took it up; it may have no record any more, or not be asked. */
function acceptorOf(records: Records): string {
  const named = records.flatMap(({ accepted_by: by }) => by ?? []).sort();
  return named[0] ?? [...records].sort(byArrival).map(({ node }) => node)[0] ?? records[0].node;
}

function byArrival(a: ChainHop, b: ChainHop): number {
  return compare(a.received_at, b.received_at) || compare(a.node, b.node);
}

/** @param node whose hop it is shown as */
function joined(records: Records, node: string): ChainHop {
  const inOrder = [...records].sort(
    (a, b) => Number(b.node === node) - Number(a.node === node) || byArrival(a, b),
  ) as Records;
  const { accepted_by: acceptedBy, waiting: _ofOne, ...first } = inOrder[0];
  const worked = inOrder
    .flatMap((record) => record.attempts.map((attempt) => ({ record, attempt })))
    .sort((a, b) => compare(a.attempt.started_at, b.attempt.started_at));
  const recipients = latestWords(inOrder, node);
  const isDone = recipients.every(({ action }) => isFinalAction(action));
  const ended = inOrder
    .filter(({ finished_at: at }) => at !== null)
    .sort((a, b) => compare(b.finished_at ?? '', a.finished_at ?? ''))[0];
  const waiting = inOrder.flatMap((record) =>
    (record.waiting ?? []).map((one) => named(one, one.node ?? record.node, node)),
  );
  return {
    ...first,
    ...(acceptedBy === undefined || acceptedBy === node ? {} : { accepted_by: acceptedBy }),
    node,
    envelope: { ...first.envelope, recipients: recipients.map(({ address }) => address) },
    finished_at: isDone ? (ended?.finished_at ?? null) : null,
    queue_wait_ms: (worked[0]?.record ?? first).queue_wait_ms,
    total_ms: isDone ? (ended?.total_ms ?? null) : null,
    queue: (worked.at(-1)?.record ?? first).queue,
    action: leastSettled(recipients),
    attempts: worked.map(({ record, attempt }): ChainAttempt =>
      named(attempt, attempt.node ?? record.node, node),
    ),
    attempts_dropped: inOrder.reduce((sum, { attempts_dropped: dropped }) => sum + dropped, 0),
    recipients,
    ...(waiting.length === 0 ? {} : { waiting }),
  };
}

/** `who` stands on it only where the hop is another node's. */
function named<Part extends { node?: string }>(part: Part, who: string, node: string): Part {
  const { node: _before, ...rest } = part;
  return (who === node ? rest : { ...rest, node: who }) as Part;
}

interface Word {
  recipient: ChainRecipient;
  node: string;
  /** Wall time of the end of the attempt that it tells of; before all times where there was none. */
  atMs: number;
}

/** Of each recipient what was said last; what is final stands. */
function latestWords(records: Records, node: string): ChainRecipient[] {
  const words = new Map<string, Word>();
  for (const record of records) {
    const times = attemptTimes(record);
    const met = new Map<string, number>();
    for (const recipient of record.recipients) {
      const { address, action } = recipient;
      // An envelope may name an address twice.
      const count = met.get(address) ?? 0;
      met.set(address, count + 1);
      const key = `${count} ${address}`;
      const ended = isFinalAction(action) ? instantOf(record.finished_at ?? '') : -Infinity;
      const said = recipient.node ?? record.node;
      const word = { recipient, node: said, atMs: times.get(address) ?? ended };
      const known = words.get(key);
      if (known === undefined || isLater(word, known)) words.set(key, word);
    }
  }
  return [...words.values()].map((word) => named(word.recipient, word.node, node));
}

function attemptTimes({ attempts }: ChainHop): Map<string, number> {
  const times = new Map<string, number>();
  for (const { started_at: startedAt, duration_ms: durationMs, recipients } of attempts) {
    const endedMs = instantOf(startedAt) + durationMs;
    for (const address of recipients) {
      times.set(address, Math.max(times.get(address) ?? -Infinity, endedMs));
    }
  }
  return times;
}

function isLater(word: Word, known: Word): boolean {
  const [isFinal, wasFinal] = [word, known].map(({ recipient }) => isFinalAction(recipient.action));
  if (isFinal !== wasFinal) return isFinal === true;
  if (word.atMs !== known.atMs) return word.atMs > known.atMs;
  return word.recipient.attempts > known.recipient.attempts;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
