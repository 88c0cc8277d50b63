/**
 * Where the message is now, as the text form of a trace says it: its second paragraph, in one line.
 * Null: there is none.
 */
export function positionIn(text: string | null): string | null {
  const paragraph = text?.split('\n\n')[1]?.trim() ?? '';
  return paragraph === '' ? null : paragraph.replaceAll(/\s*\n\s*/g, ' ');
}

/** A sentence that differs in its times only is no news. */
export function isNews(sentence: string, before: string): boolean {
  return withoutTimes(sentence) !== withoutTimes(before);
}

function withoutTimes(sentence: string): string {
  return sentence.replaceAll(
    /(?:since|in) \d+ (?:ms|s|min|h|d)(?: \d+ (?:s|min|h))?|is due|now/g,
    '',
  );
}
