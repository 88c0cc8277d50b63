import type { Chance } from '../simulation/chance.js';

export const TARGET_NAMES = ['smtp', 'hop', 'json', 'yaml', 'spool'] as const;
export type TargetName = (typeof TARGET_NAMES)[number];

/** What is fuzzed, built anew now and then. */
export interface Target {
  /**
   * Runs one case. Everything in it follows from `chance`.
   *
   * @param show has to hear what is sent before it is sent
   * @throws Violation, or any other error, when a promise is broken
   */
  run(chance: Chance, show: (input: Shown) => void): Promise<void>;
  close(): Promise<void>;
}

/** Input as a report shows it: named parts in the order in which they are sent. */
export type Shown = ReadonlyArray<readonly [name: string, content: Buffer | string]>;

/** A promise that was not kept. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export function promised(kept: boolean, otherwise: () => string): asserts kept {
  if (!kept) throw new Violation(otherwise());
}

const MAX_PART = 6000;

/** Bounded and printable: what is not ASCII is escaped. */
export function printable(shown: Shown): string {
  return shown.map(([name, content]) => `${name}: ${escaped(content)}`).join('\n');
}

function escaped(content: Buffer | string): string {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const text = bytes.toString('latin1', 0, MAX_PART);
  // oxlint-disable-next-line no-control-regex
  const ascii = text.replaceAll(/[\\\x00-\x1f\x7f-\xff]/g, escapedByte);
  return bytes.length > MAX_PART ? `${ascii}… (${bytes.length} bytes)` : ascii;
}

function escapedByte(byte: string): string {
  const named = { '\\': '\\\\', '\r': '\\r', '\n': '\\n', '\t': '\\t' }[byte];
  return named ?? `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** Resolves with true once the condition holds, with false when it does not in time. */
export async function comesTrue(condition: () => boolean, deadlineMs: number): Promise<boolean> {
  const endMs = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > endMs) return false;
    await turn();
  }
  return true;
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
