import type { Ending } from '../scenario/at-end.js';
import type { TestCertificate } from '../send/certificates.js';
import type { Protection } from './traffic.js';

/** What is compared: a relay that hands all that it takes to one next hop. */
export interface Contender {
  name: string;
  /** Its version, and what it was set to beyond its defaults. */
  description: string;
  /** Others than what `wrap` runs sync for it too: its syncs are not counted. */
  syncsElsewhere?: boolean;
  start(owner: Ending, options: StartOptions): Promise<Running>;
}

/** One that cannot be had here. */
export interface Absent {
  name: string;
  reason: string;
}

export interface StartOptions {
  hopPort: number;
  /** On both sides. */
  protection: Protection;
  /** For the relay and the next hop, valid for 127.0.0.1 and localhost. */
  certificate: TestCertificate;
  /** Empty, its own, and gone afterwards. */
  folder: string;
  /** A command that runs the one that follows it, as in `strace -D`. */
  wrap?: readonly string[];
}

export interface Running {
  /** Where it takes mail. */
  port: number;
  /** The processes that it consists of are these and their descendants. */
  pids: readonly number[];
  /** From its start until it greeted, in milliseconds; where that was measured. */
  readyMs?: number;
  /** Those of `pids` that are a broker beside the relay. What they take counts as the contender's. */
  brokerPids?: readonly number[];
  holding?: Holding;
}

/** Keeps a relay from sending on what it takes. */
export interface Holding {
  hold(): Promise<void>;
  release(): Promise<void>;
}
