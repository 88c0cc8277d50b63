import { Argument, Command } from 'commander';
import { loadProgram, namesBelow } from './commands.js';
import { bashReply, parseBashLine, type BashLine } from './completion/bash-line.js';
import { candidatesAt } from './completion/candidates.js';
import { SCRIPTS, SHELLS, type Shell } from './completion/scripts.js';
import { spotOf } from './completion/spot.js';
import type { Candidate, Environment } from './completion/values.js';

/** `relaymesh completion`: what a shell needs to complete command lines, and its answers to it. */

type Write = (text: string) => void;

const HELP = `
Completed are commands, options, what they may be, files, nodes of the topology on the line, and
queues and ids of messages of the node that the line means, as far as it answers at once.

Examples:
  $ source <(relaymesh completion bash)
  $ source <(relaymesh completion zsh)
  $ relaymesh completion fish | source`;

const toStdout: Write = (text) => void process.stdout.write(text);

export function completionCommand(write: Write = toStdout): Command {
  return new Command('completion')
    .description('print a script with which a shell completes the commands of this program')
    .addArgument(new Argument('<shell>', 'the shell that reads it').choices(SHELLS))
    .addHelpText('after', HELP)
    .action((shell: Shell) => write(SCRIPTS[shell]));
}

/** What the scripts ask. Whatever goes wrong, there is an answer, if an empty one. */
export function completeCommand(
  write: Write = toStdout,
  environment: Environment = process.env,
): Command {
  return new Command('complete')
    .description('answer the script of a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .argument('[words...]')
    .addHelpText('after', "\nExample:\n  $ relaymesh complete fish -- queue ''")
    .action(async (shell: Shell, words: string[]) => {
      write(await answer(shell, words, environment).catch(() => ''));
    });
}

async function answer(
  shell: Shell,
  words: readonly string[],
  environment: Environment,
): Promise<string> {
  if (shell === 'bash') {
    const line = bashLine(environment);
    const found = await complete(line.words.slice(1), environment);
    return found.map(({ value }) => `${bashReply(value, line)}\n`).join('');
  }
  const typed = words.length === 0 ? [''] : words;
  const last = (typed.at(-1) ?? '').replace(/^["']/, '');
  const found = await complete([...typed.slice(0, -1), last], environment);
  return found.map(({ value, about }) => `${value}${about && `\t${about}`}\n`).join('');
}

/** `COMP_POINT` counts characters. */
function bashLine(environment: Environment): BashLine {
  const {
    COMP_LINE: text = '',
    COMP_POINT: point = '',
    COMP_WORDBREAKS: breaks = '',
  } = environment;
  const characters = Array.from(text);
  const length = /^\d{1,9}$/.test(point) ? Number(point) : characters.length;
  return parseBashLine(characters.slice(0, length).join(''), breaks);
}

/** @param words Behind the program; the last one is typed. */
async function complete(words: readonly string[], environment: Environment): Promise<Candidate[]> {
  const typed = words.at(-1) ?? '';
  const names = typed.startsWith('-') ? null : namesBelow(words.slice(0, -1));
  if (names !== null) {
    const fitting = names.filter((name) => name.startsWith(typed));
    return fitting.map((value) => ({ value, about: '' }));
  }
  const nothing = { setExitCode: () => undefined, runUntilStopped: () => Promise.resolve(0) };
  return candidatesAt(spotOf(await loadProgram(nothing, words), words), environment);
}
