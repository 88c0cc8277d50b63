import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { loadProgram } from '../src/cli/commands.js';
import { parseBashLine } from '../src/cli/completion/bash-line.js';

/* What operators look up in the README: events of the log, the runbook, and its commands. */

const readme = readFileSync('README.md', 'utf8');

function section(title: string): string {
  const [, rest = ''] = readme.split(`\n## ${title}\n`);
  return rest.split(/\n## /)[0] ?? '';
}

/** Sources of what writes a log: the console only has events of the mouse. */
function sources(): string[] {
  return readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('console/'))
    .map((name) => readFileSync(join('src', name), 'utf8'));
}

test('every event of the log is documented, and no other', () => {
  const used = new Set<string>();
  for (const text of sources()) {
    for (const [, event] of text.matchAll(/(?:\bevent: |#log\(item, )'([a-z-]+)'/g)) {
      used.add(event ?? '');
    }
  }
  const logs = section('Logs');
  const rows = [...logs.matchAll(/^\| ((?:`[a-z-]+`(?:, )?)+) \| [a-z, ]+ \|/gm)];
  const documented = new Set(
    rows.flatMap(([, events = '']) => [...events.matchAll(/`([^`]+)`/g)].map(([, one]) => one)),
  );
  const ofSink = /A sink logs (.*)\n/.exec(logs)?.[1] ?? '';
  for (const [, event] of ofSink.matchAll(/`([a-z-]+)`/g)) {
    if (event !== 'stats' && event !== 'smtp' && event !== 'api') documented.add(event);
  }
  assert.ok(used.size > 20, String(used.size));
  assert.deepEqual(documented, used);
});

test('the record of an outcome has the fields that the README says, and no other', () => {
  const source = readFileSync('src/queue/outcome-log.ts', 'utf8');
  const [, fields = ''] = /event: 'outcome',\n([\s\S]*?)\n\s*\},/.exec(source) ?? [];
  const used = [...fields.matchAll(/^\s*([a-z_]+)[:,]/gm)].map(([, name]) => name);
  const logs = section('Logs');
  const table = logs.slice(logs.indexOf('| field |'), logs.indexOf('`delivered` and `deferred`'));
  const documented = [...table.matchAll(/^\| ((?:`[a-z_]+`(?:, )?)+) \|/gm)].flatMap(
    ([, names = '']) => [...names.matchAll(/`([^`]+)`/g)].map(([, one]) => one),
  );
  assert.ok(used.length > 8);
  assert.deepEqual(new Set(documented), new Set([...used, 'message']));
  const example = JSON.parse(/^\{.*"event":"outcome".*\}$/m.exec(logs)?.[0] ?? '') as object;
  const always = ['level', 'time', 'node', 'event', 'message'];
  assert.deepEqual(new Set(Object.keys(example)), new Set([...always, ...used]));
});

/** Lines of `relaymesh …` in the shell blocks of a text, as words behind the program. */
function commandLines(text: string): { line: string; words: string[] }[] {
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block);
  return blocks
    .flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))
    .flatMap((line) => line.split(' | '))
    .flatMap((line) => {
      const said = line.replace(/\s+#.*$/, '');
      const call = /(?<=^|[(]|npx )relaymesh (?:[^"')]|"[^"]*"|'[^']*')*/.exec(said)?.[0];
      if (call === undefined) return [];
      const { words } = parseBashLine(call.trimEnd(), '');
      return [{ line: call.trim(), words: words.slice(1).filter((word) => word !== '') }];
    });
}

/** Whether the words are a command line that would be carried out; what does it is left out. */
async function check(words: readonly string[]): Promise<void> {
  const host = { setExitCode: () => undefined, runUntilStopped: () => Promise.resolve(0) };
  const program = await loadProgram(host, words);
  let reached = false;
  const prepare = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => undefined });
    if (command.commands.length === 0) command.action(() => void (reached = true));
    command.commands.forEach(prepare);
  };
  prepare(program);
  await program.parseAsync(words, { from: 'user' });
  assert.ok(reached, 'no command is carried out');
}

test('every command line in a shell block of the README is one that this program takes', async () => {
  const lines = commandLines(readme);
  assert.ok(lines.length > 50, String(lines.length));
  for (const { line, words } of lines) {
    await assert.doesNotReject(check(words), line);
  }
  await assert.rejects(check(['queue', 'lst']));
  await assert.rejects(check(['queue', 'list', '--nod', 'core']));
  await assert.rejects(check(['topology', 'graph', 'mesh.yaml', '-f', 'png']));
});

test('the runbook names every alert, and every alert a section of the runbook', () => {
  const runbook = section('Runbook');
  const { groups } = parse(readFileSync('scripts/deploy/prometheus-alerts.yaml', 'utf8')) as {
    groups: { rules: { alert: string; annotations: { description: string } }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  const named = new Set([...runbook.matchAll(/`(Relaymesh[A-Za-z]+)`/g)].map(([, name]) => name));
  assert.deepEqual(named, new Set(rules.map(({ alert }) => alert)));
  const titles = [...runbook.matchAll(/^### (.*)$/gm)].map(([, title]) => title);
  for (const { alert, annotations } of rules) {
    const [, title] = /Runbook:\s+"([^"]+)"/.exec(annotations.description) ?? [];
    assert.ok(titles.includes(title), `${alert} names a section ${title}`);
  }
});
