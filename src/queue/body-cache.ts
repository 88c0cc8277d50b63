import { BodyMemory } from './body-memory.js';

/** Of the memory for bodies; the rest is always there for those on their way in. */
const CACHE_SHARE = 0.5;
const DEFAULT_BYTES = 64 * 1024 * 1024;

/**
 * Bodies of messages that were just accepted, so that a first attempt that succeeds never reads the
 * spool. Bounded in bytes: when full, a body is simply not kept and is read back instead.
 */
export class BodyCache {
  readonly #memory: BodyMemory;
  readonly #bodies = new Map<string, Buffer>();
  #bytes = 0;

  constructor(memory = new BodyMemory(() => DEFAULT_BYTES)) {
    this.#memory = memory;
  }

  /** Takes over what the body held on its way in, and gives it back if it is not kept. */
  keep(id: string, body: Buffer): void {
    const limit = this.#memory.limitBytes * CACHE_SHARE;
    if (this.#bytes + body.length <= limit && this.#memory.hold(id, body.length)) {
      this.#bodies.set(id, body);
      this.#bytes += body.length;
    } else {
      this.#memory.release(id);
    }
  }

  get(id: string): Buffer | undefined {
    return this.#bodies.get(id);
  }

  forget(id: string): void {
    const body = this.#bodies.get(id);
    if (body !== undefined) {
      this.#bodies.delete(id);
      this.#bytes -= body.length;
      this.#memory.release(id);
    }
  }
}
