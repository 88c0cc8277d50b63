import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_CAPACITY } from '../../src/send/capacity.js';
import { CONFIG_KEYS } from '../../src/config/schema.js';
import { loadNode, loginOf, smarthostOf } from './config-files.js';

async function refusal(
  t: Parameters<typeof loadNode>[0],
  config: string,
  files: Record<string, string> = {},
): Promise<string[]> {
  let lines: string[] = [];
  await assert.rejects(
    loadNode(t, { config, files }),
    (error: { code: string; message: string }) => {
      assert.equal(error.code, 'CONFIG_INVALID');
      lines = error.message.split('\n').slice(1);
      return true;
    },
  );
  return lines.map((line) => line.replace(/^.*\/node\.conf/, 'node.conf'));
}

test('a node without a topology has the documented defaults', async (t) => {
  const { settings } = await loadNode(t, { config: '' });
  assert.equal(settings.name, CONFIG_KEYS['node-name'].default);
  assert.deepEqual(
    settings.intake.listeners.map(({ host, port, tls }) => [host, String(port), tls]),
    [
      [
        CONFIG_KEYS['smtp-ip'].default,
        CONFIG_KEYS['smtp-port'].default,
        CONFIG_KEYS['smtp-tls'].default,
      ],
    ],
  );
  const { host, port } = settings.api;
  assert.deepEqual(
    [host, String(port)],
    [CONFIG_KEYS['api-ip'].default, CONFIG_KEYS['api-port'].default],
  );
  assert.equal(settings.logLevel, CONFIG_KEYS['log-level'].default);
  assert.deepEqual(settings.policy.relayFrom, []);
  assert.deepEqual(settings.policy.users, []);
  assert.deepEqual(settings.policy.apiSteerTo, []);
  assert.deepEqual(settings.route.capacities.base, DEFAULT_CAPACITY);
  assert.equal(settings.route.fallback.kind, 'mx');
  assert.equal(settings.route.sink, null);
});

/** Keys whose default is a value that can be written down. */
const WRITABLE = Object.entries(CONFIG_KEYS).filter(
  ([key, spec]) => /^[\w., -]+$/.test(spec.default) && !['data', 'users-file'].includes(key),
);

test('writing a documented default down changes nothing', async (t) => {
  const { settings: plain } = await loadNode(t, { config: 'smarthost: a.example' });
  let tried = 0;
  for (const [key, { default: standard, form }] of WRITABLE) {
    if (/[a-z] [a-z]|^empty$/.test(standard)) continue;
    tried++;
    const { settings } = await loadNode(t, {
      config: `smarthost: a.example\n${key}: ${standard}\n`,
    });
    const strip = (value: typeof settings): string =>
      JSON.stringify(value, (name, part: unknown) =>
        /^(directory|messageKeyFile|token)$/.test(name) ? undefined : part,
      );
    assert.equal(strip(settings), strip(plain), `${key} (${form})`);
  }
  assert.ok(tried > 15, String(tried));
});

test('a whole configuration', async (t) => {
  const { settings } = await loadNode(t, {
    config: `# an outside service
node-name: out
hostname: out.example
smtp-ip: 127.0.0.2
smtp-port: 2525, 2587
relay-from: 127.0.0.1
users-file: users
smarthost: smtp.esp.example
smarthost-port: 587
smarthost-username: me
smarthost-password: "a # b"
`,
    files: { users: 'ann: pass\nbob: word\n' },
  });
  assert.deepEqual([settings.name, settings.topology], ['out', 'out']);
  assert.equal(settings.intake.hostname, 'out.example');
  assert.deepEqual(
    settings.intake.listeners.map(({ name, host, port }) => [name, host, port]),
    [
      ['smtp', '127.0.0.2', 2525],
      ['smtp-2587', '127.0.0.2', 2587],
    ],
  );
  const hop = smarthostOf(settings);
  assert.deepEqual([hop.name, hop.tls], ['smtp.esp.example:587', 'verified']);
  assert.equal(loginOf(hop), 'me/a # b');
  assert.deepEqual(
    settings.policy.users.map(({ username }) => username),
    ['ann', 'bob'],
  );
});

test('faults of meaning are told by the line of the key, and with what to do there', async (t) => {
  const config = 'smtp-ip: 0.0.0.0\nrelay-from: 0.0.0.0/0\nsmarthost: relay\nusers-file: users\n';
  assert.deepEqual(await refusal(t, config, { users: 'ann: x' }), [
    "node.conf: error: logins at node 'relaymesh' would cross the network in clear: none of its listeners offers TLS [plaintext-login]",
    '    set smtp-tls: required, with tls-cert and tls-key',
    "node.conf:2:13: error: with relay-from 0.0.0.0/0 strangers can relay through node 'relaymesh' [open-relay]",
    '    list the networks of your own clients; for others there are `users`',
    "node.conf:3:12: error: no node or sink is named 'relay' [unknown-node]",
    '    a host needs its full name, or a port as in relay:25',
  ]);
  assert.deepEqual(await refusal(t, 'relay-from: 127.0.0.1\nsmtp-tls: required\n'), [
    "node.conf:2:11: error: a listener of node 'relaymesh' offers TLS and there is no certificate [missing-certificate]",
    '    set tls-cert and tls-key, or smtp-tls: none',
  ]);
});

test('half a login is refused', async (t) => {
  for (const half of ['smarthost-username: me', 'smarthost-password: hunter2']) {
    const [line] = await refusal(t, `smarthost: a.example\n${half}\n`);
    assert.match(line ?? '', /^node\.conf:2:21: error: .*missing-credential/);
    assert.doesNotMatch(line ?? '', /hunter2/);
  }
});

test('a login that would cross a network in clear is refused, unless that is allowed', async (t) => {
  const config =
    'smarthost: a.example\nsmarthost-username: me\nsmarthost-password: x\nsmarthost-tls: none\n';
  assert.match((await refusal(t, config))[0] ?? '', /^node\.conf:4:16: error: .*plaintext-login/);
  const { settings } = await loadNode(t, { config: `${config}allow-insecure-auth: true` });
  assert.equal(smarthostOf(settings).allowInsecureAuth, true);
});

test('that nobody may relay by SMTP is only a warning', async (t) => {
  const { warnings } = await loadNode(t, { config: 'smarthost: a.example' });
  assert.match(warnings[0]?.text ?? '', /\[unreachable-node\]\n {4}set users-file, or relay-from/);
});
