import type { Argument, Option } from 'commander';

/** What can be put in a place of a command line, by the word that stands for it in the help. */

export type ValueKind =
  /** What only the person knows. */
  | 'text'
  | 'file'
  | 'folder'
  | 'topology'
  | 'api'
  | 'node'
  /** Nodes with commas between them. */
  | 'nodes'
  /** Nodes and sinks. */
  | 'names'
  | 'queue'
  | 'message'
  | 'trace'
  | 'limit';

const KINDS: Readonly<Record<string, ValueKind>> = {
  file: 'file',
  files: 'file',
  dir: 'folder',
  api: 'api',
  node: 'node',
  nodes: 'nodes',
  names: 'names',
  queue: 'queue',
  'queue-id': 'message',
  id: 'trace',
  'key=number': 'limit',
  ...Object.fromEntries(
    [
      'address',
      'bytes',
      'cursor',
      'host[:port]',
      'key',
      'name',
      'number',
      'path',
      'seconds',
      'tag',
      'text',
      'time',
      'username',
      'value',
      'values',
    ].map((word) => [word, 'text' as const]),
  ),
};

/** null: a word of the help that says nothing, which a test does not let through. */
export function kindOf(place: Option | Argument): ValueKind | null {
  const isArgument = 'name' in place && !('flags' in place);
  const word = isArgument
    ? place.name()
    : (/[<[](.+?)(?:\.\.\.)?[>\]]$/.exec(flagsOf(place))?.[1] ?? '');
  const kind = Object.hasOwn(KINDS, word) ? (KINDS[word] ?? null) : null;
  return kind === 'file' && /\btopology file/.test(place.description) ? 'topology' : kind;
}

function flagsOf(place: Option | Argument): string {
  return 'flags' in place ? place.flags : '';
}
