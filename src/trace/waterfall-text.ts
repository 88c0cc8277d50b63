/** Words, numbers and colours of what is drawn for people: durations, instants, columns. */

export type Style = 'strong' | 'dim' | 'good' | 'bad' | 'wait';

/** Wraps `text` in the codes of a style, or returns it as it is where there are no colours. */
export type Paint = (style: Style, text: string) => string;

const SGR: Record<Style, string> = { strong: '1', dim: '2', good: '32', bad: '31', wait: '33' };

/** A `Paint` with ANSI colours, or one that leaves text alone. */
export function painter(color: boolean): Paint {
  if (!color) return (_style, text) => text;
  return (style, text) => (text.trim() === '' ? text : `\x1b[${SGR[style]}m${text}\x1b[0m`);
}

/** A duration with a fitting unit: `0.4 ms`, `38 ms`, `59.8 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(durationMs: number): string {
  const ms = Number.isFinite(durationMs) ? Math.max(0, durationMs) : 0;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return twoUnits(seconds, 60, 'min', 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return twoUnits(minutes, 60, 'h', 'min');
  const hours = Math.round(minutes / 60);
  return hours < 2400 ? twoUnits(hours, 24, 'd', 'h') : `${Math.round(hours / 24)} d`;
}

/** A duration for a sentence, never finer than it matters: `57 s`, `3 min`, `2 h 5 min`. */
export function formatWaiting(durationMs: number): string {
  const ms = Number.isFinite(durationMs) ? Math.max(0, durationMs) : 0;
  if (ms < 59_500) return `${Math.round(ms / 1000)} s`;
  return formatDuration(Math.round(ms / 60_000) * 60_000);
}

function twoUnits(amount: number, base: number, large: string, small: string): string {
  const rest = amount % base;
  return `${Math.floor(amount / base)} ${large}${rest === 0 ? '' : ` ${rest} ${small}`}`;
}

/** `12:00:01.123` in UTC, with the date before it when it is not the day of `nowMs`. */
export function formatInstant(instantMs: number, nowMs: number): string {
  const text = isoText(instantMs);
  if (text === null) return 'an unknown time';
  const sameDay = text.slice(0, 10) === isoText(nowMs)?.slice(0, 10);
  return sameDay ? text.slice(11, 23) : `${text.slice(0, 10)} ${text.slice(11, 23)}`;
}

/** `2026-03-01 12:00:01.123 UTC`. */
export function formatDateTime(instantMs: number): string {
  const text = isoText(instantMs);
  return text === null ? 'an unknown time' : `${text.slice(0, 10)} ${text.slice(11, 23)} UTC`;
}

function isoText(instantMs: number): string | null {
  const date = new Date(instantMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** `812 B`, `4.8 kB`, `12.3 MB`; a kB has 1,000 bytes. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_950) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** `1 hop`, `3 hops`, `10,000 recipients`. */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;
}

const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]/u;

/** Columns that `text` takes in a terminal: 2 for East Asian and emoji, 0 for combining marks. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

function characterWidth(character: string): number {
  if (character <= '\u02ff') return 1;
  if (/\p{M}/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** `text` in at most `width` columns; `…` ends what was cut. */
export function cutToWidth(text: string, width: number): string {
  // No character takes fewer than no columns, so only long texts are worth a look.
  if (text.length <= width / 2 || displayWidth(text) <= width) return text;
  let kept = '';
  let used = 1;
  for (const character of text) {
    used += characterWidth(character);
    if (used > width) break;
    kept += character;
  }
  return width < 1 ? '' : `${kept}…`;
}

/** `text` cut or filled with spaces on the right, so that it takes exactly `width` columns. */
export function fitToWidth(text: string, width: number): string {
  const cut = cutToWidth(text, width);
  return cut + ' '.repeat(Math.max(0, width - displayWidth(cut)));
}

/**
 * Sets `parts` in lines of at most `width` columns with `separator` between them; a part that is
 * longer than a line is cut.
 */
export function wrapParts(parts: readonly string[], separator: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const part of parts) {
    const cut = cutToWidth(part, width);
    const longer = line === '' ? cut : line + separator + cut;
    if (line !== '' && displayWidth(longer) > width) {
      lines.push(line);
      line = cut;
    } else {
      line = longer;
    }
  }
  if (line !== '') lines.push(line);
  return lines;
}
