import type { Capacity } from './capacity.js';
import { TRANSACTION, type ReplyRule } from './reply-table.js';

/** What is known about a service that much mail is sent through. */
export interface Preset {
  /** Only what the service publishes; everything else stays as it is. */
  capacity: Partial<Capacity>;
  /** Replies that do not mean what their codes say. */
  replyRules: readonly ReplyRule[];
}

export type PresetName = 'microsoft-365' | 'gmail' | 'ses' | 'sendgrid';

/**
 * A limit or a lock of the whole account, said as if it were for good: nothing is wrong with the
 * message, and no other message would fare better now.
 */
function ofTheAccount(...match: string[]): ReplyRule {
  return { stages: TRANSACTION, codes: [500, 599], match, kind: 'hop-fault' };
}

/** The same of a limit that less mail keeps away from. */
function ofItsVolume(...match: string[]): ReplyRule {
  return { ...ofTheAccount(...match), slowDown: true };
}

/** A limit that concerns some senders or recipients only: their mail waits, the rest goes on. */
function ofSome(...match: string[]): ReplyRule {
  return { ...ofTheAccount(...match), kind: 'deferred' };
}

export const PRESETS: Readonly<Record<PresetName, Preset>> = {
  /**
   * Three connections at once and 30 messages a minute for a mailbox: Microsoft Learn, "Message
   * storage and concurrent connection throttling for SMTP Authenticated Submission". A fourth
   * connection hears 432 4.3.2, which the common table understands.
   */
  'microsoft-365': {
    capacity: { maxConnections: 3, maxMessagesPerMinute: 30 },
    replyRules: [
      // The same page: 10,000 recipients a day, and a mailbox whose sent items have filled it.
      ofItsVolume('*SubmissionQuotaExceeded*'),
      ofTheAccount('5.2.2 *STOREDRV.Submission*'),
      // Microsoft Learn, "Fix NDR error 5.7.700 through 5.7.750": too much mail of the tenant; an
      // address that is not trusted yet; a domain of the sender that is not registered.
      ofItsVolume('5.7.705 *', '*tenant has exceeded threshold*'),
      ofTheAccount('5.7.708 *', '*traffic not accepted from this IP*'),
      ofSome('5.7.750 *'),
      // Microsoft Learn, "NDR errors in Exchange Online": the sender is restricted until an
      // administrator lifts it; limits of a day for a sender (5.1.90) and for what leaves the tenant.
      ofSome('5.1.8 *bad outbound sender*'),
      ofSome('5.1.90 *'),
      ofSome('5.7.232 *', '5.7.233 *'),
    ],
  },
  /**
   * Google publishes limits for a day and for the recipients of a message ("Gmail sending limits in
   * Google Workspace", "SMTP relay service"), none for connections or for a minute. What it answers
   * beyond them: "Gmail SMTP errors and codes".
   */
  gmail: {
    capacity: {},
    replyRules: [
      // The relay counts by the sender of the envelope: others may still send.
      ofSome('5.4.5 *relay* limit exceeded for user*'),
      ofItsVolume('5.4.5 *daily *limit exceeded*', '5.4.5 *daily *quota exceeded*'),
      ofItsVolume('5.7.1 *daily *relay* limit exceeded*'),
      ofItsVolume('5.7.1 *email quota exceeded*'),
    ],
  },
  /**
   * The rate a second and the quota a day are of each account and region, and are raised with time
   * ("Service quotas in Amazon SES"), so no number is right for everybody. Beyond them it answers
   * 454 "Throttling failure" ("Errors related to the sending quotas"), which the common table
   * understands.
   */
  ses: {
    capacity: {},
    replyRules: [
      // "Amazon SES email sending errors": an account that is paused until it is reviewed, or a
      // login without the permission to send, which may hold for some senders only.
      ofTheAccount(
        '*sending paused*',
        '*sending is paused*',
        '*sending suspended*',
        '*sending is suspended*',
        '*sending disabled*',
        '*sending is disabled*',
      ),
      ofSome('access denied: *not authorized*', '5.*.* access denied: *not authorized*'),
    ],
  },
  /**
   * 5,000 messages over a connection: Twilio, "Integrating with the SMTP API". The same page allows
   * 10,000 connections at once, which is no limit that a queue here would come near to.
   */
  sendgrid: {
    capacity: { maxMessagesPerConnection: 5000 },
    replyRules: [
      // Twilio, "SMTP Errors and Troubleshooting" and "Understanding the Maximum Credits Exceeded
      // error": the credits of the day or the plan; a lock for a while; a login that is missing.
      ofItsVolume('*maximum credits exceeded*'),
      ofItsVolume('*exceeded your *messaging limit*', '*exceeded your *sending limit*'),
      ofTheAccount('*temporarily blocked*'),
      ofTheAccount('*unauthenticated senders not allowed*'),
    ],
  },
};
