import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Surroundings } from '../../src/cli/api-access.js';
import { routeCommand } from '../../src/cli/route.js';

const ANSWER = {
  node: 'core',
  recipients: [
    {
      recipient: 'bob@b.example',
      outcome: 'relay',
      queue: 'exit',
      next_hop: 'exit.internal:2525',
      next_node: 'exit',
      tls: 'verified',
      login: 'core',
      failover: ['c.example:25'],
      because: 'no route fits: the smarthost of the node',
      state: 'backoff',
    },
  ],
};

interface Ran {
  code: number | undefined;
  stdout: string;
  stderr: string;
  /** Where was asked for what. */
  asked: unknown[];
}

async function live(args: string[]): Promise<Ran> {
  const ran: Ran = { code: undefined, stdout: '', stderr: '', asked: [] };
  const around: Surroundings = {
    connect: (url, _token, peer) => ({
      getJson: () => assert.fail(),
      postJson: async (path, body) => {
        ran.asked.push([url, peer, path, body]);
        return ANSWER as never;
      },
    }),
    output: {
      write: (text) => void (ran.stdout += text),
      notice: (text) => void (ran.stderr += text),
      isTerminal: false,
      color: false,
      size: () => ({ columns: 80, rows: 24 }),
      isClosed: () => false,
    },
    environment: {},
    nowMs: () => 0,
    pause: () => Promise.resolve(),
  };
  const unused = { stdout: () => assert.fail(), stderr: () => assert.fail() };
  const command = routeCommand((code) => (ran.code = code), unused, {}, around);
  await command.exitOverride().parseAsync(args, { from: 'user' });
  return ran;
}

test('without a file a running node is asked, also another than the one at --url', async () => {
  const words = ['--from', '<>', '--to', 'bob@b.example', '--url', 'http://127.0.0.1:8025'];
  const done = await live([...words, '--node', 'core', '--size', '9']);
  const question = { envelope: '', recipient: ['bob@b.example'], size_bytes: 9 };
  assert.deepEqual(done.asked, [['http://127.0.0.1:8025', 'core', '/v1/route', question]]);
  assert.equal(done.code, 0);
  assert.match(done.stdout, /^Queue +exit, now backoff$/m);
  assert.match(done.stdout, /^Next hop +exit.internal:2525, node exit$/m);
  const json = await live([...words, '--json']);
  assert.deepEqual(JSON.parse(json.stdout), ANSWER);
});

test('what a running node cannot take into account is refused, not left out', async () => {
  const words = ['--from', '<>', '--to', 'bob@b.example', '--url', 'http://127.0.0.1:8025'];
  for (const more of [['--tag', 'a'], ['--user', 'u'], ['--attempts', '0'], ['--no-dns']]) {
    const done = await live([...words, ...more]);
    assert.equal(done.code, 2, more.join(' '));
    assert.deepEqual(done.asked, []);
    assert.match(done.stderr, /goes with FILE or --config/);
  }
});
