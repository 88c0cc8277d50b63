/** What an attempt recorded, as far as its result tells of it. */
export interface AttemptWords {
  started_at: string;
  duration_ms: number;
  /** Name of the hop that was asked. */
  next_hop: string;
  /** Address and port that were connected to, or null when there was no connection. */
  remote: string | null;
  state: string;
  result: string;
  code: number | null;
  enhanced_code: string | null;
  description: string;
  recipients: readonly string[];
  /** In the order of the recipients, where they were answered differently. */
  replies?: ReadonlyArray<
    Pick<AttemptWords, 'state' | 'result' | 'code' | 'enhanced_code' | 'description'>
  >;
}

/** One attempt for one recipient, in MailerQ's words. */
export interface DeliveryResult {
  recipient: string;
  /** Where it ended: `message` when the content was answered. */
  state: string;
  /** `accepted`, or why not. */
  result: string;
  /** UTC, `YYYY-MM-DD HH:MM:SS`, when the attempt ended. */
  time: string;
  /** Name of the hop that was asked. */
  mta: string;
  /** Name of this node. */
  from: string;
  /** Address and port that were connected to, or null when there was no connection. */
  to: string | null;
  code: number | null;
  /** Enhanced status code (RFC 3463). */
  status: string | null;
  description: string;
}

/** The results of an attempt, one for each of its recipients. @param node that made it */
export function deliveryResults(attempt: AttemptWords, node: string): DeliveryResult[] {
  return attempt.recipients.map((recipient, index) => {
    const words = attempt.replies?.[index] ?? attempt;
    return {
      recipient,
      time: utcTime(Date.parse(attempt.started_at) + attempt.duration_ms),
      mta: attempt.next_hop,
      from: node,
      to: attempt.remote,
      state: words.state,
      result: words.result,
      code: words.code,
      status: words.enhanced_code,
      description: words.description,
    };
  });
}

/** A wall time as MailerQ writes it: UTC, `YYYY-MM-DD HH:MM:SS`. */
export function utcTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}
