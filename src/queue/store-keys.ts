/** Keys of the spool's store that belong to messages; one pass over them is in order of arrival. */

export const MESSAGE_PREFIX = 'q!';
/** Sorts right behind the message's own key, so that one pass reads both. */
export const PROGRESS_SUFFIX = '!p';

export function messageKey(id: string): string {
  return MESSAGE_PREFIX + id;
}

export function progressKey(id: string): string {
  return MESSAGE_PREFIX + id + PROGRESS_SUFFIX;
}

/** The id of the message that a key belongs to, or null. */
export function messageOfKey(key: string): string | null {
  if (!key.startsWith(MESSAGE_PREFIX)) {
    return null;
  }
  return key.endsWith(PROGRESS_SUFFIX)
    ? key.slice(MESSAGE_PREFIX.length, -PROGRESS_SUFFIX.length)
    : key.slice(MESSAGE_PREFIX.length);
}
