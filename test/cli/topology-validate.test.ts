import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topologyValidateCommand } from '../../src/cli/topology-validate.js';
import { RULES } from '../../src/topology/fault.js';
import { SOUND, soundBut, writeTopology } from '../topology/topology-files.js';

async function validate(...args: string[]) {
  const said = { code: -1, stdout: '', stderr: '' };
  const command = topologyValidateCommand((code) => (said.code = code), {
    stdout: (text) => (said.stdout += text),
    stderr: (text) => (said.stderr += text),
  });
  await command.parseAsync(args, { from: 'user' });
  return said;
}

test('--rules lists every rule, for people and for programs', async () => {
  const { code, stdout } = await validate('--rules');
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split('\n');
  assert.match(lines[0] ?? '', /^RULE +SEVERITY +MEANING$/);
  assert.deepEqual(
    lines.slice(1).map((line) => line.split(/ {2,}/)),
    Object.entries(RULES).map(([id, { severity, meaning }]) => [id, severity, meaning]),
  );
  assert.deepEqual(
    JSON.parse((await validate('--rules', '--json')).stdout),
    Object.entries(RULES).map(([ruleId, rule]) => ({ ruleId, ...rule })),
  );
});

test('without a file it is a usage error', async () => {
  const { code, stdout, stderr } = await validate();
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /no topology file is named/);
});

test('what a file silences is counted, and does not fail with --deny-warnings', async (t) => {
  const comment = '  # relaymesh-lint-disable-next-line unused-secret: for the rotation';
  const file = writeTopology(
    t,
    soundBut(['  app:', `${comment}\n  spare: { generate: true }\n  app:`]),
  );
  assert.deepEqual(await validate('--deny-warnings', file), {
    code: 0,
    stdout: `${file}: ok, 2 nodes, 1 link, 1 sink\n`,
    stderr: '1 file checked: 0 errors, 0 warnings, 1 silenced\n',
  });
});

test('--format github prints an annotation for each fault, in which nothing breaks out', async (t) => {
  const file = writeTopology(t, soundBut(['smarthost: core', 'smarthost: coer']));
  const { code, stdout } = await validate('--format', 'github', file);
  assert.equal(code, 2);
  assert.equal(
    stdout,
    `::error file=${file},line=12,col=16,title=unknown-node::no node or sink is named 'coer'%0Adid you mean 'core'?\n`,
  );
  const odd = await validate('--format', 'github', '/none%\n::x, y.yaml');
  assert.equal(
    odd.stdout,
    '::error file=/none%25%0A%3A%3Ax%2C y.yaml,line=1,col=1,title=unreadable-file::' +
      'there is no such topology file%0Acheck the path; it is relative to the current folder\n',
  );
  assert.equal((await validate('--format', 'github', writeTopology(t, SOUND))).stdout, '');
});
