import { useRef } from 'react';

/**
 * The same key for the same message until it is stored: when an answer was lost, sending it again
 * stores it once. After `used`, the same words are another message.
 */
export function useIdempotencyKey(): { of: (message: string) => string; used: () => void } {
  const last = useRef<{ message: string; key: string } | null>(null);
  return {
    of: (message) => {
      if (last.current?.message !== message) last.current = { message, key: randomHex() };
      return last.current.key;
    },
    used: () => {
      last.current = null;
    },
  };
}

/** 128 bits. `crypto.randomUUID` is there in secure contexts only. */
export function randomHex(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
