import { RelayError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { BodyCache } from './body-cache.js';
import type { Accepted, DeliveryKeys, HandedOver } from './delivery-keys.js';
import type { Item } from './item.js';
import type { Full, Room, RoomRefusal } from './room.js';
import type { DeliveryKey, FinishedBody, Note, Spool } from './spool.js';

/** What is stored in the same write as a message that is accepted. */
export interface AcceptOptions {
  note?: Note | undefined;
  /** It comes from an upstream node, which may hand it over again. */
  handedOver?: HandedOver | undefined;
}

export interface AcceptanceOptions {
  spool: Spool;
  room: Room;
  deliveryKeys: DeliveryKeys;
  bodies: BodyCache;
  log: Logger;
  /** The broker of the tier takes nothing now, and nothing may be kept here in its place. */
  brokerAway: () => boolean;
  /** Puts a message that is durable into the queue. */
  enter: (item: Item) => void;
}

/** The way of a message into the queue: whether there is room for it, and how it is taken. */
export class Acceptance {
  readonly #options: AcceptanceOptions;

  constructor(options: AcceptanceOptions) {
    this.#options = options;
  }

  /** False after a failure of the spool that no room would mend: senders have to be sent away. */
  get open(): boolean {
    const { healthy, failurePasses } = this.#options.spool;
    return healthy || failurePasses;
  }

  /**
   * Why there is no room for a message now, or null.
   *
   * @param sizeBytes as declared; 0 when nothing is known
   */
  refusal(sizeBytes: number): RoomRefusal | null {
    const { spool, room, brokerAway } = this.#options;
    if (brokerAway()) {
      return { full: 'broker', text: 'The queue of this tier cannot be had now' };
    }
    return spool.failurePasses
      ? { full: 'disk', text: 'The disk is full' }
      : room.refusal(sizeBytes);
  }

  /** What there is no room in, for those who only want to know. */
  get full(): Full | null {
    const { spool, room, brokerAway } = this.#options;
    if (brokerAway()) {
      return 'broker';
    }
    return spool.failurePasses ? 'disk' : (room.full()?.full ?? null);
  }

  /**
   * Resolves when the message is durable, and what belongs to it; it is in the queue then. What an
   * upstream node hands over again is not taken again: with some of its recipients taken before, the
   * item keeps the others; with all, the body is the caller's to discard, as it is when this rejects
   * with anything but a `SpoolRefusal` (`QUEUE_FULL`).
   */
  async accept(
    item: Item,
    body: FinishedBody,
    { note, handedOver }: AcceptOptions = {},
  ): Promise<Accepted> {
    const { spool, room, deliveryKeys, bodies, enter } = this.#options;
    const accept = async (keys: readonly DeliveryKey[]): Promise<void> => {
      this.#takeRoom(item);
      try {
        await spool.accept(item, body, { note, keys });
      } catch (error) {
        room.remove(item.body.sizeBytes);
        throw error;
      }
    };
    if (handedOver === undefined) {
      await accept([]);
    } else {
      const accepted = await deliveryKeys.once(item, handedOver, accept);
      if (accepted.repeated) {
        this.#logRepeat(accepted, handedOver);
        return accepted;
      }
    }
    if (body.kind === 'inline') {
      bodies.keep(item.id, body.bytes);
    }
    enter(item);
    return { queueId: item.id, repeated: false };
  }

  #takeRoom({ body: { kind, sizeBytes } }: Item): void {
    const { room } = this.#options;
    const refusal = room.refusal(sizeBytes, kind === 'file' ? sizeBytes : 0);
    if (refusal !== null) {
      throw new RelayError('QUEUE_FULL', refusal.text, {
        fault: 'system',
        hint: 'Make room on the disk, raise the limits of the queue, or see why its mail does not leave.',
      });
    }
    // Before the write, so that the next one sees it.
    room.add(sizeBytes);
  }

  #logRepeat({ queueId }: Accepted, handedOver: HandedOver): void {
    this.#options.log.info(
      {
        event: 'repeat',
        queue_id: queueId,
        peer: handedOver.node,
        peer_queue_id: handedOver.queueId,
      },
      'handed over again, and not taken again',
    );
  }
}
