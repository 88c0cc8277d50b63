import type { Secret } from '../base/secret.js';
import type { Path } from './fault.js';
import type { Allotment } from './schema.js';

/** What compiling needs from outside of the topology, so that it stays a pure function. */
export interface CompileInputs {
  /** The node's data folder. */
  dataDir: string;
  /** What `topology up` settled, when it did. */
  allotment: Allotment | undefined;
  /** Value of a secret that the topology declares; called only for those that this node needs. */
  resolveSecret: (name: string) => Secret;
  /** Absolute path of a file, named as in the topology. */
  resolvePath: (file: string) => string;
  /** Text of a PEM file, named as in the topology. */
  readPem: (file: string) => string;
  /** The token that the node keeps itself; called only when nothing else gives it one. */
  ownApiToken: () => Secret;
  /** `FILE:LINE:COL` of a value of the topology. */
  locate: (path: Path) => string;
}
