import type { Readable } from 'node:stream';
import type { Capture, CaptureFile } from './capture.js';
import { MessageDigest, type Digest } from './digest.js';

/** The content of a DATA phase: `sizeExceeded` turns true once it is over the limit. */
export interface ContentStream extends Readable {
  sizeExceeded: boolean;
}

/** A message that came whole. Its owner ends `file` with `keep` or `discard`. */
export interface Complete {
  kind: 'complete';
  digest: Digest;
  file: CaptureFile | null;
}

export type Received =
  | Complete
  /** Over the size limit; nothing of it is left. */
  | { kind: 'oversize' }
  /** The capture failed; nothing of it is left. */
  | { kind: 'disk-fault'; cause: unknown };

/**
 * Reads a message to its end, whatever becomes of it, since the client listens only then. Holds one
 * chunk at a time; with a capture the disk sets the pace.
 * @throws when the stream breaks off before its end; nothing of the message is left then
 */
export async function receiveMessage(
  content: ContentStream,
  id: string,
  capture: Capture | null,
): Promise<Received> {
  const digest = new MessageDigest();
  let file: CaptureFile | null = null;
  let fault: { cause: unknown } | null = null;

  const store = async (chunk: Buffer): Promise<void> => {
    if (capture === null || fault !== null) return;
    try {
      file ??= await capture.begin(id);
      await file.write(chunk);
    } catch (cause) {
      fault = { cause };
    }
  };

  const discard = async (): Promise<void> => {
    await file?.discard();
  };

  try {
    for await (const chunk of content as AsyncIterable<Buffer>) {
      if (content.sizeExceeded) continue;
      digest.update(chunk);
      if (capture !== null) await store(chunk);
    }
  } catch (error) {
    await discard();
    throw error;
  }
  // An empty message has no chunk, and yet a (then empty) capture.
  if (capture !== null && file === null) await store(Buffer.alloc(0));
  if (content.sizeExceeded) {
    await discard();
    return { kind: 'oversize' };
  }
  if (fault !== null) {
    await discard();
    return { kind: 'disk-fault', cause: (fault as { cause: unknown }).cause };
  }
  return { kind: 'complete', digest: digest.finish(), file };
}
