/** A reply that refuses: RFC 5321 code, RFC 3463 enhanced code, and words for the client. */
export interface Refusal {
  code: number;
  enhanced: string;
  text: string;
  /** Key of a JSON message that it is about; absent: the message itself. */
  about?: string;
}

export function refuse(code: number, enhanced: string, text: string): Refusal {
  return { code, enhanced, text };
}
