import type { ExpectEntry } from '../../schema-tests.js';
import type { Finding } from '../verdict.js';
import { recipientsOf, type Mail } from './mail.js';
import { count, grouped, titleOf } from './words.js';

type DeliveredEntry = Exclude<NonNullable<ExpectEntry['delivered']>, unknown[]>;

/**
 * `delivered`: different messages at a sink, and copies beyond the first. A copy is one too many
 * when the same message reached the same recipient before, at whichever sink; it is counted at the
 * sink where it came last. Copies of messages that the client itself may have handed in twice are
 * named and not counted.
 */
export function judgeDelivered(
  mail: readonly Mail[],
  wanted: NonNullable<ExpectEntry['delivered']>,
): Finding[] {
  return [wanted]
    .flat()
    .flatMap((entry) => [
      ...judgeNumber(mail, entry),
      ...(entry.duplicates === undefined
        ? []
        : [judgeDuplicates(mail, entry.sink, entry.duplicates)]),
    ]);
}

function judgeNumber(mail: readonly Mail[], entry: DeliveredEntry): Finding[] {
  const { sink, unique, 'at-least': atLeast } = entry;
  const there = mail.filter(({ copies }) => copies.some((copy) => copy.sink === sink));
  const missing = mail.filter(
    ({ sent, copies }) => copies.length === 0 && sent.outcome === 'accepted',
  );
  const finding = (expected: string, holds: boolean, wantedCount: number): Finding => {
    const offender = there.length < wantedCount ? missing[0] : there.at(-1);
    const parts = [count(there.length, 'different message')];
    if (!holds && there.length < wantedCount) parts.push(...whyFewer(mail, missing));
    return {
      kind: 'delivered',
      verdict: holds ? 'PASS' : 'FAIL',
      expected,
      actual: parts.join('; '),
      ...(holds || offender === undefined ? {} : { offender: offender.sent.messageId }),
    };
  };
  const findings: Finding[] = [];
  if (unique !== undefined) {
    const expected = `${count(unique, 'different message')} at ${sink}`;
    findings.push(finding(expected, there.length === unique, unique));
  }
  if (atLeast !== undefined) {
    const expected = `at least ${count(atLeast, 'different message')} at ${sink}`;
    findings.push(finding(expected, there.length >= atLeast, atLeast));
  }
  return findings;
}

function whyFewer(mail: readonly Mail[], missing: readonly Mail[]): string[] {
  const parts: string[] = [];
  const [first] = missing;
  if (first !== undefined) {
    const more = missing.length === 1 ? '' : ` and ${grouped(missing.length - 1)} more`;
    parts.push(`accepted and at no sink: ${titleOf(first.sent)}${more}`);
  }
  for (const [outcome, words] of [
    ['refused', 'refused by the first node'],
    ['unsent', 'never handed in'],
  ] as const) {
    const number = mail.filter(({ sent }) => sent.outcome === outcome).length;
    if (number > 0) parts.push(`${grouped(number)} ${words}`);
  }
  return parts;
}

function judgeDuplicates(mail: readonly Mail[], sink: string, wanted: number): Finding {
  let duplicates = 0;
  let doubtful = 0;
  let example: Mail | undefined;
  for (const one of mail) {
    const extra = extraCopiesAt(sink, one);
    if (extra === 0) continue;
    if (one.sent.doubtful) {
      doubtful += extra;
    } else {
      duplicates += extra;
      example ??= one;
    }
  }
  const holds = duplicates === wanted;
  const named = holds || example === undefined ? '' : `, such as ${titleOf(example.sent)}`;
  const uncounted =
    doubtful === 0
      ? ''
      : ` (not counted: ${count(doubtful, 'copy', 'copies')} of messages that the client may have handed in twice)`;
  return {
    kind: 'delivered',
    verdict: holds ? 'PASS' : 'FAIL',
    expected:
      wanted === 0 ? `no duplicates at ${sink}` : `${count(wanted, 'duplicate')} at ${sink}`,
    actual: `${duplicates === 0 ? 'no duplicates' : count(duplicates, 'duplicate')}${named}${uncounted}`,
    ...(holds || example === undefined ? {} : { offender: example.sent.messageId }),
  };
}

function extraCopiesAt(sink: string, { copies }: Mail): number {
  const reached = new Set<string>();
  let extra = 0;
  for (const copy of copies) {
    for (const recipient of recipientsOf(copy)) {
      if (reached.has(recipient) && copy.sink === sink) extra++;
      reached.add(recipient);
    }
  }
  return extra;
}
