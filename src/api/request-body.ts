import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { problem } from './problem.js';

/** Of a body that is refused, so much is read all the same: many clients listen only when they have sent it. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;

/** Refuses a larger body: 413 `BAD_BODY`. */
export function atMost(maxBytes: number): MiddlewareHandler<{ Bindings: HttpBindings }> {
  return bodyLimit({
    maxSize: maxBytes,
    onError: async (context) => {
      const { incoming } = context.env as HttpBindings;
      // one that does not say its length is being read already
      if (incoming.headers['content-length'] !== undefined) await discardRest(incoming);
      return problem(context, 413, 'BAD_BODY', `At most ${maxBytes} bytes are taken.`);
    },
  });
}

/** The body; null when it has more bytes than that. What is left of it then is not read. */
export async function readBody(
  incoming: IncomingMessage,
  maxBytes: number,
): Promise<Buffer | null> {
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) {
    return null;
  }
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of contentOf(incoming)) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      return null;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, sizeBytes);
}

/** A reader that stops early leaves the connection open, so that the answer still arrives. */
export function contentOf(incoming: IncomingMessage): AsyncIterable<Buffer> {
  return incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

/** `cut`: the client went away before the end of its request. Other errors are passed on. */
export async function unlessCut<T>(
  incoming: IncomingMessage,
  work: () => Promise<T>,
): Promise<T | 'cut'> {
  try {
    return await work();
  } catch (error) {
    if (incoming.errored !== null || (incoming.destroyed && !incoming.complete)) {
      return 'cut';
    }
    throw error;
  }
}

/** Reads what is left of a body that nobody wants, within bounds; never rejects. */
export async function discardRest(incoming: IncomingMessage): Promise<void> {
  let sizeBytes = 0;
  try {
    for await (const chunk of contentOf(incoming)) {
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_DISCARDED_BYTES) {
        return;
      }
    }
  } catch {
    // The client went away; nobody waits for the answer.
  }
}
