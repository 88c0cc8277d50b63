/** A command line as bash has it: text with quotes, of which only a part is replaced by the answer. */

/** What stands before the cursor. */
export interface BashLine {
  /** Without quotes; the last one is typed, and may be empty. The first is the program. */
  words: string[];
  /** The quote that the last word is inside of. */
  quote: '"' | "'" | '';
  /** Of the last word, without quotes, what bash keeps: it replaces what is behind this only. */
  kept: string;
}

/**
 * @param breaks `COMP_WORDBREAKS`: bash takes what is behind the last of these, outside of quotes,
 *   as a word of its own, so that `--format=js` is completed behind its `=`.
 */
export function parseBashLine(text: string, breaks: string): BashLine {
  const words: string[] = [];
  let word = '';
  let kept = 0;
  let quote: BashLine['quote'] = '';
  let began = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (quote === '' && /[ \t\n]/.test(character)) {
      if (began) words.push(word);
      [word, kept, began] = ['', 0, false];
      continue;
    }
    began = true;
    if (quote === character && quote !== '') {
      quote = '';
    } else if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
      kept = word.length;
    } else if (character === '\\' && quote !== "'") {
      at++;
      word += text[at] ?? '';
    } else {
      word += character;
      if (quote === '' && breaks.includes(character)) kept = word.length;
    }
  }
  return { words: [...words, word], quote, kept: word.slice(0, kept) };
}

/** A candidate as bash puts it in place of what is typed, with a blank where the word is finished. */
export function bashReply(value: string, { quote, kept }: BashLine): string {
  const rest = value.slice(kept.length);
  const isFinished = !/[/=,]$/.test(value);
  if (quote === "'") return rest.replaceAll("'", "'\\''");
  if (quote === '"') return rest.replaceAll(/["$`\\]/g, '\\$&');
  return `${rest.replaceAll(/[^\p{L}\p{M}\p{N}@%_+=:,./~-]/gu, '\\$&')}${isFinished ? ' ' : ''}`;
}
