import type { Secret } from '../base/secret.js';
import type { Path } from '../topology/fault.js';
import type { ConfigFault } from './fault.js';
import type { Config } from './load.js';
import type { Origin } from './origin.js';

/** Where the values stand that the flat keys brought into a topology. */
export class PathOrigins {
  readonly #origins = new Map<string, Origin>();

  set(path: Path, origin: Origin | undefined): void {
    if (origin !== undefined) this.#origins.set(JSON.stringify(path), origin);
  }

  /** Of the value at `path`, or of the nearest one around it that a flat key brought. */
  find(path: Path): Origin | undefined {
    for (let length = path.length; length > 0; length--) {
      const origin = this.#origins.get(JSON.stringify(path.slice(0, length)));
      if (origin !== undefined) return origin;
    }
    return undefined;
  }
}

/** What the parts of an overlay share. */
export interface OverlayContext {
  config: Config;
  nodeName: string;
  /** Place of a value of the topology, for people. */
  locate: (path: Path) => string;
  origins: PathOrigins;
  /** Declares a secret under this name, or one like it, and gives its reference. */
  declare: (
    name: string,
    source: Secret | { file: string },
    origin: Origin | undefined,
  ) => { secret: string };
  report: (fault: ConfigFault) => void;
}
