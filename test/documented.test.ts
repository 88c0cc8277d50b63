import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lintTopology } from '../src/topology/lint.js';
import { parseTopology } from '../src/topology/load.js';

/* What people meet and look up stands in the README. */

const readme = readFileSync('README.md', 'utf8');

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
}

test('every error code is documented, and no other', () => {
  // Environment variables, capabilities of Linux, an end mark, and codes of libraries that are only read.
  const others =
    /^(RELAYMESH_|NO_COLOR|NOTIFY_SOCKET$|WATCHDOG_|CAP_|LEVEL_|ERR_|[A-Z_]+_PASSWORD$|(BAD_DQ_ESCAPE|DUPLICATE_KEY|END_OF_MESSAGE|MODULE_LEVEL_DIRECTIVE|MULTIPLE_DOCS|RESOURCE_EXHAUSTION|TAG_RESOLVE_FAILED|UNEXPECTED_TOKEN)$)/;
  const used = new Set<string>(['STOPPED', 'UNAUTHORIZED', 'INTERNAL']);
  for (const text of sources('src')) {
    for (const [, code] of text.matchAll(/'([A-Z]{2,}(?:_[A-Z]+)+)'/g)) {
      if (code !== undefined && !others.test(code)) used.add(code);
    }
  }
  const section = readme.slice(readme.indexOf('## Error codes'), readme.indexOf('## Architecture'));
  const documented = new Set(
    [...section.matchAll(/`([A-Z]+(?:_[A-Z]+)*)`/g)].map(([, code]) => code),
  );
  const missing = [...used].filter((code) => !documented.has(code));
  const unused = [...documented].filter((code) => !used.has(code ?? ''));
  assert.deepEqual({ missing, unused }, { missing: [], unused: [] });
});

test('the topology that the README shows has no fault but what this machine lacks', () => {
  const text = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const result = parseTopology('README.md', text);
  assert.ok(result.ok, JSON.stringify(result));
  const rules = lintTopology(result, { env: {} }).map((fault) => fault.ruleId);
  assert.deepEqual(new Set(rules), new Set(['secret-unavailable', 'missing-certificate']));
});

test('every topology of the project is named, and every command', () => {
  for (const name of readdirSync('topologies').filter((file) => file.endsWith('.yaml'))) {
    assert.ok(readme.includes(`topologies/${name}`), name);
  }
  const commands = sources('src/cli').flatMap((text) =>
    [...text.matchAll(/new Command\('([a-z]+)'\)/g)].map(([, command]) => command),
  );
  assert.ok(commands.length > 8);
  for (const command of commands) {
    assert.match(readme, new RegExp(`\\b${command}\\b`), command);
  }
});
