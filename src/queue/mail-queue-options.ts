import type { Clock } from '../base/clock.js';
import type { Disk } from '../base/disk.js';
import type { Logger } from '../base/log.js';
import type { NextHop } from '../send/next-hop.js';
import type { Attempt } from '../send/request.js';
import type { TraceRecorder } from '../trace/recorder.js';
import type { BodyMemory } from './body-memory.js';
import type { Siblings } from './delivery-keys.js';
import type { Item } from './item.js';
import type { Results } from './results.js';
import type { ChooseRoute } from './route-groups.js';
import type { QueueSettings } from './settings.js';
import type { SharedMail } from './shared-mail.js';
import type { Spool } from './spool.js';

export interface MailQueueOptions {
  settings: QueueSettings;
  /** Name for bounces. */
  hostname: string;
  spool: Spool;
  /** The disk of the spool, for what is free on it. */
  disk: Pick<Disk, 'freeBytes'>;
  /** The same that the spool's body writers use. */
  bodyMemory: BodyMemory;
  chooseRoute: ChooseRoute;
  attempt: Attempt;
  /** True when a message to the hop needs no new connection. */
  hasFreeSession: (nextHop: NextHop) => boolean;
  recorder: TraceRecorder;
  clock: Clock;
  log: Logger;
  /** A number from 0 to 1. */
  chance: () => number;
  /** The tier that shares the mail of the spool, and where a message waits in it; absent: nobody does. */
  tier?: SharingTier;
  /** Who else may have taken what an upstream node hands over; absent: nobody. */
  siblings?: Siblings;
  /** Hears what becomes of recipients; absent: nobody does. */
  results?: Pick<Results, 'settled' | 'takeReport'>;
  /** Messages that stay in memory in each queue, and of those that wait for a time; default 1000. */
  maxResident?: number;
  /** Default: `newQueueId`. */
  newId?: (nowMs: number) => string;
}

/** A tier whose nodes share their mail. */
export interface SharingTier {
  name: string;
  /** This node. */
  node: string;
  mail: SharedMail;
  /** The stage at the broker that a message waits in. */
  stageOf: (item: Item) => string;
}
