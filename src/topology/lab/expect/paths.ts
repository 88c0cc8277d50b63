import type { ExpectEntry } from '../../schema-tests.js';
import { shareRange } from '../units.js';
import type { Evidence } from '../evidence.js';
import type { Finding } from '../verdict.js';
import type { Mail } from './mail.js';
import { waysOf, type Ways } from './ways.js';
import { count, grouped, titleOf } from './words.js';

/**
 * What the traces of the delivered messages tell: their paths, and who carried them. Where a trace
 * is missing, the expectation can still fail by what the others show; it cannot hold. That a trace
 * is missing at all is for `trace` to say.
 */

/** A delivered message with what its trace tells. */
export interface Traced {
  one: Mail;
  ways: Ways;
}

interface Delivered {
  traced: Traced[];
  /** Delivered messages whose way is not known to its end. */
  unknown: Mail[];
  /** How many there are, the unasked ones too. */
  total: number;
}

export function deliveredOf(evidence: Evidence, mail: readonly Mail[]): Delivered {
  const delivered = mail.filter(({ copies }) => copies.length > 0);
  const traced: Traced[] = [];
  const unknown: Mail[] = [];
  for (const one of delivered) {
    if (one.trace === 'unasked') continue;
    if (one.trace === 'missing') {
      unknown.push(one);
      continue;
    }
    const ways = waysOf(one.trace, one.copies, evidence.topology);
    traced.push({ one, ways });
    if (ways.complete.length === 0 || ways.open.length > 0) unknown.push(one);
  }
  return { traced, unknown, total: delivered.length };
}

/** `path`: the nodes that each delivered message crossed, then the sink. */
export function judgePath(
  evidence: Evidence,
  mail: readonly Mail[],
  wanted: readonly string[],
): Finding[] {
  const delivered = deliveredOf(evidence, mail);
  const places = wanted.map((place) => new Set(place.split('|').map((name) => name.trim())));
  const wrong = delivered.traced.flatMap(({ one, ways }) => {
    const way =
      ways.complete.find((names) => !fits(names, places, true)) ??
      ways.open.find((names) => !fits(names, places, false));
    return way === undefined ? [] : [{ one, way }];
  });
  const [first] = wrong;
  return [
    verdictFrom(delivered, {
      kind: 'path',
      expected: `every message goes ${wanted.join(' -> ')}`,
      wrong:
        first === undefined
          ? undefined
          : {
              one: first.one,
              text: `${grouped(wrong.length)} of ${tracesIn(delivered)} went elsewhere: ${titleOf(first.one.sent)} went ${first.way.join(' -> ')}`,
            },
      right: `so in ${tracesIn(delivered)}`,
    }),
  ];
}

/** Whether a way is as it has to be, or, one that is not known to its end, as far as it is known. */
function fits(
  names: readonly string[],
  places: readonly ReadonlySet<string>[],
  complete: boolean,
): boolean {
  if (complete ? names.length !== places.length : names.length > places.length) return false;
  return names.every((name, index) => places[index]?.has(name) === true);
}

/** `share`: of the delivered messages, how many went over a node; one finding for each node. */
export function judgeShare(
  evidence: Evidence,
  mail: readonly Mail[],
  wanted: NonNullable<ExpectEntry['share']>,
): Finding[] {
  const delivered = deliveredOf(evidence, mail);
  const { traced, unknown } = delivered;
  const known = traced.filter(({ one }) => !unknown.includes(one));
  return Object.entries(wanted).map(([name, text]) => {
    const { min, max } = shareRange(text);
    const over = known.filter(({ ways }) => ways.complete.some((names) => names.includes(name)));
    const share = over.length / known.length;
    // what is not known could have gone either way
    const least = over.length / (known.length + unknown.length);
    const most = (over.length + unknown.length) / (known.length + unknown.length);
    const actual = `${percent(share)}: ${grouped(over.length)} of ${tracesIn(delivered)}`;
    const other = share < min ? known.find((one) => !over.includes(one)) : over[0];
    return verdictFrom(delivered, {
      kind: 'share',
      expected: `${text} of the messages over ${name}`,
      wrong:
        most < min || least > max ? { one: (other ?? known[0])?.one, text: actual } : undefined,
      right: actual,
    });
  });
}

/** `every-hop`: one finding for TLS and one for the login of each accepted attempt. */
export function judgeEveryHop(
  evidence: Evidence,
  mail: readonly Mail[],
  { tls, login, except }: NonNullable<ExpectEntry['every-hop']>,
): Finding[] {
  const delivered = deliveredOf(evidence, mail);
  const attempts = mail.flatMap((one) =>
    typeof one.trace === 'string'
      ? []
      : one.trace.hops.flatMap((hop) =>
          hop.attempts
            .filter(({ result, next_hop }) => result === 'accepted' && !except.includes(next_hop))
            .map((attempt) => ({ one, node: attempt.node ?? hop.node, attempt })),
        ),
  );
  const left = except.length === 0 ? '' : `, except to ${except.join(', ')}`;
  const judge = (what: 'TLS' | 'a login', wanted: boolean): Finding => {
    const wrong = attempts.filter(({ attempt }) => {
      const has = (what === 'TLS' ? attempt.tls : attempt.user) !== null;
      return has !== wanted;
    });
    const [first] = wrong;
    const sessions = count(attempts.length, 'accepted attempt');
    const finding = {
      kind: 'every-hop' as const,
      expected: `${wanted ? 'every' : 'no'} hop with ${what}${left}`,
    };
    if (attempts.length === 0) {
      return { ...finding, verdict: 'FAIL', actual: 'no accepted attempt in any trace' };
    }
    const example =
      first && `${first.node} -> ${first.attempt.next_hop} for ${titleOf(first.one.sent)}`;
    return verdictFrom(delivered, {
      ...finding,
      wrong: first && {
        one: first.one,
        text: `${grouped(wrong.length)} of ${sessions} ${wanted ? 'without' : 'with'} it, such as ${example}`,
      },
      right: `so in ${sessions} of ${tracesIn(delivered)}`,
    });
  };
  return [
    ...(tls === undefined ? [] : [judge('TLS', tls)]),
    ...(login === undefined ? [] : [judge('a login', login)]),
  ];
}

interface Judged {
  kind: Finding['kind'];
  expected: string;
  /** What contradicts it. */
  wrong: { one: Mail | undefined; text: string } | undefined;
  right: string;
}

function verdictFrom({ total, unknown }: Delivered, judged: Judged): Finding {
  const { kind, expected, wrong, right } = judged;
  if (total === 0) return { kind, expected, verdict: 'FAIL', actual: 'nothing arrived' };
  if (wrong !== undefined) {
    const offender = wrong.one?.sent.messageId;
    const finding = { kind, expected, verdict: 'FAIL', actual: wrong.text } as const;
    return offender === undefined ? finding : { ...finding, offender };
  }
  const [first] = unknown;
  if (first === undefined) return { kind, expected, verdict: 'PASS', actual: right };
  return {
    kind,
    expected,
    verdict: 'INCONCLUSIVE',
    actual: `${right}; the way of ${count(unknown.length, 'delivered message')} is not known, such as ${titleOf(first.sent)}`,
    offender: first.sent.messageId,
  };
}

/** `200 traces`, or `1,000 of 5,000 traces` of a sample. */
function tracesIn({ traced, total }: Delivered): string {
  if (traced.length === total) return count(total, 'trace');
  return `${grouped(traced.length)} of ${count(total, 'trace')}`;
}

function percent(share: number): string {
  return Number.isNaN(share) ? 'not known' : `${Number((share * 100).toFixed(1))}%`;
}
