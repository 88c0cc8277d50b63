/** A reply that refuses: RFC 5321 code, RFC 3463 enhanced code, and words for the client. */
export interface Refusal {
  code: number;
  enhanced: string;
  text: string;
  /** Key of a JSON message that it is about; absent: the message itself. */
  about?: string;
  /** The session ends without this reply: whether the message was taken is not certain. */
  unsaid?: true;
}

/** A line of a reply has at most 512 octets (RFC 5321 §4.5.3.1.5): codes and line end leave so many. */
const MAX_TEXT = 490;

/** @param text ASCII; cut where it holds more of what the client said than a reply has room for */
export function refuse(code: number, enhanced: string, text: string): Refusal {
  return { code, enhanced, text: text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text };
}

/** RFC 3463 §3.4, X.3.1: mail system full; X.3.0 where the store cannot be had. Null stays null. */
export function refuseFull(full: { full: string; text: string } | null): Refusal | null {
  if (full === null) {
    return null;
  }
  const text = `${full.text}; try again later`;
  return full.full === 'broker' ? refuse(451, '4.3.0', text) : refuse(452, '4.3.1', text);
}
