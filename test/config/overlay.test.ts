import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadNode, loginOf, smarthostOf, type Given } from './config-files.js';

/** A topology whose node `edge` has these keys, beside what it needs to be of use. */
function mesh(keys: string, more = ''): string {
  const secrets = /secret: esp/.test(keys + more) ? '{ esp: { env: ESP } }' : '{}';
  return `version: 1
name: mesh
secrets: ${secrets}
nodes:
  edge:
    listen: [{ name: in, port: 2525, tls: none }, { name: sub, port: 2587, host: 127.0.0.2 }]
    relay-from: [127.0.0.1/32]
    ${keys}
${more}`;
}

const ESP = { ESP: 'esp-pass' };
const OBJECT =
  'smarthost: { hostname: esp.example, port: 587, username: me, password: { secret: esp } }';

async function refusal(t: Parameters<typeof loadNode>[0], given: Given): Promise<string> {
  let text = '';
  await assert.rejects(loadNode(t, given), (error: { describe(): string }) => {
    text = error.describe();
    return true;
  });
  return text;
}

test('a smarthost of a higher level replaces one with a login as a whole', async (t) => {
  const { settings, warnings } = await loadNode(t, {
    topology: mesh(OBJECT),
    environment: { ...ESP, RELAYMESH_SMARTHOST: 'other.example' },
  });
  const hop = smarthostOf(settings);
  assert.deepEqual([hop.host, hop.port, hop.tls], ['other.example', 25, 'opportunistic']);
  assert.equal(loginOf(hop), null);
  assert.deepEqual(warnings, []);
});

test('single keys of a higher level change members of a smarthost that is a mapping', async (t) => {
  const { settings } = await loadNode(t, {
    topology: mesh(OBJECT),
    config: 'smarthost-port: 2587\nsmarthost-password: new\nsmarthost-tls: required\n',
    environment: ESP,
  });
  const hop = smarthostOf(settings);
  assert.deepEqual([hop.host, hop.port, hop.tls], ['esp.example', 2587, 'required']);
  assert.equal(loginOf(hop), 'me/new');
});

test('an empty username of a higher level takes the login away, with its password', async (t) => {
  const { settings } = await loadNode(t, {
    topology: mesh(OBJECT),
    config: 'smarthost-username:\nsmarthost-password:\n',
    environment: ESP,
  });
  assert.equal(loginOf(smarthostOf(settings)), null);
});

test('single keys over a pool are refused, each by its place', async (t) => {
  const topology = mesh('smarthost: { pool: [{ to: "a.example:25" }, { to: "b.example:25" }] }');
  const text = await refusal(t, {
    topology,
    config: 'smarthost-port: 26\n',
    environment: { RELAYMESH_SMARTHOST_USERNAME: 'x' },
  });
  assert.match(
    text,
    /node\.conf:1:17: error: smarthost-port cannot say which member .*mesh\.yaml:8:5/,
  );
  assert.match(text, /environment RELAYMESH_SMARTHOST_USERNAME: error: /);
  const { settings } = await loadNode(t, { topology, config: 'smarthost: c.example:26' });
  assert.equal(smarthostOf(settings).name, 'c.example:26');
});

test('an empty smarthost of a higher level means delivery by MX', async (t) => {
  const flat =
    'smarthost: a.example\n    smarthost-username: me\n    smarthost-password: { secret: esp }';
  for (const keys of [OBJECT, flat]) {
    const { settings } = await loadNode(t, {
      topology: mesh(keys),
      environment: { ...ESP, RELAYMESH_SMARTHOST: '' },
    });
    assert.equal(settings.route.fallback.kind, 'mx');
  }
});

test('a smarthost can be a node or a sink of the topology by its name', async (t) => {
  const more = `  core: { listen: [{ port: 2626 }], smarthost: mx }
links: [{ from: edge, to: core, username: edge, password: { secret: esp }, tls: none }]
sinks: { mx: { port: 2727 } }
`;
  const given = { topology: mesh('smarthost: core', more), environment: ESP };
  const { settings: bySink } = await loadNode(t, { ...given, argv: { smarthost: 'mx' } });
  const sink = smarthostOf(bySink);
  assert.deepEqual([sink.kind, sink.name, sink.port, loginOf(sink)], ['sink', 'mx', 2727, null]);
  const { settings: sunk } = await loadNode(t, { ...given, argv: { 'smtp-sink-address': 'mx' } });
  assert.deepEqual([sunk.route.sink?.name, sunk.route.sink?.port], ['mx', 2727]);
  const back = given.topology.replace('smarthost: core', 'smarthost: mx');
  const { settings: byNode } = await loadNode(t, {
    ...given,
    topology: back
      .replace('links', '# links')
      .replace('  core: {', '  core: { relay-from: [127.0.0.1/32],'),
    argv: { smarthost: 'core' },
  });
  assert.equal(smarthostOf(byNode).kind, 'node');
  const linked = await loadNode(t, { ...given, config: 'smarthost: core' });
  assert.equal(loginOf(smarthostOf(linked.settings)), 'edge/esp-pass');
});

test('a changed smarthost is not a fault of the nodes that get no mail any more', async (t) => {
  const more = `  core: { listen: [{ port: 2626 }], smarthost: mx }
links: [{ from: edge, to: core, username: edge, password: { secret: esp }, tls: none }]
sinks: { mx: { port: 2727 } }
`;
  const { warnings } = await loadNode(t, {
    topology: mesh('smarthost: core', more),
    environment: ESP,
    config: 'smarthost: outside.example',
  });
  assert.deepEqual(warnings, []);
});

test('keys after which nobody can relay through the node itself are refused', async (t) => {
  const text = await refusal(t, { topology: mesh(''), config: 'relay-from:' });
  assert.match(text, /no mail can reach node 'edge' \[unreachable-node\]/);
});

test('a login that meets a host of a higher level is told, with both places', async (t) => {
  const flat =
    'smarthost: a.example\n    smarthost-username: me\n    smarthost-password: { secret: esp }';
  const { settings, warnings } = await loadNode(t, {
    topology: mesh(flat),
    environment: ESP,
    argv: { smarthost: 'b.example' },
  });
  const hop = smarthostOf(settings);
  assert.deepEqual([hop.host, loginOf(hop)], ['b.example', 'me/esp-pass']);
  const [warning] = warnings;
  assert.equal(warning?.ruleId, 'login-elsewhere');
  assert.match(
    warning.text,
    /^command line --smarthost: warning: the login 'me' \(username: \S+mesh\.yaml:9:25, password: \S+mesh\.yaml:10:5\) goes to smarthost 'b\.example'/,
  );
  assert.doesNotMatch(warning.text, /esp-pass/);
});

test('the same is told of the sink, and of levels above the topology', async (t) => {
  const { warnings } = await loadNode(t, {
    topology: mesh(''),
    config: 'smtp-sink-username: me\nsmtp-sink-password: hunter2\n',
    environment: { RELAYMESH_SMTP_SINK_ADDRESS: '192.0.2.9' },
  });
  assert.deepEqual(
    warnings.map(({ ruleId }) => ruleId),
    ['login-elsewhere'],
  );
  assert.match(warnings[0]?.text ?? '', /goes to smtp-sink-address '192\.0\.2\.9' \(environment /);
  assert.doesNotMatch(JSON.stringify(warnings), /hunter2/);
  const { warnings: none } = await loadNode(t, {
    topology: mesh(''),
    config: 'smtp-sink-address: 192.0.2.9\nsmtp-sink-username: me\nsmtp-sink-password: hunter2\n',
  });
  assert.deepEqual(none, []);
});

test('a token makes an XOAUTH2 login, instead of a password', async (t) => {
  const config = 'smarthost-token-file: token\nsmarthost-username: me\n';
  const flat = `smarthost: a.example:587\n    smarthost-tls: required`;
  const byName = await loadNode(t, { topology: mesh(flat), config });
  const hop = smarthostOf(byName.settings);
  assert.deepEqual([hop.name, hop.tls], ['a.example:587', 'required']);
  assert.deepEqual(hop.login, {
    username: 'me',
    token: { kind: 'file', path: join(byName.folder, 'token') },
  });
  const { settings, folder } = await loadNode(t, {
    topology: mesh(OBJECT),
    config,
    environment: ESP,
  });
  assert.deepEqual(smarthostOf(settings).login, {
    username: 'me',
    token: { kind: 'file', path: join(folder, 'token') },
  });
});

test('of a port behind the host and smarthost-port the higher level holds', async (t) => {
  const port = async (given: Given): Promise<number> =>
    smarthostOf((await loadNode(t, given)).settings).port;
  const topology = mesh('smarthost: a.example:587');
  assert.equal(await port({ topology, config: 'smarthost-port: 588' }), 588);
  assert.equal(
    await port({
      topology,
      config: 'smarthost-port: 588',
      environment: { RELAYMESH_SMARTHOST: 'b.example:589' },
    }),
    589,
  );
  const config = 'smarthost: a.example:587\nsmarthost-port: 588\n';
  assert.match(
    await refusal(t, { topology, config }),
    /node\.conf:2:17: error: .*flat-key-conflict/,
  );
});

test('a login without a smarthost has no effect, and that is told', async (t) => {
  const { settings, warnings } = await loadNode(t, {
    topology: mesh(''),
    config: 'smarthost-port: 25\nsmarthost-username: me\nsmarthost-password: x\n',
  });
  assert.equal(settings.route.fallback.kind, 'mx');
  assert.deepEqual(
    warnings.map(({ text }) => /smarthost-\w+ has no effect/.exec(text)?.[0]),
    ['smarthost-username has no effect', 'smarthost-password has no effect'],
  );
});

test('smtp-port replaces the listeners; address and TLS of the old ones stay', async (t) => {
  const listeners = async (config: string) => {
    const { settings } = await loadNode(t, { topology: mesh(''), config });
    return settings.intake.listeners.map(({ name, host, port }) => [name, host, port]);
  };
  assert.deepEqual(await listeners('smtp-port: 2526'), [['in', '127.0.0.1', 2526]]);
  assert.deepEqual(await listeners('smtp-port: 26, 27, 28'), [
    ['in', '127.0.0.1', 26],
    ['sub', '127.0.0.2', 27],
    ['in-28', '127.0.0.1', 28],
  ]);
  assert.deepEqual(await listeners('smtp-ip: 0.0.0.0'), [
    ['in', '0.0.0.0', 2525],
    ['sub', '0.0.0.0', 2587],
  ]);
});

test('the other keys change the node, and nothing that they do not name', async (t) => {
  const { settings } = await loadNode(t, {
    topology: mesh('max-connections: 5\n    idle-timeout: 7'),
    config: `max-connections: 6
hostname: mail.example
relay-from: 192.0.2.0/24
steer-to: esp.example:587
users-file: users
retry-interval: 1, 2
expire-after: 99
doubt-timeout: 88
dns-servers: 192.0.2.53
mx-port: 2526
api-ip: 127.0.0.3
api-port: 9999
api-hosts: relay.example console.example
api-token-file: token
log-level: debug
drain-timeout: 3
`,
    files: { users: 'ann: pass', token: 'the-token\n' },
  });
  const { base } = settings.route.capacities;
  assert.deepEqual([base.maxConnections, base.idleTimeoutMs], [6, 7000]);
  assert.equal(settings.intake.hostname, 'mail.example');
  assert.deepEqual(settings.policy.relayFrom, ['192.0.2.0/24']);
  assert.deepEqual(settings.policy.apiSteerTo, [{ kind: 'host', host: 'esp.example', port: 587 }]);
  const [user] = settings.policy.users;
  assert.deepEqual(
    [user?.username, user?.password.reveal(), user?.may],
    ['ann', 'pass', ['relay']],
  );
  assert.deepEqual(settings.queue.retryIntervalsSeconds, [1, 2]);
  assert.equal(settings.queue.expireAfterSeconds, 99);
  assert.equal(settings.queue.doubtTimeoutSeconds, 88);
  assert.deepEqual(settings.send.dnsServers, ['192.0.2.53']);
  assert.equal(settings.route.mx.port, 2526);
  assert.deepEqual([settings.api.host, settings.api.port], ['127.0.0.3', 9999]);
  assert.deepEqual(settings.api.hosts.slice(-2), ['relay.example', 'console.example']);
  assert.equal(settings.api.token.reveal(), 'the-token');
  assert.equal(settings.logLevel, 'debug');
  assert.equal(settings.drainTimeoutMs, 3000);
});

test('a user of the file who is already one of the topology is refused', async (t) => {
  const text = await refusal(t, {
    topology: mesh('users: [{ username: ann, password: { secret: esp } }]'),
    config: 'users-file: users',
    environment: ESP,
    files: { users: '# staff\nann: pass\n' },
  });
  assert.match(text, /users:2:1: error: .*duplicate-username/);
});

test('a fault of a key that was laid over the topology names that key', async (t) => {
  const topology = mesh('');
  assert.match(
    await refusal(t, { topology, environment: { RELAYMESH_SMARTHOST: 'cor' } }),
    /environment RELAYMESH_SMARTHOST: error: no node or sink is named 'cor'/,
  );
  assert.match(
    await refusal(t, { topology, argv: { 'relay-from': '0.0.0.0/0', 'smtp-ip': '0.0.0.0' } }),
    /command line --relay-from: error: .*open-relay/,
  );
  assert.match(
    await refusal(t, { topology, config: '\n  smtp-tls: required' }),
    /node\.conf:2:13: error: .*missing-certificate/,
  );
});

test('a password file that is not there is told with the key that names it', async (t) => {
  const text = await refusal(t, {
    topology: mesh('smarthost: a.example'),
    config: 'smarthost-username: me\nsmarthost-password-file: none\n',
  });
  assert.match(text, /node\.conf:2:26: secret 'smarthost-password-file'.*SECRET_FILE_UNREADABLE/);
});

test('a secret of the topology may have the name of a key', async (t) => {
  const topology = mesh('smarthost: a.example\n    smarthost-username: me').replace(
    'secrets: {}',
    'secrets: { smarthost-password: { env: ESP } }',
  );
  const { settings } = await loadNode(t, {
    topology: topology.replace(
      'relay-from: [127.0.0.1/32]',
      'users: [{ username: ann, password: { secret: smarthost-password } }]',
    ),
    environment: ESP,
    config: 'smarthost-password: other',
  });
  assert.equal(loginOf(smarthostOf(settings)), 'me/other');
  assert.equal(settings.policy.users[0]?.password.reveal(), 'esp-pass');
});
