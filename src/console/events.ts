import type { QueryClient } from '@tanstack/react-query';
import type { EventData, EventType } from '../api/shape/events.js';
import { send } from './api.js';
import { connection } from './connection.js';
import { readEvents } from './event-stream.js';

/*
 * The events of this node, over a fetch that stays open: EventSource cannot send the token. What
 * they say makes the pages ask again, once a second at most, however much mail passes.
 */

const REFRESH_MS = 1000;
const RETRY_MIN_MS = 2000;
const RETRY_MAX_MS = 60_000;
/** The node sends a line every 15 s; a stream that says nothing for longer is dead. */
const SILENCE_MS = 40_000;

export type MeshEvent = { [Type in EventType]: { type: Type; data: EventData<Type> } }[EventType];

const listeners = new Set<(event: MeshEvent) => void>();

/** Calls `listener` for every event of this node until what it returns is called. */
export function onEvent(listener: (event: MeshEvent) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Listens until `signal` aborts, and comes back after every end. */
export async function listen(queries: QueryClient, signal: AbortSignal): Promise<void> {
  const refresh = refresher(queries, signal);
  let lastId: string | null = null;
  let waitMs = RETRY_MIN_MS;
  while (!signal.aborted) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const answer = await send('/v1/events', {
        accept: 'text/event-stream',
        deadlineMs: Number.POSITIVE_INFINITY,
        signal: AbortSignal.any([signal, silence.signal]),
        headers: lastId === null ? {} : { 'last-event-id': lastId },
      });
      connection.eventsAre(true);
      waitMs = RETRY_MIN_MS;
      const heard = (): void => {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
      };
      for await (const frame of readEvents(answer.body, heard)) {
        lastId = frame.id ?? lastId;
        if (frame.data !== null) {
          const event = { type: frame.event, data: JSON.parse(frame.data) } as MeshEvent;
          for (const listener of listeners) {
            listener(event);
          }
          refresh();
        }
      }
    } catch {
      // Polling goes on; `connection` says that there are no events.
    }
    clearTimeout(timer);
    if (!signal.aborted) {
      connection.eventsAre(false);
      await pause(waitMs, signal);
      waitMs = Math.min(RETRY_MAX_MS, waitMs * 2);
    }
  }
}

/** Asks this node again, at once and then at most once in `REFRESH_MS`; a hidden tab waits. */
function refresher(queries: QueryClient, signal: AbortSignal): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let lastMs = 0;
  signal.addEventListener('abort', () => timer !== null && clearTimeout(timer));
  const now = (): void => {
    timer = null;
    lastMs = Date.now();
    if (document.visibilityState === 'visible') {
      void queries.invalidateQueries({ queryKey: [''] }, { cancelRefetch: false });
    }
  };
  return () => {
    timer ??= setTimeout(now, Math.max(0, lastMs + REFRESH_MS - Date.now()));
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
