import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { Delivery } from '../../src/queue/delivery.js';
import { isSettled } from '../../src/queue/item.js';
import { LevelSpool } from '../../src/queue/level-spool.js';
import type { Plant } from './orders.js';
import { wrap } from './wrap.js';

/*
 * Negative controls: a checker that was never seen to fail proves nothing. Each plants one defect
 * into the classes of the running node; the accounts of the crash test must show it.
 */

/** A kill leaves what the system has been given, so the late write has to be late. */
const LATE_MS = { least: 50, more: 150 };

const spool = LevelSpool.prototype;

export function plant(name: Plant): void {
  const planting = { 'early-250': early250, 'early-removal': earlyRemoval, 'no-keys': noKeys };
  planting[name]();
}

/** `accept` resolves before the message is written; what comes later waits its turn. */
function early250(): void {
  const late = new Map<string, Promise<unknown>>();
  wrap(
    spool,
    'accept',
    (accept) =>
      async function (this: LevelSpool, ...given) {
        const [item, ...rest] = given;
        const { id } = item;
        // As it is now: the attempt that begins meanwhile changes it.
        const record = structuredClone(item);
        const written = pause(LATE_MS.least + Math.random() * LATE_MS.more)
          .then(() => accept.call(this, record, ...rest))
          .catch(() => undefined)
          .finally(() => late.delete(id));
        late.set(id, written);
      },
  );
  wrap(
    spool,
    'update',
    (update) =>
      async function (this: LevelSpool, ...given) {
        await late.get(given[0].id);
        await update.apply(this, given);
      },
  );
  wrap(
    spool,
    'remove',
    (remove) =>
      async function (this: LevelSpool, item) {
        await late.get(item.id);
        await remove.call(this, item);
      },
  );
  wrap(
    spool,
    'openBody',
    (openBody) =>
      async function (this: LevelSpool, item) {
        await late.get(item.id);
        return openBody.call(this, item);
      },
  );
}

/** A message leaves the spool when its attempt starts; the node goes on with what it remembers. */
function earlyRemoval(): void {
  const spools = new Map<string, LevelSpool>();
  const bodies = new Map<string, Buffer>();
  wrap(
    spool,
    'accept',
    (accept) =>
      async function (this: LevelSpool, ...given) {
        spools.set(given[0].id, this);
        await accept.apply(this, given);
      },
  );
  wrap(
    spool,
    'openBody',
    (openBody) =>
      async function (this: LevelSpool, item) {
        return bodies.get(item.id) ?? openBody.call(this, item);
      },
  );
  wrap(
    Delivery.prototype,
    'run',
    (run) =>
      async function (this: Delivery, ...given) {
        const [{ item }] = given;
        const own = spools.get(item.id);
        const body = await own?.openBody(item);
        if (body != null) {
          bodies.set(item.id, Buffer.isBuffer(body) ? body : await buffer(body));
          await own?.remove(item);
        }
        await run.apply(this, given);
        if (isSettled(item)) {
          spools.delete(item.id);
          bodies.delete(item.id);
        }
      },
  );
}

/** What was handed over is stored, and the names that its sender has for it are not. */
function noKeys(): void {
  wrap(
    spool,
    'accept',
    (accept) =>
      function (this: LevelSpool, item, body, also) {
        const { keys: _, ...rest } = also ?? {};
        return accept.call(this, item, body, rest);
      },
  );
}
