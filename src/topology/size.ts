import { z } from 'zod';

/** Sizes as people write them: `5MB`, `64MiB`; a MB has 1,000,000 bytes, a MiB 1024 × 1024. */

const UNIT_BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

/** Without flags: an editor that checks by the JSON Schema has none. */
const SIZE_PATTERN = /^\d{1,15}(\.\d{1,6})? ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;

/** @param size bytes, or a number with a unit; the form was checked before */
export function bytesOf(size: number | string): number {
  if (typeof size === 'number') return size;
  const [, number, unit] = /^([\d.]+)\s*([a-z]*)$/i.exec(size) ?? [];
  return Math.round(Number(number) * (UNIT_BYTES[(unit || 'b').toLowerCase()] ?? Number.NaN));
}

/** The largest unit that gives a whole number: `64MiB`, `1000B`. */
export function sizeText(bytes: number): string {
  const unit = ['TiB', 'GiB', 'MiB', 'KiB'].find(
    (name) => bytes > 0 && bytes % bytesOf(`1${name}`) === 0,
  );
  return unit === undefined ? `${bytes}B` : `${bytes / bytesOf(`1${unit}`)}${unit}`;
}

/** The form of a size of at least so many bytes. */
export function sizeSchema(leastBytes: number) {
  return z.union([
    z.int().min(leastBytes),
    z
      .string()
      .regex(SIZE_PATTERN, 'must be bytes, or a size as in 64MiB')
      .refine((text) => bytesOf(text) >= leastBytes, {
        error: `must be at least ${sizeText(leastBytes)}`,
        abort: true,
      })
      .refine((text) => bytesOf(text) <= Number.MAX_SAFE_INTEGER, { error: 'is too large' })
      .meta({ title: 'a size as in 64MiB' }),
  ]);
}
