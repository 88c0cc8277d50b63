import { cutToWidth, displayWidth } from '../../trace/waterfall-text.js';

/**
 * Estimated width of a text in pixels, where nothing can be measured: on the wide side, so that it
 * also fits where another font than ours is at hand.
 */
export function textWidth(text: string, size: number, bold = false): number {
  let em = 0;
  for (const character of text) em += widthOf(character);
  return Math.ceil(em * size * (bold ? 1.09 : 1));
}

function widthOf(character: string): number {
  if (character > '\u02ff') return displayWidth(character) * 0.9;
  if (/[ijl.,:;'|!I()[\]/ftr\s]/.test(character)) return 0.4;
  if (/[mwMW@%]/.test(character)) return 0.98;
  return /[A-Z]/.test(character) ? 0.72 : 0.6;
}

/** At most `characters` columns of a text; the whole of it stands in a title. */
export function cut(text: string, characters: number): string {
  return cutToWidth(text, characters);
}
