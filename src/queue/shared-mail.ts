import type { RelayError } from '../base/errors.js';
import type { Item } from './item.js';

/**
 * What a spool that a tier shares does beside keeping mail. A message that the broker has given to
 * this node is its own until it is removed or handed back; the broker gives it to another one as
 * soon as this node, or the way to it, is gone.
 */
export interface SharedMail {
  /** One listener. Those that are here already are told at once, each later one when it comes. */
  onArrival(listener: (arrival: Arrived) => void): void;
  /** The broker has taken these back. One listener. */
  onLoss(listener: (ids: string[]) => void): void;
  /** The message is at the broker, given to this node or to nobody yet; not on this disk. */
  isShared(id: string): boolean;
  /**
   * Hands a message to the tier, from here or from this disk, with the states that its recipients
   * have now. Resolves when the broker has it for good; it is no longer this node's then. Rejects, and
   * then nothing has changed, unless the broker has taken it back.
   *
   * @param stage the queue that it waits in
   * @param waitMs 0: for whoever has room
   */
  handBack(item: Item, stage: string, waitMs: number): Promise<void>;
  /** Asks the broker what waits there; null where that cannot be told. */
  depths(): Promise<TierDepths | null>;
  /** Keeps a message on this disk from now on, as it is; the tier forgets it. */
  keepHere(id: string): Promise<void>;
  /** Why the broker takes nothing now, or null. */
  readonly away: RelayError | null;
  /** Nothing is taken for the tier now, and nothing may be kept here in its place. */
  readonly refusing: boolean;
  readonly figures: SharedFigures;
}

/**
 * True for what only this node can send: its body is in a file here, or its own login was encrypted
 * with the key of this node.
 */
export function isOfThisNode({ body, settings }: Item): boolean {
  return body.kind === 'file' || settings?.smarthost?.sealedPassword != null;
}

export interface Arrived {
  id: string;
  /** Somebody had it and did not come to an end with it: it may have been delivered. */
  redelivered: boolean;
  /** How often it was given out before. */
  deliveryCount: number;
  stage: string;
}

/** Messages at the broker that no node has been given. */
export interface TierDepths {
  /** For whoever has room, by stage. */
  stages: ReadonlyMap<string, number>;
  /** For later, of all stages. */
  deferred: number;
}

export interface SharedFigures {
  /** Where this node is connected, or null. */
  broker: string | null;
  /** How often it was connected. */
  connects: number;
  /** Messages that the broker has given to this node. */
  held: number;
  /** Came again after this node, or another, had them: each may have been delivered twice. */
  redelivered: number;
  /** Copies of one message that were recognised here and dropped. */
  copiesDropped: number;
  /** Publications of which nobody knows whether the broker has them: each may come twice. */
  undetermined: number;
}
