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
  /** Recipients that the neighbour took in the last minute. */
  delivered_per_minute: number;
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
  /** What `delivered_per_minute` is measured over. */
  window_seconds: number;
  nodes: LiveNode[];
  flows: LiveFlow[];
}

/** `421 4.3.2 closing` or, where the remote said nothing, our own words. */
export function faultText({ code, enhanced_code, description }: LiveFault): string {
  return [code, enhanced_code, description].filter((part) => part !== null).join(' ');
}
