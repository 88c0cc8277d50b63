/** A message on its way to its first node. */
export interface Letter {
  /** Without brackets. */
  messageId: string;
  /** '' is the null sender. */
  sender: string;
  message: Buffer;
}

/** What came of handing in one message once. */
export interface Attempt {
  /** Recipients that the node is responsible for now. */
  taken: string[];
  /** Recipients that it may take when it is asked again; all others it refused for good. */
  open: string[];
  /**
   * What an attempt that took nobody came to: refused for good, refused for now, or no answer at
   * all. `login`: the login was refused, which may be about to change.
   */
  result: 'taken' | 'refused' | 'later' | 'lost' | 'login';
  /** The content was sent and no answer came, and asking again may make a second message. */
  inDoubt: boolean;
  /** The node's words, or why there are none. */
  reply: string;
  queueId: string | null;
}

/** A way into a node, for one message at a time. Whoever has it closes it. */
export interface Door {
  /** Never rejects. An abort ends it at once. */
  attempt(letter: Letter, recipients: readonly string[], signal: AbortSignal): Promise<Attempt>;
  close(): void;
}

/** An attempt that got nowhere. */
export function lostAttempt(recipients: readonly string[], reply: string): Attempt {
  const open = [...recipients];
  return { taken: [], open, result: 'lost', inDoubt: false, reply, queueId: null };
}
