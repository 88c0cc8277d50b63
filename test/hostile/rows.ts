import { appendFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';

/**
 * What strangers send, area by area: each row is held by at least one test that names it, and the
 * README shows how many cases of it were run. `due` is the answer that the tests look for, beside
 * a process that lives and other sessions that go on.
 */
export const rows = {
  smuggling: {
    area: 'SMTP in',
    sent: 'false ends of data: every mix of CR, LF, NUL and dot, cut at every byte, in clear and in TLS',
    due: 'no second message; `550 5.6.11`',
  },
  'bare-line-feed': {
    area: 'SMTP in',
    sent: 'commands that end with a bare LF',
    due: 'not executed; `521 5.5.2`',
  },
  starttls: {
    area: 'SMTP in',
    sent: 'commands glued behind STARTTLS, clear bytes within TLS content',
    due: 'nothing from before TLS counts inside it',
  },
  parameters: {
    area: 'SMTP in',
    sent: 'unknown, oversized, forged and broken parameters of MAIL and RCPT',
    due: '`555`, `552`, `550`, `501`; nothing stored',
  },
  addresses: {
    area: 'SMTP in',
    sent: 'source routes, percent and bang paths, quoted parts, text that a shell or an object would obey',
    due: 'plain text, relayed unchanged or refused',
  },
  relay: {
    area: 'SMTP in',
    sent: 'each of these forms from a stranger',
    due: '`550 5.7.1`',
  },
  resources: {
    area: 'SMTP in',
    sent: 'endless lines and headers, thousands of recipients, NOOPs, idle and slow sessions, wrong passwords, resets',
    due: 'a clear refusal; bounded memory, good mail flows',
  },
  state: {
    area: 'SMTP in',
    sent: 'commands out of order, twice, glued, after QUIT',
    due: 'the state of RFC 5321, never another',
  },
  'hop-flood': {
    area: 'Next hop',
    sent: 'greetings and replies without end, a byte now and then',
    due: 'a deadline and a bound on every wait',
  },
  'hop-text': {
    area: 'Next hop',
    sent: '8-bit, ANSI and HTML in replies',
    due: 'text, shown as such',
  },
  'hop-order': {
    area: 'Next hop',
    sent: 'replies before the command, 250 for 354',
    due: 'a broken hop; nothing counts as delivered',
  },
  'hop-lost': {
    area: 'Next hop',
    sent: 'closed or reset at each verb, before and after the final reply',
    due: 'never delivered that was not; in doubt where it may have been',
  },
  'hop-refusal': {
    area: 'Next hop',
    sent: '4xx for ever, 5xx for one recipient of three, a SIZE too small',
    due: 'each recipient by its own reply',
  },
  'hop-tls': {
    area: 'Next hop',
    sent: 'TLS stripped, refused, glued, outdated; certificates expired, self-signed, of another name',
    due: 'no mail and not one byte of a login',
  },
  'hop-login': {
    area: 'Next hop',
    sent: 'EHLO refused, unknown mechanisms, broken challenges',
    due: 'no login in clear; a fault of the hop',
  },
  'steering-headers': {
    area: 'Steering',
    sent: 'x-mq headers in all spellings, in the body, behind a bare CR, from strangers',
    due: 'obeyed from who may steer, removed from all others',
  },
  'steering-json': {
    area: 'Steering',
    sent: 'JSON fields with line ends, NUL and wrong types',
    due: '`422`',
  },
  'steering-hosts': {
    area: 'Steering',
    sent: 'loopback, private, link-local and own addresses in all spellings, rebinding names, odd ports',
    due: 'no connection that the allow-list does not name',
  },
  canary: {
    area: 'Secrets',
    sent: 'one password in every place, over successes, failures, bounces and retries',
    due: 'found in no outlet and in no encoding',
  },
  'api-token': {
    area: 'API',
    sent: 'every route and method without a token',
    due: '`401`',
  },
  'api-origin': {
    area: 'API',
    sent: 'foreign `Host` and `Origin`, bodies of other types',
    due: '`403`',
  },
  'api-paths': {
    area: 'API',
    sent: '`../`, `%2e%2e%2f` and `%00` in ids and paths',
    due: '`400` or `404`; no file',
  },
  'api-json': {
    area: 'API',
    sent: '`__proto__`, `constructor`, 10 MB, 100 levels',
    due: '`413` or `422`',
  },
  'api-markup': {
    area: 'API',
    sent: 'markup, ANSI and bidi characters in subject, sender, EHLO and replies',
    due: 'text in a real browser, under a strict Content-Security-Policy',
  },
  kill: {
    area: 'Disk and process',
    sent: 'kill -9 at every change of state',
    due: 'nothing lost, nothing twice between own tiers',
  },
  'disk-full': {
    area: 'Disk and process',
    sent: 'a full disk',
    due: '`452 4.3.1`, and mail again once there is room',
  },
  'failed-sync': {
    area: 'Disk and process',
    sent: 'a sync that fails',
    due: '`451`, then `421`; nothing unsynced leaves',
  },
  descriptors: {
    area: 'Disk and process',
    sent: 'too few file descriptors',
    due: 'later, not lost',
  },
  'damaged-records': {
    area: 'Disk and process',
    sent: 'records with flipped, missing and extra bytes',
    due: 'quarantined and shown; nothing truncated is sent',
  },
  'second-process': {
    area: 'Disk and process',
    sent: 'a second process on the same spool',
    due: 'refused at start',
  },
  clock: {
    area: 'Disk and process',
    sent: 'a clock that jumps',
    due: 'no early bounce, no endless wait',
  },
  'crashing-message': {
    area: 'Disk and process',
    sent: 'a message that crashes its handler',
    due: 'quarantined after three times',
  },
  'fuzz-smtp': {
    area: 'Fuzzing',
    sent: 'mutated SMTP dialogues',
    due: 'no crash, no hang, memory growth under 50 MB',
  },
  'fuzz-hop': {
    area: 'Fuzzing',
    sent: 'hostile next hops',
    due: 'the same; no false delivery',
  },
  'fuzz-json': {
    area: 'Fuzzing',
    sent: 'mutated JSON messages',
    due: 'the same; accepted or a problem',
  },
  'fuzz-yaml': {
    area: 'Fuzzing',
    sent: 'mutated topology files',
    due: 'the same; compiled or faults with their place',
  },
  'fuzz-spool': {
    area: 'Fuzzing',
    sent: 'mutated spool records',
    due: 'the same; read or corrupt, never an exception',
  },
} as const;

export type Row = keyof typeof rows;

/** Counts what a test sends; one that never counts is one case. */
export interface Cases {
  add(count?: number): void;
}

interface Options {
  skip?: boolean | string;
  concurrency?: number | boolean;
  timeout?: number;
}

/**
 * A test of one row, named by it. How many cases it ran stands in its diagnostics, and in the file
 * that `HOSTILE_COUNTS` names, from which the table of the README is made; one that is skipped
 * counts as none, so that its row is not taken for forgotten.
 */
export function hostileTest(
  row: Row,
  name: string,
  body: (t: TestContext, cases: Cases) => Promise<void> | void,
  options: Options = {},
): void {
  if (options.skip !== undefined && options.skip !== false) {
    note(row, 0);
  }
  test(`${row}: ${name}`, options, async (t) => {
    let count = 0;
    await body(t, { add: (more = 1) => (count += more) });
    const cases = Math.max(count, 1);
    t.diagnostic(`${row}: ${cases} cases`);
    note(row, cases);
  });
}

function note(row: Row, cases: number): void {
  const file = process.env.HOSTILE_COUNTS;
  if (file !== undefined) {
    appendFileSync(file, `${JSON.stringify({ row, cases })}\n`);
  }
}
