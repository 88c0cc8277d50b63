import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { completeCommand, completionCommand } from '../../src/cli/completion.js';
import { SHELLS, type Shell } from '../../src/cli/completion/scripts.js';
import { folderWith } from '../config/config-files.js';
import { atEnd } from '../scenario/at-end.js';
import { cleanEnvironment, endChild, MAIN_JS, missing } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';

const QUEUE = '(smarthost) b.example';
const MESSAGE = '1M81S0JBWMGPZ7VQWY';

const MESH = `version: 1
name: demo
nodes:
  edge: { listen: [{ port: 2525 }], smarthost: core }
  core: { listen: [{ port: 2626 }], smarthost: mx }
sinks: { mx: { port: 2727 } }
`;

/** A folder in which somebody types. */
function project(t: TestContext): string {
  return folderWith(t, {
    'mesh.yaml': MESH,
    'my mesh.yml': MESH,
    'mesh.txt': '',
    '.hidden.yaml': '',
  });
}

interface Api {
  url: string;
  tokens: (string | undefined)[];
}

/** An API with one queue and one message in it. */
async function api(t: TestContext): Promise<Api> {
  const tokens: (string | undefined)[] = [];
  const answers: Readonly<Record<string, unknown>> = {
    '/v1/queues': {
      queues: [{ name: QUEUE, state: 'backoff', ready: 1, deferred: 2, held: 0 }],
    },
    [`/v1/queues/${encodeURIComponent(QUEUE)}/messages?limit=30`]: {
      messages: [{ queue_id: MESSAGE, recipients: [{ address: 'bob\x1b[31m@b.example' }] }],
    },
    '/v1/quarantine?limit=30': { messages: [] },
    '/v1/mesh': { nodes: [{ node: 'edge' }, { node: 'core' }] },
  };
  const server = createServer(({ url = '', headers }, response) => {
    tokens.push(headers.authorization);
    response.statusCode = url in answers ? 200 : 404;
    response.end(JSON.stringify(answers[url] ?? {}));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tokens };
}

/** What is offered where the last of these words is typed. */
async function offered(
  words: string[],
  environment: Record<string, string> = {},
): Promise<string[]> {
  let text = '';
  const command = completeCommand((more) => void (text += more), environment);
  await command.exitOverride().parseAsync(['fish', '--', ...words], { from: 'user' });
  return text.split('\n').slice(0, -1);
}

async function values(words: string[], environment?: Record<string, string>): Promise<string[]> {
  return (await offered(words, environment)).map((line) => line.split('\t')[0] ?? '');
}

test('commands, options and what they may be come from the commands themselves', async () => {
  assert.deepEqual(await values(['to']), ['topology']);
  assert.deepEqual(await values(['topology', 'val']), ['validate']);
  assert.deepEqual(await values(['topology', 'init', 'm']), ['mesh']);
  assert.deepEqual(await values(['topology', 'export', 's']), ['systemd']);
  assert.deepEqual(await values(['sink', '--tls', 'o']), ['opportunistic']);
  assert.deepEqual(await values(['trace', '--format=j']), ['--format=json']);
  assert.deepEqual(await values(['completion', '']), [...SHELLS]);
  assert.deepEqual(await values(['queue', 'limit', 'q', 'max-c']), [
    'max-connections=',
    'max-connects-per-minute=',
  ]);
  const options = await offered(['trace', 'X', '--chain', '--ch']);
  assert.deepEqual(options, [], 'a switch is not offered twice');
  assert.deepEqual(await offered(['trace', 'X', '--fol']), [
    '--follow\tdraw again until every recipient is settled',
  ]);
  assert.ok((await values(['queue', 'list', ''])).includes('--url'));
  for (const words of [['nothing', ''], ['send', '--from', ''], ['comple']]) {
    const found = await values(words);
    assert.ok(!found.includes('complete') && found.length < 2, words.join(' '));
  }
});

test('files are offered where files belong: topologies, any, or only folders', async (t) => {
  const folder = `${project(t)}/`;
  const topologies = [`${folder}mesh.yaml`, `${folder}my mesh.yml`];
  assert.deepEqual(await values(['topology', 'up', folder]), topologies);
  assert.deepEqual(await values(['queue', 'list', '--topology', folder]), topologies);
  assert.deepEqual(await values(['route', folder]), topologies);
  assert.deepEqual(await values(['send', `${folder}mesh`]), [
    `${folder}mesh.txt`,
    `${folder}mesh.yaml`,
  ]);
  assert.deepEqual(await values(['topology', 'up', 'x', '--workdir', folder]), []);
  assert.deepEqual(await values(['topology', 'up', '~/mesh'], { HOME: folder }), ['~/mesh.yaml']);
  assert.deepEqual(await values(['topology', 'up', '/no/such/folder/']), []);
});

test('node names are those of the file on the line, also of one with faults', async (t) => {
  const file = join(project(t), 'mesh.yaml');
  assert.deepEqual(await values(['topology', 'check', file, '--node', '']), ['edge', 'core']);
  assert.deepEqual(await values(['topology', 'logs', file, 'edge', 'm']), ['mx']);
  assert.deepEqual(await values(['topology', 'up', file, '--only', 'edge,']), ['edge,core']);
  assert.deepEqual(await values(['route', file, '--node=c']), ['--node=core']);
  assert.deepEqual(await values(['node', '--topology', file, '--name', 'e']), ['edge']);
  assert.deepEqual(await values(['queue', 'list', '--topology', file, '--node', 'c']), ['core']);
  writeFileSync(file, MESH.replace('sinks:', 'sink:'));
  assert.deepEqual(await values(['topology', 'check', file, '--node', 'e']), ['edge']);
});

test('queues, messages and nodes are those of the API that the line means', async (t) => {
  const { url, tokens } = await api(t);
  const environment = { RELAYMESH_API_TOKEN: 'secret' };
  assert.deepEqual(await offered(['queue', 'show', '--url', url, '('], environment), [
    `${QUEUE}\tbackoff, 3 waiting`,
  ]);
  assert.deepEqual(await offered(['queue', 'delete', '--url', url, '--message', ''], environment), [
    `${MESSAGE}\tbob\\x1b[31m@b.example in ${QUEUE}`,
  ]);
  assert.deepEqual(await values(['queue', 'list', '--node', ''], { RELAYMESH_URL: url }), [
    'edge',
    'core',
  ]);
  assert.ok(tokens.length >= 4);
  assert.deepEqual(new Set(tokens), new Set(['Bearer secret', undefined]));
});

test('an API that is away, or says nothing, offers nothing, soon and without a word', async (t) => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  t.after(() => {
    silent.closeAllConnections();
    silent.close();
  });
  await once(silent, 'listening');
  const port = (silent.address() as AddressInfo).port;
  for (const url of ['http://127.0.0.1:1', `http://127.0.0.1:${port}`, 'nonsense']) {
    const startMs = performance.now();
    assert.deepEqual(await values(['queue', 'show', '--url', url, '']), [], url);
    assert.ok(performance.now() - startMs < 5000, url);
  }
});

/** What each shell reads when it starts; its prompts are counted. */
const START: Readonly<Record<Shell, (folder: string) => string>> = {
  bash: (folder) => {
    writeFileSync(join(folder, 'rc'), "source <(relaymesh completion bash)\nPS1='READY\\#> '\n");
    return `bash --noprofile --rcfile ${folder}/rc -i`;
  },
  zsh: (folder) => {
    const rc = `autoload -U compinit; compinit -D
source <(relaymesh completion zsh)
setopt promptsubst; precmd() { (( count++ )) }; PROMPT='READY$count> '
`;
    writeFileSync(join(folder, '.zshrc'), rc);
    return `ZDOTDIR=${folder} zsh -d -i`;
  },
  fish: (folder) => {
    const rc = `relaymesh completion fish | source
set -g count 1
function count_on --on-event fish_postexec; set -g count (math $count + 1); end
function fish_prompt; echo "READY$count> "; end
`;
    writeFileSync(join(folder, 'rc'), rc);
    return `fish --no-config -C 'source ${folder}/rc' -i`;
  },
};

/**
 * A `relaymesh` that answers completions, and of everything else only writes down its arguments.
 */
function wrapper(t: TestContext): string {
  const folder = folderWith(t, {
    relaymesh: `#!/bin/sh
case "$1" in
completion | complete) exec '${process.execPath}' '${MAIN_JS}' "$@" ;;
esac
for word; do printf '%s\\0' "$word"; done >"$ARGUMENTS.new"
mv "$ARGUMENTS.new" "$ARGUMENTS"
`,
  });
  chmodSync(join(folder, 'relaymesh'), 0o755);
  return folder;
}

/** Types into a real shell in a pseudo-terminal; the arguments that the program then gets. */
async function typed(
  t: TestContext,
  shell: Shell,
  folder: string,
  lines: readonly string[],
): Promise<string[][]> {
  const bin = wrapper(t);
  const argumentsFile = join(bin, 'arguments');
  const start = `stty rows 50 cols 160; exec env ${START[shell](bin)}`;
  const child = spawn('script', ['-q', '-e', '-c', start, '/dev/null'], {
    cwd: folder,
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: cleanEnvironment({
      PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
      HOME: bin,
      TERM: 'xterm',
      ARGUMENTS: argumentsFile,
    }),
  });
  atEnd(t, () => endChild(child, 5000));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (output += text));
  const seen = (): string => output.slice(-1000);
  const all: string[][] = [];
  for (const [index, line] of lines.entries()) {
    await until('a prompt', () => output.includes(`READY${index + 1}> `), { seen });
    child.stdin.write(`${line.replaceAll('<TAB>', '\t')}\r`);
    await until(`the line ${line} to run`, () => existsSync(argumentsFile), { seen });
    all.push(readFileSync(argumentsFile, 'utf8').split('\0').slice(0, -1));
    rmSync(argumentsFile);
  }
  return all;
}

for (const shell of SHELLS) {
  test(`${shell} completes what is typed`, { skip: missing(shell, 'script') }, async (t) => {
    const { url } = await api(t);
    const gone = 'http://127.0.0.1:1';
    const cases: [string, string[]][] = [
      ['relaymesh topo<TAB>val<TAB>', ['topology', 'validate']],
      [
        'relaymesh topology check mesh.y<TAB>--node ed<TAB>',
        ['topology', 'check', 'mesh.yaml', '--node', 'edge'],
      ],
      ['relaymesh topology up my<TAB>', ['topology', 'up', 'my mesh.yml']],
      [
        'relaymesh topology graph mesh.yaml --format=js<TAB>',
        ['topology', 'graph', 'mesh.yaml', '--format=json'],
      ],
      [`relaymesh queue show --url ${url} <TAB>`, ['queue', 'show', '--url', url, QUEUE]],
      [`relaymesh queue show --url ${url} '(sm<TAB>`, ['queue', 'show', '--url', url, QUEUE]],
      [
        `relaymesh queue hold --url ${url} --message 1M<TAB>`,
        ['queue', 'hold', '--url', url, '--message', MESSAGE],
      ],
      [`relaymesh queue pause --url ${gone} x<TAB>`, ['queue', 'pause', '--url', gone, 'x']],
    ];
    const got = await typed(
      t,
      shell,
      project(t),
      cases.map(([line]) => line),
    );
    assert.deepEqual(
      got,
      cases.map(([, words]) => words),
    );
  });
}

test('a script names its shell and no command of the program, so that it cannot be out of date', () => {
  for (const shell of SHELLS) {
    let script = '';
    completionCommand((text) => void (script += text)).parse([shell], { from: 'user' });
    assert.match(script, new RegExp(`complete ${shell}\\b`));
    assert.doesNotMatch(script, /topology|queue|trace/);
  }
});
