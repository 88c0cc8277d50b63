import type { Queue } from './queue-names.js';

export type LimitKey = Exclude<keyof Queue['capacity'], 'allowed_connections'>;

export interface Limit {
  key: LimitKey;
  title: string;
  max: number;
  /** Nothing typed takes the limit away. */
  isOptional: boolean;
}

/** What `POST /v1/queues/{name}/capacity` takes; each is at least 1. */
export const LIMITS: readonly Limit[] = [
  { key: 'max_connections', title: 'Connections', max: 10_000, isOptional: false },
  {
    key: 'max_messages_per_connection',
    title: 'Messages per connection',
    max: 1_000_000,
    isOptional: false,
  },
  {
    key: 'max_messages_per_minute',
    title: 'Messages per minute',
    max: 1_000_000,
    isOptional: true,
  },
  {
    key: 'max_connects_per_minute',
    title: 'Connects per minute',
    max: 1_000_000,
    isOptional: true,
  },
  {
    key: 'idle_timeout_seconds',
    title: 'Idle time, seconds',
    max: 31_536_000,
    isOptional: false,
  },
];

export type CapacityBody = Partial<Record<LimitKey, number | null>>;

/** What to send of what was typed: only what differs from what is in force. */
export function capacityChange(
  capacity: Queue['capacity'],
  typed: Readonly<Partial<Record<LimitKey, string>>>,
): { body: CapacityBody; faults: ReadonlyMap<LimitKey, string> } {
  const body: CapacityBody = {};
  const faults = new Map<LimitKey, string>();
  for (const { key, max, isOptional } of LIMITS) {
    const text = typed[key]?.trim();
    if (text === undefined) {
      continue;
    }
    const value = text === '' && isOptional ? null : Number(text === '' ? Number.NaN : text);
    if (value !== null && !(Number.isInteger(value) && value >= 1 && value <= max)) {
      faults.set(key, `a whole number from 1 to ${max}${isOptional ? ', or nothing' : ''}`);
    } else if (value !== capacity[key]) {
      body[key] = value;
    }
  }
  return { body, faults };
}

/** The same as arguments of `relaymesh queue limit`. */
export function capacityWords(body: CapacityBody): string[] {
  return Object.entries(body).map(
    ([key, value]) => `${key.replace(/_seconds$/, '').replaceAll('_', '-')}=${value ?? 'none'}`,
  );
}
