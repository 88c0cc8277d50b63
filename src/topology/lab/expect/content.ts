import { matchesGlob } from '../../../sink/faults.js';
import type { ExpectEntry } from '../../schema-tests.js';
import type { ArrivedMessage } from '../evidence.js';
import type { Finding } from '../verdict.js';
import type { Mail } from './mail.js';
import { count, grouped, titleOf } from './words.js';

/** `unchanged`: the bytes after the header are the same at the sink, by their digest. */
export function judgeUnchanged(mail: readonly Mail[]): Finding[] {
  const copies = copiesIn(mail);
  const changed = copies.filter(({ one, copy }) => copy.bodySha256 !== one.sent.bodySha256);
  const [first] = changed;
  const nothing = copies.length === 0;
  return [
    {
      kind: 'unchanged',
      verdict: nothing || first !== undefined ? 'FAIL' : 'PASS',
      expected: 'the content of every delivered message as it was sent',
      actual: nothing
        ? 'nothing arrived'
        : first === undefined
          ? `${count(copies.length, 'message')} unchanged`
          : `${grouped(changed.length)} of ${count(copies.length, 'message')} changed, such as ${titleOf(first.one.sent)} at ${first.copy.sink}`,
      ...(first === undefined ? {} : { offender: first.one.sent.messageId }),
    },
  ];
}

/** `sink-headers`: one finding for each name that is to be absent or present. */
export function judgeSinkHeaders(
  mail: readonly Mail[],
  { sink, absent, present }: NonNullable<ExpectEntry['sink-headers']>,
): Finding[] {
  const copies = copiesIn(mail).filter(({ copy }) => sink === undefined || copy.sink === sink);
  const where = sink === undefined ? '' : ` at ${sink}`;
  return [
    ...absent.map((glob) =>
      judgeHeader(copies, (names) => !names.some((name) => matchesGlob(glob, name)), {
        expected: `no ${glob} field in any message${where}`,
        broken: (names) => `has ${names.filter((name) => matchesGlob(glob, name)).join(', ')}`,
      }),
    ),
    ...present.map((glob) =>
      judgeHeader(copies, (names) => names.some((name) => matchesGlob(glob, name)), {
        expected: `a ${glob} field in every message${where}`,
        broken: () => 'has none',
      }),
    ),
  ];
}

interface Copy {
  one: Mail;
  copy: ArrivedMessage;
}

function judgeHeader(
  copies: readonly Copy[],
  holds: (names: readonly string[]) => boolean,
  words: { expected: string; broken: (names: readonly string[]) => string },
): Finding {
  const read = copies.filter(({ copy }) => copy.headerNames !== null);
  const wrong = read.filter(({ copy }) => !holds(copy.headerNames ?? []));
  const [first] = wrong;
  const finding = { kind: 'sink-headers', expected: words.expected } as const;
  if (copies.length === 0) return { ...finding, verdict: 'FAIL', actual: 'nothing arrived' };
  if (first !== undefined) {
    const { one, copy } = first;
    return {
      ...finding,
      verdict: 'FAIL',
      actual: `not so in ${grouped(wrong.length)} of ${count(read.length, 'message')}: ${titleOf(one.sent)} at ${copy.sink} ${words.broken(copy.headerNames ?? [])}`,
      offender: one.sent.messageId,
    };
  }
  const unread = copies.length - read.length;
  return {
    ...finding,
    verdict: unread > 0 ? 'INCONCLUSIVE' : 'PASS',
    actual:
      unread > 0
        ? `the header fields of ${grouped(unread)} of ${count(copies.length, 'message')} are not known`
        : `so in ${count(read.length, 'message')}`,
  };
}

function copiesIn(mail: readonly Mail[]): Copy[] {
  return mail.flatMap((one) => one.copies.map((copy) => ({ one, copy })));
}
