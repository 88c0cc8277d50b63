/** Bytes of bodies that are kept for their first attempt. */
const MAX_BYTES = 32 * 1024 * 1024;

/**
 * Bodies of messages that were just accepted, so that a first attempt that succeeds never reads the
 * spool. Bounded in bytes: when full, a body is simply not kept and is read back instead.
 */
export class BodyCache {
  readonly #bodies = new Map<string, Buffer>();
  #bytes = 0;

  keep(id: string, body: Buffer): void {
    if (this.#bytes + body.length <= MAX_BYTES) {
      this.#bodies.set(id, body);
      this.#bytes += body.length;
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
    }
  }
}
