/**
 * True when the whole text fits the pattern, in which `*` stands for any characters, also none.
 * Compared without case. Takes time in proportion to both lengths at the worst, whatever they are.
 */
export function fitsPattern(pattern: string, text: string): boolean {
  const wanted = pattern.toLowerCase();
  const given = text.toLowerCase();
  let at = 0;
  let place = 0;
  /** The last `*`, and the place in the text up to which it stands for everything. */
  let star = -1;
  let starPlace = 0;
  while (place < given.length) {
    if (wanted[at] === '*') {
      star = at++;
      starPlace = place;
    } else if (wanted[at] === given[place]) {
      at++;
      place++;
    } else if (star === -1) {
      return false;
    } else {
      at = star + 1;
      place = ++starPlace;
    }
  }
  while (wanted[at] === '*') {
    at++;
  }
  return at === wanted.length;
}
