import type { ExpectEntry } from '../../schema-tests.js';
import type { Evidence } from '../evidence.js';
import type { Finding, Verdict } from '../verdict.js';
import { mailboxKey, notArrived, type Mail } from './mail.js';
import { count, grouped, titleOf } from './words.js';

/** What is counted: incomplete traces, recipients given up, messages refused, messages left. */

/** `trace: complete`: from its first node the whole path of each accepted message is known. */
export function judgeTrace(mail: readonly Mail[]): Finding[] {
  const accepted = mail.filter(({ sent }) => sent.outcome === 'accepted');
  const asked = accepted.filter(({ trace }) => trace !== 'unasked');
  const broken = asked.flatMap((one) => {
    const why = whyIncomplete(one);
    return why === null ? [] : [{ one, why }];
  });
  const [first] = broken;
  const traces =
    asked.length === accepted.length
      ? count(accepted.length, 'trace')
      : `${grouped(asked.length)} of ${count(accepted.length, 'trace')}`;
  const finding = { kind: 'trace', expected: 'the whole path of every message is known' } as const;
  if (accepted.length === 0) {
    return [{ ...finding, verdict: 'FAIL', actual: 'no message was accepted' }];
  }
  if (first === undefined) return [{ ...finding, verdict: 'PASS', actual: `so in ${traces}` }];
  return [
    {
      ...finding,
      verdict: 'FAIL',
      actual: `${grouped(broken.length)} of ${traces} not complete: ${titleOf(first.one.sent)}: ${first.why}`,
      offender: first.one.sent.messageId,
    },
  ];
}

function whyIncomplete({ trace }: Mail): string | null {
  if (trace === 'missing') return 'no node has a trace of it';
  if (trace === 'unasked') return null;
  const [unreachable] = trace.unreachable;
  if (unreachable !== undefined) return `${unreachable.node} could not be asked`;
  if (trace.complete) return null;
  const waits = trace.hops.find(({ action }) => action === 'queued' || action === 'delayed');
  if (waits !== undefined) {
    const { action, tier, node } = waits;
    return `it is ${action} ${tier === undefined ? `at ${node}` : `in tier ${tier}`}`;
  }
  return `it ends at ${trace.hops.at(-1)?.node ?? 'no node'}`;
}

/** `bounces`: recipients of our messages that a node gave up, whether a report of it arrived or not. */
export function judgeBounces(mail: readonly Mail[], wanted: number): Finding[] {
  const failed = mail.flatMap((one) => failedIn(one).map((words) => ({ one, words })));
  const [first] = failed;
  // of a message that arrived whole nobody was given up
  const unknown = mail.filter(
    (one) =>
      typeof one.trace === 'string' &&
      one.sent.outcome === 'accepted' &&
      notArrived(one).length > 0,
  );
  const parts = [`${count(failed.length, 'recipient')} given up`];
  const differs = failed.length !== wanted;
  if (differs && first !== undefined) parts.push(`${titleOf(first.one.sent)}: ${first.words}`);
  if (unknown.length > 0) parts.push(`${count(unknown.length, 'message')} without a known trace`);
  const uncertain = unknown.length > 0 && failed.length <= wanted;
  const offender = (differs ? first?.one : undefined) ?? (uncertain ? unknown[0] : undefined);
  return [
    {
      kind: 'bounces',
      verdict: uncertain ? 'INCONCLUSIVE' : differs ? 'FAIL' : 'PASS',
      expected: `${count(wanted, 'recipient')} given up`,
      actual: parts.join('; '),
      ...(offender === undefined ? {} : { offender: offender.sent.messageId }),
    },
  ];
}

/** For each recipient that was given up, where and with what words. */
function failedIn({ trace }: Mail): string[] {
  if (typeof trace === 'string') return [];
  const failed = new Map<string, string>();
  for (const { node, bounce_of, recipients } of trace.hops) {
    if (bounce_of !== null) continue;
    for (const { address, action, code, description, node: by = node } of recipients) {
      if (action !== 'failed') continue;
      const words = [code, description].filter((part) => part !== null).join(' ');
      failed.set(mailboxKey(address), `${by} gave ${address} up${words && `: ${words}`}`);
    }
  }
  return [...failed.values()];
}

/** `refused`: messages that the first node refused for good, or kept refusing. */
export function judgeRefused(mail: readonly Mail[], wanted: number): Finding[] {
  const refused = mail.filter(({ sent }) => sent.outcome === 'refused');
  const [first] = refused;
  const holds = refused.length === wanted;
  const words = holds || first === undefined ? '' : `: ${titleOf(first.sent)}: ${first.sent.reply}`;
  return [
    {
      kind: 'refused',
      verdict: holds ? 'PASS' : 'FAIL',
      expected: `${count(wanted, 'message')} refused by the first node`,
      actual: `${count(refused.length, 'message')} refused${words}`,
      ...(holds || first === undefined ? {} : { offender: first.sent.messageId }),
    },
  ];
}

/** `queued`: one finding for each node. The spool of one that does not run cannot be looked into. */
export function judgeQueued(
  { queued }: Evidence,
  mail: readonly Mail[],
  wanted: NonNullable<ExpectEntry['queued']>,
): Finding[] {
  return Object.entries(wanted).map(([node, number]) => {
    const held = queued[node] ?? null;
    const verdict: Verdict = held === null ? 'INCONCLUSIVE' : held === number ? 'PASS' : 'FAIL';
    const example = verdict === 'FAIL' ? mail.find((one) => waitsAt(node, one)) : undefined;
    return {
      kind: 'queued',
      verdict,
      expected: `${count(number, 'message')} in ${node} at the end`,
      actual:
        held === null
          ? `${node} does not run, so its queue is not known`
          : `${count(held, 'message')}${example === undefined ? '' : `, such as ${titleOf(example.sent)}`}`,
      ...(example === undefined ? {} : { offender: example.sent.messageId }),
    };
  });
}

function waitsAt(node: string, { trace }: Mail): boolean {
  return (
    typeof trace !== 'string' &&
    trace.hops.some(
      (hop) => hop.node === node && (hop.action === 'queued' || hop.action === 'delayed'),
    )
  );
}
