/** One server-sent event (WHATWG HTML §9.2); `data` null: it only has an id. */
export interface EventFrame {
  id: string | null;
  type: string;
  data: string | null;
}

/** Of one event; ours have some kilobytes at most. */
const MAX_FRAME_CHARACTERS = 1024 * 1024;

/**
 * The events of a stream as our own nodes write them: lines end in LF. Throws at an event that is
 * too large.
 *
 * @param heard called for every piece, also for one that ends no event
 */
export async function* readFrames(
  stream: AsyncIterable<Buffer>,
  heard: () => void,
): AsyncGenerator<EventFrame> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of stream) {
    heard();
    const frames = (rest + decoder.decode(piece, { stream: true })).split('\n\n');
    rest = frames.pop() ?? '';
    if (rest.length > MAX_FRAME_CHARACTERS) {
      throw new Error(`an event has more than ${MAX_FRAME_CHARACTERS} characters`);
    }
    yield* frames.map(parseFrame);
  }
}

function parseFrame(text: string): EventFrame {
  const fields = new Map(
    text.split('\n').map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)] as const;
    }),
  );
  return {
    id: fields.get('id') ?? null,
    type: fields.get('event') ?? 'message',
    data: fields.get('data') ?? null,
  };
}
