import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Argument, Command, Option } from 'commander';
import { loadProgram, namesBelow } from '../../src/cli/commands.js';
import { kindOf } from '../../src/cli/completion/value-kind.js';

/* What holds for every command that there is. */

const host = { setExitCode: () => undefined, runUntilStopped: () => Promise.resolve(0) };
const program = await loadProgram(host, []);

interface Named {
  name: string;
  command: Command;
}

/** Those that do something; a group only shows its help. */
function actions(command: Command, name = ''): Named[] {
  if (command.commands.length === 0) return [{ name, command }];
  return command.commands.flatMap((one) => actions(one, `${name} ${one.name()}`.trim()));
}

const all = actions(program);

/** Of these stdout is no data of which a table would be the other form. */
const WITHOUT_JSON: Readonly<Record<string, string>> = {
  node: 'its log, which is JSON lines',
  sink: 'its log, which is JSON lines',
  'topology init chain': 'a file in YAML',
  'topology init mesh': 'a file in YAML',
  'topology init outside-service': 'a file in YAML',
  'topology schema': 'a JSON Schema',
  completion: 'a script for a shell',
};

test('every command that prints data has --json', () => {
  assert.ok(all.length > 25, String(all.length));
  const without = all.filter(
    ({ command }) => !command.options.some(({ long }) => long === '--json'),
  );
  assert.deepEqual(without.map(({ name }) => name).sort(), Object.keys(WITHOUT_JSON).sort());
});

test('every command, and every group, has a description and an example in its help', () => {
  const groups = [program, ...program.commands.filter(({ commands }) => commands.length > 0)];
  for (const command of [...groups, ...all.map((one) => one.command)]) {
    let help = '';
    command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
    assert.notEqual(command.description(), '', command.name());
    assert.match(help, /\nExamples?:\n {2}(?:\$ )?\S*.*relaymesh /, command.name());
  }
});

test('every option and argument says what it is, and of each it is known how it is completed', () => {
  for (const { name, command } of all) {
    const places: (Option | Argument)[] = [
      ...command.options.filter((option) => option.required && !option.hidden),
      ...command.registeredArguments,
    ];
    for (const place of places) {
      assert.notEqual(place.description, '', `${name} ${place.name()}`);
      const known = place.argChoices !== undefined || kindOf(place) !== null;
      assert.ok(known, `${name} ${place.name()} has a placeholder that is not in value-kind.ts`);
    }
  }
});

test('a command is loaded alone when it is named, and the names need no loading', async () => {
  const names = (command: Command): string[] => command.commands.map((one) => one.name());
  assert.deepEqual(namesBelow([]), names(program));
  const topology = program.commands.find((one) => one.name() === 'topology');
  assert.deepEqual(namesBelow(['topology']), names(topology as Command));
  assert.deepEqual(names(await loadProgram(host, ['queue', 'list'])), ['queue']);
  const [alone] = (await loadProgram(host, ['topology', 'up'])).commands;
  assert.deepEqual(names(alone as Command), ['up']);
  for (const words of [['queue'], ['topology', 'up'], ['nothing'], ['constructor']]) {
    assert.equal(namesBelow(words), null, words.join(' '));
  }
});
