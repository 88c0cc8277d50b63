import type { SmtpReply } from '../format/reply.js';

/** Words are looked for in this much of a reply. */
export const MAX_SEARCHED_LENGTH = 1000;

/**
 * Ways in which servers say "less at a time". Each speaks of a rate or of a number of connections;
 * "try again later" alone does not, and neither does a limit of the message or of its recipient
 * (its size, its recipients, a full mailbox, a mailbox that gets much mail from everywhere).
 */
const THROTTLING_WORDS: readonly RegExp[] = [
  /\bthrottl(?:e|ed|ing)\b/i,
  /\brate[- ]?limit/i,
  /\b(?:relay|sending|connections?) limit (?:is )?(?:exceeded|reached)/i,
  /\bsender thread limit exceeded/i,
  /\b(?:sending|sender|submission|connection|message|mail) rate\b.{0,60}\b(?:exceed|overlimit)/i,
  /\b(?:hourly|daily|per (?:second|minute|hour|day))\b.{0,30}\b(?:limit|quota)\b.{0,30}\b(?:exceeded|reached)/i,
  /\bexceeded (?:your|the|its) (?:\w+ ){0,2}(?:sending|messaging|connection|rate) (?:limit|quota)/i,
  /\breached its limit for processing requests\b/i,
  /\bmaximum number of (?:\w+ ){0,2}(?:connections|sessions)\b/i,
  /\bhow many messages can be sent per\b/i,
  /\btoo (?:many|much|frequent) (?:\w+ ){0,3}(?:connections?|connects?|sessions?|logins?|attempts|mails?|e-?mails?|messages|requests)\b/i,
  /\btoo many recipients\b.{0,20}\b(?:from|this hour|this minute)\b/i,
  /\bunusual rate\b/i,
  /\b(?:unexpected|unusual|excessive) volume\b/i,
  /\bserver (?:is )?(?:too )?busy\b/i,
  /\bslow(?:ing)? down\b/i,
];

/**
 * What is said of one mailbox (RFC 3463: x.2.z) is about the mailbox, not about us, unless the words
 * name a limit of the way there.
 */
const MAILBOX_STATUS = /^4\.2\./;
const LIMIT_OF_THE_WAY = /\brate[- ]?limit|\brelay limit\b|\bthrottl/i;

/** RFC 3463 §3.5: the mail system is congested. IANA, X.7.28: a flood of mail was noticed. */
const CONGESTED = new Set(['4.4.5', '4.7.28']);

/** True when a hop asks for less at a time: 421, and 4yz replies that say so. */
export function asksForLess(reply: Pick<SmtpReply, 'code' | 'enhanced' | 'text'>): boolean {
  if (reply.code < 400 || reply.code > 499) {
    return false;
  }
  if (reply.code === 421 || CONGESTED.has(reply.enhanced ?? '')) {
    return true;
  }
  const text = reply.text.slice(0, MAX_SEARCHED_LENGTH);
  return MAILBOX_STATUS.test(reply.enhanced ?? '')
    ? LIMIT_OF_THE_WAY.test(text)
    : THROTTLING_WORDS.some((words) => words.test(text));
}

const MIN_RETRY_AFTER_MS = 1000;
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/** "try again in 5 minutes", "please wait 60 seconds", "Greylisted for 300 sec." */
const NAMED_DELAY =
  /\b(?:try|trying|retry|retrying|wait|waiting|come back|resend|reconnect|greylist(?:ed|ing)|deferred|delayed|back off)(?:[,:]?\s+(?:again|later|please|it|in|after|for|at|least|about|approximately|another)\b){0,5}[,:]?\s+\(?(\d{1,6})\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b/i;
/** "please come back in 00:29:59" */
const NAMED_CLOCK =
  /\b(?:try again|retry|wait|come back)(?:\s+(?:later|in|after|for))*\s+(\d{1,2}):(\d\d):(\d\d)\b/i;
/** "retry after 120", as HTTP's Retry-After: seconds. */
const BARE_SECONDS = /\bretry[- ]after:?\s+(\d{1,6})(?=[).,;]|\s*$)/i;

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000 };

/**
 * The time after which a reply asks to come back, between a second and a day, or null when it
 * names none.
 */
export function retryAfterMsIn(text: string): number | null {
  const searched = text.slice(0, MAX_SEARCHED_LENGTH);
  const delayMs = namedDelayMs(searched);
  return delayMs === null
    ? null
    : Math.min(Math.max(delayMs, MIN_RETRY_AFTER_MS), MAX_RETRY_AFTER_MS);
}

function namedDelayMs(text: string): number | null {
  const delay = NAMED_DELAY.exec(text);
  if (delay !== null) {
    const unit = (delay[2] as string).charAt(0).toLowerCase();
    return Number(delay[1]) * (UNIT_MS[unit] as number);
  }
  const clock = NAMED_CLOCK.exec(text);
  if (clock !== null) {
    return Number(clock[1]) * 3_600_000 + Number(clock[2]) * 60_000 + Number(clock[3]) * 1000;
  }
  const seconds = BARE_SECONDS.exec(text);
  return seconds === null ? null : Number(seconds[1]) * 1000;
}
