import { createHash } from 'node:crypto';
import { queueIdTime } from '../base/identifiers.js';
import type { DeliveryKey } from './spool.js';
import type { Store, StoreOperation } from './store.js';

/**
 * Delivery keys in the store: `k!NODE!QUEUE-ID!RECIPIENT` → our queue id, about 55 bytes each on
 * disk. The sender's queue ids begin with their time of birth, so that each node's keys lie in the
 * order of age, new ones go to the end, and those to be forgotten lie together.
 */
const PREFIX = 'k!';
const END = 'k!~';
/** Keys deleted at a time, so that writers come in between. */
const DELETE_BATCH = 1000;
/** The oldest keys are forgotten for want of room to this exactness. */
const CUT_STEP_MS = 60_000;

/** What stores the keys of a message that was taken as `ownId`. */
export function keyOperations(keys: readonly DeliveryKey[], ownId: string): StoreOperation[] {
  return keys.map((key) => ({ type: 'put', key: recordKey(key), value: Buffer.from(ownId) }));
}

/** Our queue id for each key, or null where it was never stored. */
export function findKeys(store: Store, keys: readonly DeliveryKey[]): Array<string | null> {
  // Without a turn of the event loop: 2 µs for a key that is not there, where asking asynchronously takes 100.
  return keys.map((key) => store.getSync(recordKey(key))?.toString('latin1') ?? null);
}

/**
 * `Spool.forgetKeys`.
 *
 * @param write deletes in the order of all other writes
 */
export async function forgetKeys(
  store: Store,
  write: (operations: StoreOperation[]) => Promise<void>,
  bornBeforeMs: number,
  nowMs: number,
  maxBytes: number,
): Promise<number | null> {
  const nodes = await nodesOf(store);
  await forgetBefore(store, write, nodes, bornBeforeMs);
  if ((await sizeSince(store, nodes, bornBeforeMs)) <= maxBytes) {
    return null;
  }
  const cutMs = await cutFor(store, nodes, bornBeforeMs, nowMs, maxBytes);
  await forgetBefore(store, write, nodes, cutMs);
  await store.compactRange(PREFIX, END);
  return cutMs;
}

/** The earliest time since which the keys take no more than `maxBytes`, to a minute. */
async function cutFor(
  store: Store,
  nodes: string[],
  fromMs: number,
  toMs: number,
  maxBytes: number,
): Promise<number> {
  let tooMuchMs = fromMs;
  let fitsMs = toMs;
  while (fitsMs - tooMuchMs > CUT_STEP_MS) {
    const middleMs = Math.floor((tooMuchMs + fitsMs) / 2);
    if ((await sizeSince(store, nodes, middleMs)) <= maxBytes) {
      fitsMs = middleMs;
    } else {
      tooMuchMs = middleMs;
    }
  }
  return fitsMs;
}

async function sizeSince(store: Store, nodes: string[], atMs: number): Promise<number> {
  let bytes = 0;
  for (const node of nodes) {
    const prefix = nodePrefix(node);
    bytes += await store.approximateSize(prefix + queueIdTime(atMs), `${prefix}~`);
  }
  return bytes;
}

async function forgetBefore(
  store: Store,
  write: (operations: StoreOperation[]) => Promise<void>,
  nodes: string[],
  atMs: number,
): Promise<void> {
  for (const node of nodes) {
    const prefix = nodePrefix(node);
    const iterator = store.iterator({ gt: prefix, lt: prefix + queueIdTime(atMs) });
    try {
      for (;;) {
        const old = await iterator.nextv(DELETE_BATCH);
        if (old.length === 0) {
          break;
        }
        await write(old.map(([key]) => ({ type: 'del', key })));
      }
    } finally {
      await iterator.close();
    }
  }
}

/** The nodes that have keys here. */
async function nodesOf(store: Store): Promise<string[]> {
  const nodes: string[] = [];
  let after = PREFIX;
  for (;;) {
    const key = await firstKey(store, { gt: after, lt: END });
    const node = key?.split('!')[1];
    if (node === undefined) {
      return nodes;
    }
    nodes.push(node);
    after = `${nodePrefix(node)}~`;
  }
}

async function firstKey(store: Store, range: { gt: string; lt: string }): Promise<string | null> {
  const iterator = store.iterator(range);
  try {
    const [first] = await iterator.nextv(1);
    return first?.[0] ?? null;
  } finally {
    await iterator.close();
  }
}

/** Node names have no `!`. The recipient as a digest: short, and nobody's address stays here. */
function recordKey({ node, queueId, recipient }: DeliveryKey): string {
  const digest = createHash('sha256').update(recipient).digest('base64url').slice(0, 16);
  return `${nodePrefix(node)}${queueId}!${digest}`;
}

function nodePrefix(node: string): string {
  return `${PREFIX}${node}!`;
}
