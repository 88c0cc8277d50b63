/** Numbers with their units, as a line of a table has room for them. */

const COUNT = new Intl.NumberFormat('en-GB');
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `12,345` */
export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** At most five characters: `950`, `1.2k`, `100k`, `3.4M`. */
export function formatShortCount(count: number): string {
  for (const [unit, size] of [
    ['M', 1_000_000],
    ['k', 1000],
  ] as const) {
    if (count >= size) {
      const parts = count / size;
      return `${parts < 10 ? Math.floor(parts * 10) / 10 : Math.floor(parts)}${unit}`;
    }
  }
  return String(count);
}

/** `512 B`, `1.5 KiB`, `120 MiB` */
export function formatBytes(bytes: number): string {
  let parts = bytes;
  let unit = 0;
  while (parts >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    parts /= 1024;
    unit++;
  }
  const digits = unit > 0 && parts < 9.95 ? 1 : 0;
  return `${parts.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** The two largest units: `0 s`, `45 s`, `3 min 20 s`, `5 h 2 min`, `12 d 3 h`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: Array<[number, string]> = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) {
    return '0 s';
  }
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

/** `850 ms`, `1.24 s`, then as `formatDuration`. */
export function formatMilliseconds(ms: number): string {
  if (ms < 999.5) {
    return `${ms < 9.95 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  }
  return ms < 59_995 ? `${Number((ms / 1000).toFixed(2))} s` : formatDuration(ms / 1000);
}

/** `in 20 s`, `12 s ago`, `now` */
export function formatFromNow(at: number, now: number): string {
  const seconds = Math.round((at - now) / 1000);
  if (seconds === 0) {
    return 'now';
  }
  return seconds > 0 ? `in ${formatDuration(seconds)}` : `${formatDuration(-seconds)} ago`;
}

/** UTC, as logs and traces have it: `2026-05-04 12:30:05Z`. */
export function formatInstant(at: number): string {
  return new Date(at)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}
