import type { Argument, Command, Option } from 'commander';
import { printableReply } from '../../format/reply.js';
import type { Spot } from './spot.js';
import { kindOf } from './value-kind.js';
import { valuesOf, type Candidate, type Environment } from './values.js';

/** What may stand where somebody types. */

const MAX_CANDIDATES = 1000;

/**
 * Whole words that begin with what is typed, of each the first. Whoever cannot be asked for some of
 * them is left out without a word.
 */
export async function candidatesAt(spot: Spot, environment: Environment): Promise<Candidate[]> {
  const all = await candidates(spot, environment);
  const before = spot.kind === 'value' ? spot.before : '';
  const typed = before + spot.text;
  const found = new Map<string, Candidate>();
  for (const { value, about } of all) {
    const word = before + value;
    // a word that a terminal would not show as it is cannot be chosen there
    if (!word.startsWith(typed) || found.has(word) || /[\p{Cc}\p{Cf}\p{Cs}]/u.test(word)) continue;
    found.set(word, { value: word, about: printableReply(about, 80) });
    if (found.size === MAX_CANDIDATES) break;
  }
  return [...found.values()];
}

async function candidates(spot: Spot, environment: Environment): Promise<Candidate[]> {
  if (spot.kind === 'value') return placeValues(spot.of, spot, environment);
  const { command, argument, isOption, operands } = spot;
  if (isOption) return optionsOf(command, spot.given);
  const commands = operands.length === 0 ? commandsOf(command) : [];
  if (argument !== undefined) commands.push(...(await placeValues(argument, spot, environment)));
  const isFinished = argument === undefined && command.commands.length === 0;
  return isFinished && spot.text === '' ? optionsOf(command, spot.given) : commands;
}

function commandsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== 'help')
    .map((one) => ({ value: one.name(), about: one.description() }));
}

/** One that takes a value may be wanted again; a switch is not. */
function optionsOf(command: Command, given: ReadonlySet<string>): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => option.required || !given.has(option.name()))
    .map(({ long, short, description }) => ({ value: long ?? short ?? '', about: description }));
}

async function placeValues(
  place: Option | Argument,
  spot: Spot,
  environment: Environment,
): Promise<Candidate[]> {
  const { argChoices } = place;
  if (argChoices !== undefined) return argChoices.map((value) => ({ value, about: '' }));
  const kind = kindOf(place);
  return kind === null ? [] : valuesOf(kind, spot, environment);
}
