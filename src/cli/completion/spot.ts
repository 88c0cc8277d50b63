import type { Argument, Command, Option } from 'commander';

/** Which word of a command line is being typed, by the commands and options that there are. */

/** The words before it, as far as the commands explain them. */
export interface TypedLine {
  /** The innermost command that is named. */
  command: Command;
  /** Words that are no options and no commands, in order. */
  operands: string[];
  /** The last value of each option, by its long name without dashes. */
  values: ReadonlyMap<string, string>;
  /** Options that are there, by the same name. */
  given: ReadonlySet<string>;
}

export type Spot = TypedLine &
  (
    | {
        kind: 'value';
        of: Option;
        text: string;
        /** `--format=`, which the answer repeats. */ before: string;
      }
    | { kind: 'word'; argument: Argument | undefined; text: string; isOption: boolean }
  );

/** @param words All words behind the program; the last one is typed, and may be empty. */
export function spotOf(program: Command, words: readonly string[]): Spot {
  const operands: string[] = [];
  const values = new Map<string, string>();
  const given = new Set<string>();
  let command = program;
  let waiting: Option | null = null;
  let isLiteral = false;
  for (const word of words.slice(0, -1)) {
    if (waiting !== null) {
      values.set(waiting.name(), word);
      waiting = null;
    } else if (word === '--' && !isLiteral) {
      isLiteral = true;
    } else if (!isLiteral && word.startsWith('-') && word !== '-') {
      const { option, value } = optionIn(command, word);
      if (option === undefined) continue;
      given.add(option.name());
      if (value !== null) values.set(option.name(), value);
      else if (option.required) waiting = option;
    } else {
      const inner = operands.length === 0 ? named(command, word) : undefined;
      if (inner === undefined) operands.push(word);
      else command = inner;
    }
  }
  const text = words.at(-1) ?? '';
  const line = { command, operands, values, given };
  if (waiting !== null) return { ...line, kind: 'value', of: waiting, text, before: '' };
  const isOption = !isLiteral && text.startsWith('-');
  const inline = isOption ? optionIn(command, text) : null;
  if (inline?.option !== undefined && inline.value !== null) {
    const { option, value } = inline;
    const before = text.slice(0, text.length - value.length);
    return { ...line, kind: 'value', of: option, text: value, before };
  }
  const { registeredArguments: known } = command;
  const last = known.at(-1);
  const argument = known[operands.length] ?? (last?.variadic === true ? last : undefined);
  return { ...line, kind: 'word', argument, text, isOption };
}

function named(command: Command, word: string): Command | undefined {
  return command.commands.find((one) => one.name() === word);
}

/** The option that a word names, and what stands behind its `=`. */
function optionIn(
  command: Command,
  word: string,
): { option: Option | undefined; value: string | null } {
  const equals = word.startsWith('--') ? word.indexOf('=') : -1;
  const name = equals === -1 ? word : word.slice(0, equals);
  return {
    option: command.options.find(({ long, short }) => long === name || short === name),
    value: equals === -1 ? null : word.slice(equals + 1),
  };
}
