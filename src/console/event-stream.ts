/** One event of a stream (WHATWG HTML §9.2); `data: null`: an id alone. */
export interface EventFrame {
  id: string | null;
  event: string;
  data: string | null;
}

const MAX_FRAME_CHARACTERS = 1024 * 1024;

/**
 * The events of a body as they come. It ends with the body, and throws when an event is too large.
 *
 * @param heard called whenever something comes, heartbeats too
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array> | null,
  heard: () => void = () => undefined,
): AsyncGenerator<EventFrame> {
  if (body === null) {
    return;
  }
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      heard();
      const frames = (rest + decoder.decode(value, { stream: true })).split('\n\n');
      rest = frames.pop() ?? '';
      if (rest.length > MAX_FRAME_CHARACTERS) {
        throw new Error('an event is too large');
      }
      for (const frame of frames) {
        const parsed = parseFrame(frame);
        if (parsed.id !== null || parsed.data !== null) {
          yield parsed;
        }
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

function parseFrame(text: string): EventFrame {
  const frame: EventFrame = { id: null, event: 'message', data: null };
  for (const line of text.split('\n')) {
    const [, field, value = ''] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
    if (field === 'data') {
      frame.data = frame.data === null ? value : `${frame.data}\n${value}`;
    } else if (field === 'id' || field === 'event') {
      frame[field] = value;
    }
  }
  return frame;
}
