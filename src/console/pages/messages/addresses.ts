import { shownText } from '../../words.js';

/** The address of the page of a message: its id is a queue id, a trace id or a Message-ID. */
export function messageHref(node: string, id: string): string {
  return `/messages/${encodeURIComponent(node)}/${encodeURIComponent(id)}`;
}

/** The node and the id of an address as the browser has it; null: it names no message. */
export function messageAt(pathname: string): { node: string; id: string } | null {
  const [, node, id] = /\/messages\/([^/]+)\/([^/]+)\/?$/.exec(pathname) ?? [];
  if (node === undefined || id === undefined) return null;
  try {
    return { node: decodeURIComponent(node), id: decodeURIComponent(id) };
  } catch {
    return null;
  }
}

export function queueHref(node: string, queue: string): string {
  return `/queues/${encodeURIComponent(node)}/${encodeURIComponent(queue)}`;
}

/** The first ones, as they are shown, and how many more there are. */
export function someOf(addresses: readonly string[], most: number): string {
  const shown = addresses.slice(0, most).map(shownText).join(', ');
  const left = addresses.length - most;
  return left > 0 ? `${shown} and ${left.toLocaleString('en-GB')} more` : shown;
}
