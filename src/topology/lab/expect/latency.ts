import { formatDuration } from '../../../trace/waterfall-text.js';
import type { ExpectEntry } from '../../schema-tests.js';
import { bound, isWithin } from '../units.js';
import type { Evidence } from '../evidence.js';
import type { Finding } from '../verdict.js';
import { recipientsOf, type Mail } from './mail.js';
import { count, titleOf } from './words.js';

/** A stall of the lab itself that is longer makes times too long that it measured. */
const MAX_STALL_MS = 200;
/** Mail passes the lab at its client and on every link; more of the longest stalls are not likely. */
const STALLS_ON_THE_WAY = 4;
const QUANTILES = { p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99, max: 1 } as const;

/**
 * `latency`: from the begin of the first attempt to hand a message in until the last of its
 * recipients that it reached has it; over the messages that arrived, by nearest rank. What the
 * stalls of the lab itself may explain does not speak against the topology.
 */
export function judgeLatency(
  { stallMs }: Evidence,
  mail: readonly Mail[],
  wanted: NonNullable<ExpectEntry['latency']>,
): Finding[] {
  const measured = mail
    .filter(({ copies }) => copies.length > 0)
    .map((one) => ({ one, ms: latencyOf(one) }))
    .sort((a, b) => a.ms - b.ms);
  return Object.entries(wanted).flatMap(([key, text]): Finding[] => {
    if (text === undefined) return [];
    const finding = { kind: 'latency', expected: `${key} ${text}` } as const;
    const quantile = QUANTILES[key as keyof typeof QUANTILES];
    const at = measured[Math.max(0, Math.ceil(quantile * measured.length) - 1)];
    if (at === undefined) return [{ ...finding, verdict: 'FAIL', actual: 'nothing arrived' }];
    const actual = `${formatDuration(at.ms)} over ${count(measured.length, 'message')}`;
    if (isWithin(at.ms, bound(text))) return [{ ...finding, verdict: 'PASS', actual }];
    const offender = at.one.sent.messageId;
    const atLeastMs = Math.max(0, at.ms - STALLS_ON_THE_WAY * stallMs);
    if (stallMs > MAX_STALL_MS && isWithin(atLeastMs, bound(text))) {
      const why = `the lab itself stalled for ${formatDuration(stallMs)}, so its times say nothing`;
      return [{ ...finding, verdict: 'INCONCLUSIVE', actual: `${actual}; ${why}`, offender }];
    }
    const example = `, such as ${titleOf(at.one.sent)}`;
    return [{ ...finding, verdict: 'FAIL', actual: `${actual}${example}`, offender }];
  });
}

function latencyOf({ sent, copies }: Mail): number {
  const reached = new Set<string>();
  let lastMs = sent.startedAtMs;
  for (const copy of copies) {
    for (const recipient of recipientsOf(copy)) {
      if (!reached.has(recipient)) lastMs = Math.max(lastMs, copy.receivedAtMs);
      reached.add(recipient);
    }
  }
  return lastMs - sent.startedAtMs;
}
