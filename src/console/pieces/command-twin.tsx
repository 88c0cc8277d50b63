import './command-twin.css';
import { useState, type ReactNode } from 'react';

/**
 * The same on the command line.
 *
 * @param words those after `relaymesh`; a word that a shell would change is quoted
 * @param node null: the one that serves the console
 */
export function commandOf(words: readonly string[], node: string | null): string {
  return quotedWords(words, node).join(' ');
}

function quotedWords(words: readonly string[], node: string | null): string[] {
  const at = node === null || node === '' ? [] : ['--node', node];
  return ['relaymesh', ...words, ...at, '--url', location.origin].map(quoted);
}

/** A command that can be copied. The token is never a part of it: it comes from the environment. */
export function CommandTwin({
  words,
  node,
}: {
  words: readonly string[];
  node: string | null;
}): ReactNode {
  const [isCopied, setCopied] = useState(false);
  const command = commandOf(words, node);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(command);
      setCopied(true);
    } catch {
      setCopied(false);
    }
  };
  return (
    <div className="command-twin">
      <code title="The same on the command line; RELAYMESH_API_TOKEN holds the token.">
        {quotedWords(words, node).map((word, index) => (
          // The words of a command have an order and nothing else.
          // oxlint-disable-next-line react/no-array-index-key
          <span key={index}>{word} </span>
        ))}
      </code>
      <button type="button" className="quiet" onClick={() => void copy()}>
        {isCopied ? 'Copied' : 'Copy'}
        <span className="visually-hidden"> the command</span>
      </button>
    </div>
  );
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
