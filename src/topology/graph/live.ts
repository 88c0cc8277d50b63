/** What the API of running nodes tells about a graph. Names are those of the JSON. */

/** Mail on its way from a node to one neighbour, over all queues between the two. */
export interface LiveFlow {
  from: string;
  to: string;
  /** Names of the queues, sorted. */
  queues: string[];
  /** Messages whose turn comes, those being sent, those that wait for a retry, those held. */
  ready: number;
  sending: number;
  deferred: number;
  held: number;
  /**
   * Messages of the newest ones that `from` received in the window that the neighbour has taken
   * since, for each minute. Mail that is older than the window is not counted. Null: not known.
   */
  messages_per_minute: number | null;
  /** The worst of the queues: `paused`, `backoff`, `probing` or `active`. */
  state: string;
  /** The latest of the queues, in the words of the remote. */
  last_fault: LiveFault | null;
}

export interface LiveFault {
  stage: string;
  code: number | null;
  enhanced_code: string | null;
  description: string;
  at: string;
}

export interface LiveNode {
  id: string;
  reachable: boolean;
  /** Why it is not. */
  reason: string | null;
  /** Messages that wait for an operator. */
  quarantined: number;
  /** Messages in queues to hosts that are not in the graph. */
  elsewhere: number;
}

export interface LiveFacts {
  /** When the nodes were asked, ISO 8601. */
  asked_at: string;
  /** What `messages_per_minute` is measured over at most. */
  window_seconds: number;
  nodes: LiveNode[];
  flows: LiveFlow[];
}

/** `421 4.3.2 closing` or, where the remote said nothing, our own words. */
export function faultText({ code, enhanced_code, description }: LiveFault): string {
  return [code, enhanced_code, description].filter((part) => part !== null).join(' ');
}
