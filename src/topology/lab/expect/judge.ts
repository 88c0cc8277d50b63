import type { ExpectEntry, ExpectationKind } from '../../schema-tests.js';
import { EXPECTATION_KINDS } from '../../schema-tests.js';
import type { Evidence, StepOutcome } from '../evidence.js';
import type { Finding, Verdict } from '../verdict.js';
import { judgeAccounted } from './accounted.js';
import { judgeSinkHeaders, judgeUnchanged } from './content.js';
import { judgeBounces, judgeQueued, judgeRefused, judgeTrace } from './counts.js';
import { judgeDelivered } from './delivered.js';
import { judgeLatency } from './latency.js';
import { mailOf, type Mail } from './mail.js';
import { judgeEveryHop, judgePath, judgeShare } from './paths.js';
import { count } from './words.js';

type Judges = {
  [Kind in ExpectationKind]: (
    wanted: NonNullable<ExpectEntry[Kind]>,
    evidence: Evidence,
    mail: readonly Mail[],
  ) => Finding[];
};

const JUDGES: Judges = {
  delivered: (wanted, _evidence, mail) => judgeDelivered(mail, wanted),
  accounted: (wanted, evidence, mail) => (wanted ? judgeAccounted(evidence, mail) : []),
  unchanged: (_wanted, _evidence, mail) => judgeUnchanged(mail),
  path: (wanted, evidence, mail) => judgePath(evidence, mail, wanted),
  share: (wanted, evidence, mail) => judgeShare(evidence, mail, wanted),
  'every-hop': (wanted, evidence, mail) => judgeEveryHop(evidence, mail, wanted),
  'sink-headers': (wanted, _evidence, mail) => judgeSinkHeaders(mail, wanted),
  trace: (_wanted, _evidence, mail) => judgeTrace(mail),
  bounces: (wanted, _evidence, mail) => judgeBounces(mail, wanted),
  refused: (wanted, _evidence, mail) => judgeRefused(mail, wanted),
  queued: (wanted, evidence, mail) => judgeQueued(evidence, mail, wanted),
  latency: (wanted, evidence, mail) => judgeLatency(evidence, mail, wanted),
};

/**
 * Holds the evidence against what is expected: the steps first, then the expectations in the order
 * of EXPECTATION_KINDS. Each has at least one finding, also where it holds. Where nothing arrived,
 * no expectation about what arrived holds.
 *
 * @throws RelayError LAB_VALUE_INVALID for a value that `topology validate` would have refused.
 */
export function judge(evidence: Evidence, expect: ExpectEntry): Finding[] {
  const mail = mailOf(evidence);
  const judgeKind = <Kind extends ExpectationKind>(kind: Kind): Finding[] => {
    const wanted = expect[kind];
    return wanted === undefined ? [] : JUDGES[kind](wanted, evidence, mail);
  };
  return [...judgeSteps(evidence.steps), ...EXPECTATION_KINDS.flatMap(judgeKind)];
}

/** Each step that did not come true; one finding for all when all did. */
export function judgeSteps(steps: readonly StepOutcome[]): Finding[] {
  const findings = steps.flatMap(({ title, failure, broken }): Finding[] => {
    const why = broken ?? failure;
    if (why === null) return [];
    const verdict = broken === null ? 'FAIL' : 'INCONCLUSIVE';
    return [{ kind: 'steps', verdict, expected: title, actual: why }];
  });
  if (findings.length > 0) return findings;
  const expected = 'every step comes true';
  return [{ kind: 'steps', verdict: 'PASS', expected, actual: count(steps.length, 'step') }];
}

/**
 * The verdict on a test and, unless it is PASS or FAIL, why nothing can be said. A step that broke
 * comes before a failure, which may follow from it.
 *
 * @param startFailure Why the topology did not start; null when it did.
 */
export function verdictOf(
  findings: readonly Finding[],
  startFailure: string | null = null,
): { verdict: Verdict; reason: string | null } {
  if (startFailure !== null) return { verdict: 'INCONCLUSIVE', reason: startFailure };
  const uncertain = findings.filter(({ verdict }) => verdict === 'INCONCLUSIVE');
  const broken = uncertain.find(({ kind }) => kind === 'steps');
  const reasonOf = ({ kind, expected, actual }: Finding): string =>
    kind === 'steps' ? `${expected}: ${actual}` : `${kind}: ${actual}`;
  if (broken !== undefined) return { verdict: 'INCONCLUSIVE', reason: reasonOf(broken) };
  if (findings.some(({ verdict }) => verdict === 'FAIL')) return { verdict: 'FAIL', reason: null };
  const [first] = uncertain;
  if (first !== undefined) return { verdict: 'INCONCLUSIVE', reason: reasonOf(first) };
  return { verdict: 'PASS', reason: null };
}

/** Message-ID of the message whose path is worth showing: that of the first finding that fails. */
export function offenderOf(findings: readonly Finding[]): string | null {
  const bad = (verdict: Verdict): string | undefined =>
    findings.find((one) => one.verdict === verdict && one.offender !== undefined)?.offender;
  return bad('FAIL') ?? bad('INCONCLUSIVE') ?? null;
}

/** What was strange about the steps and fails nothing by itself: faults that never acted. */
export function warningsOf(steps: readonly StepOutcome[]): string[] {
  return steps.flatMap(({ title, fault }) => {
    if (fault === undefined || fault.acted > 0) return [];
    const matched = fault.matched === 0 ? 'nothing matched it' : `${fault.matched} matched it`;
    return [`${title}: it never acted (${matched})`];
  });
}
