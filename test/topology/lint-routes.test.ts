import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lint, places, soundBut } from './topology-files.js';

/**
 * `core` with these lines instead of its smarthost, and those of the sinks `mx` and `spare` that
 * they name; the first line is line 16 of the file.
 */
function core(...lines: string[]): string {
  const keys = lines.map((line) => `    ${line}\n`).join('');
  const mx = /\bmx\b(?!:)/.test(keys) ? '\n  mx: { port: 2527 }' : '';
  const spare = /\bspare\b/.test(keys) ? '\n  spare: { port: 2528 }' : '';
  return soundBut(
    ['    smarthost: mx\n', keys],
    ['sinks:\n  mx: { port: 2527 }', mx + spare === '' ? 'sinks: {}' : `sinks:${mx}${spare}`],
  );
}

const BOTH = 'username: u, password: { secret: app }';

/** What is wrong, the lines of `core`, and every fault that they bring. */
const CASES: [string, string[], string[]][] = [
  [
    'an unknown name in a route, a pool and a failover',
    [
      'smarthost: { pool: [{ to: mxx }], failover: [{ hostname: spar }] }',
      'routes: [{ tag: a, smarthost: cor }]',
    ],
    ['unknown-node@16:31', 'unknown-node@16:50', 'unknown-node@17:35'],
  ],
  [
    'a login in clear in a pool',
    [`smarthost: { pool: [{ to: { hostname: h.example, ${BOTH}, tls: none } }] }`],
    ['plaintext-login@16:99'],
  ],
  [
    'a login in clear by a flat key',
    [
      'smarthost: h.example',
      'smarthost-username: u',
      'smarthost-password: { secret: app }',
      'smarthost-tls: opportunistic',
    ],
    ['plaintext-login@19:20'],
  ],
  [
    'a login in clear at a sink elsewhere',
    [
      'smarthost: mx',
      'smtp-sink-address: 192.0.2.1',
      'smtp-sink-username: u',
      'smtp-sink-password: { secret: app }',
      'smtp-sink-tls: none',
    ],
    ['plaintext-login@20:20'],
  ],
  [
    'half a login in a route',
    ['smarthost: mx', 'routes: [{ tag: a, smarthost: { hostname: h.example, username: u } }]'],
    ['missing-credential@17:58'],
  ],
  [
    'half a login by flat keys',
    ['smarthost: h.example', 'smarthost-password: { secret: app }'],
    ['missing-credential@17:5'],
  ],
  [
    'half a login at a sink',
    ['smtp-sink-address: sink.example', 'smtp-sink-username: u'],
    ['missing-credential@17:5'],
  ],
  [
    'a password and a token',
    [`smarthost: { hostname: h.example, ${BOTH}, token: { file: t } }`],
    ['password-and-token@16:79'],
  ],
  [
    'a token without a username',
    ['smarthost: { hostname: h.example, token: { file: t } }'],
    ['missing-credential@16:39'],
  ],
  [
    'a token where only passwords are known',
    ['smarthost: { hostname: mx, username: u, token: { file: t }, tls: none }'],
    ['missing-credential@16:45'],
  ],
  [
    'a secret that is not declared, in a pool and in flat keys',
    [
      'smarthost: { pool: [{ to: { hostname: h.example, username: u, password: { secret: ap } } }] }',
      'smtp-sink-address: sink.example',
      'smtp-sink-username: u',
      'smtp-sink-password: { secret: ap }',
    ],
    ['unknown-secret@16:87', 'unknown-secret@19:35'],
  ],
  [
    'a login that a sink in a failover does not know',
    [`smarthost: { pool: [{ to: mx }], failover: [{ hostname: spare, ${BOTH}, tls: none }] }`],
    ['unknown-user@16:78'],
  ],
  [
    'TLS that the sink of all connections does not offer',
    ['smtp-sink-address: mx', 'smtp-sink-tls: required'],
    ['tls-mismatch@17:20'],
  ],
  [
    'a pool that nothing goes to',
    ['smarthost: { pool: [{ to: mx, weight: 0 }, { to: spare, weight: 0 }] }'],
    ['zero-weight-pool@16:18'],
  ],
  [
    'a next hop that is twice in a pool',
    ['smarthost: { pool: [{ to: mx }, { to: { hostname: mx } }], failover: ["127.0.0.1:9", mx] }'],
    ['duplicate-pool-member@16:39', 'duplicate-pool-member@16:90'],
  ],
  [
    'a route after one that takes all mail',
    [
      'routes:',
      '  - { recipient: [a@b.example, "*"], smarthost: mx }',
      '  - { tag: a, smarthost: spare }',
      '  - { tag: b, smarthost: mx }',
      'smarthost: mx',
    ],
    ['unreachable-route@18:9', 'unreachable-route@19:9'],
  ],
  [
    'flat keys without a smarthost',
    ['smarthost-port: 26', 'smarthost-tls: none', 'smtp-sink-address: mx'],
    ['flat-key-conflict@16:5'],
  ],
  ['flat keys without a sink', ['smarthost: mx', 'smtp-sink-port: 26'], ['flat-key-conflict@17:5']],
  [
    'flat keys beside a mapping',
    ['smarthost: { hostname: mx }', 'smarthost-tls: none'],
    ['flat-key-conflict@17:5'],
  ],
  [
    'flat keys beside a pool',
    ['smarthost: { pool: [{ to: mx }] }', 'smarthost-tls: none'],
    ['flat-key-conflict@17:5'],
  ],
  [
    'a port that is given twice',
    ['smarthost: "h.example:587"', 'smarthost-port: 25'],
    ['flat-key-conflict@17:5'],
  ],
  ['a sink that nothing is named', ['smtp-sink-address: spar'], ['unknown-node@16:24']],
  [
    'a sink address that is a node or has a port',
    ['smarthost: mx', 'smtp-sink-address: edge'],
    ['unknown-node@17:24'],
  ],
  ['a sink address with a port', ['smtp-sink-address: "mx:25"'], ['invalid-value@16:24']],
  [
    'a DNS server without an address',
    ['smarthost: mx', 'dns-servers: [127.0.0.1, "127.0.0.1:0", dns.example, "[::1]:53"]'],
    ['invalid-value@17:30', 'invalid-value@17:45'],
  ],
  ['mail that would go to the internet', ['max-recipients: 5'], ['delivers-by-mx@13:3']],
  [
    'a route that would go to the internet',
    ['smarthost: mx', 'routes: [{ tag: a, mx: true }]'],
    ['delivers-by-mx@17:24'],
  ],
  [
    'a circle that only a route closes',
    ['smarthost: mx', 'routes: [{ tag: a, smarthost: "127.0.0.1:2525" }]'],
    ['cycle@17:35'],
  ],
  [
    'a node that fails over to itself',
    ['smarthost: { pool: [{ to: mx }], failover: [core] }'],
    ['cycle@16:49'],
  ],
];
for (const [what, lines, expected] of CASES) {
  test(`${what} is found`, () => {
    assert.deepEqual(places(lint(core(...lines))), expected);
  });
}

const FINE: [string, string[]][] = [
  ['a sink beside a smarthost', ['smarthost: mx', 'smtp-sink-address: spare']],
  [
    'an empty smarthost with flat keys',
    ['smarthost: ""', 'smarthost-port: 26', 'smtp-sink-address: mx'],
  ],
  ['a sink that is off', ['smarthost: mx', 'smtp-sink-address: 0.0.0.0', 'smtp-sink-port: 26']],
  [
    'a member of a pool that gets no mail for now',
    ['smarthost: { pool: [{ to: mx, weight: 0 }, { to: spare }] }'],
  ],
  ['a preset of a queue', ['smarthost: mx', 'queues: [{ queue: "gmail.*", preset: gmail }]']],
  [
    'two logins at one host in a pool',
    [`smarthost: { pool: [{ to: { hostname: h.example, ${BOTH} } }, { to: h.example }] }`],
  ],
  ['delivery by MX to names that only this machine knows', ['dns-servers: ["127.0.0.1:5353"]']],
  [
    'a login in clear that is allowed for the node',
    [
      'smarthost: { hostname: h.example, username: u, password: { secret: app }, tls: none }',
      'allow-insecure-auth: true',
    ],
  ],
];
for (const [what, lines] of FINE) {
  test(`${what} is no fault`, () => {
    assert.deepEqual(lint(core(...lines)), []);
  });
}

test('a mesh of several machines may deliver by MX without a word', () => {
  const text = core('max-recipients: 5')
    .replace('tls: { ephemeral: true }', 'tls: { cert: c.pem, key: k.pem, ca: a.pem }')
    .replaceAll('{ generate: true }', '{ env: SECRET }');
  const found = lint(text, { env: { SECRET: 'x' } }).map(({ ruleId }) => ruleId);
  assert.ok(!found.includes('delivers-by-mx'), found.join());
});

test('what only some mail does is a warning, and a circle of all mail an error', () => {
  const [some] = lint(core('smarthost: mx', 'routes: [{ tag: a, smarthost: "127.0.0.1:2525" }]'));
  assert.equal(some?.severity, 'warning');
  assert.equal(some.message, 'mail could go in a circle: core -> edge -> core');
  const [all] = lint(core('smarthost: "127.0.0.1:2525"'));
  assert.equal(all?.severity, 'error');
});

test('behind a sink that takes all connections nothing goes in a circle', () => {
  assert.deepEqual(lint(core('smarthost: "127.0.0.1:2525"', 'smtp-sink-address: mx')), []);
});

test('the pair of nodes that fail over to each other is one circle', () => {
  const text = core(
    'relay-from: [127.0.0.1]',
    'smarthost: { pool: [{ to: mx }], failover: [edge] }',
  ).replace('smarthost: core', 'smarthost: { pool: [{ to: mx }], failover: [core] }');
  const cycles = lint(text).filter(({ ruleId }) => ruleId === 'cycle');
  assert.deepEqual(
    cycles.map(({ message }) => message),
    ['mail could go in a circle: edge -> core -> edge'],
  );
});

for (const [what, change] of [
  ['a route', ['smarthost: core', 'smarthost: mx\n    routes: [{ tag: a, smarthost: core }]']],
  ['a pool', ['smarthost: core', 'smarthost: { pool: [{ to: mx }, { to: core }] }']],
  ['a failover', ['smarthost: core', 'smarthost: { pool: [{ to: mx }], failover: [core] }']],
] as [string, [string, string]][]) {
  test(`a node that only ${what} leads to is reached, and its link is used`, () => {
    assert.deepEqual(lint(soundBut(change)), []);
  });
}

test('a node that only messages name is reached', () => {
  const text = soundBut(
    ['    smarthost: core', '    smarthost: mx\n    steer-to: [core]'],
    ['  edge-core: { generate: true }\n', ''],
    ['  - { from: edge, to: core, username: edge, password: { secret: edge-core } }', '  []'],
  );
  assert.deepEqual(lint(text), []);
});

test('a node without a link to it would refuse mail that a route sends there', () => {
  const text = soundBut(
    ['smarthost: core', 'smarthost: mx\n    routes: [{ tag: a, smarthost: core }]'],
    ['  edge-core: { generate: true }\n', ''],
    ['  - { from: edge, to: core, username: edge, password: { secret: edge-core } }', '  []'],
  );
  assert.deepEqual(places(lint(text)), ['missing-credential@12:35']);
});

test('a link with a fault is reported once, however many routes take it', () => {
  const text = soundBut(
    ['smarthost: core', 'smarthost: core\n    routes: [{ tag: a, smarthost: core }]'],
    ['secret: edge-core } }', 'secret: edge-core }, listener: smpt }'],
  );
  assert.deepEqual(places(lint(text)), ['unknown-listener@19:88']);
});

test('a sink that only an address or an entry of steer-to leads to is reached', () => {
  const spare: [string, string] = [
    '  mx: { port: 2527 }',
    '  mx: { port: 2527 }\n  spare: { port: 2528, host: 0.0.0.0 }',
  ];
  for (const keys of [
    'routes: [{ tag: a, smarthost: "localhost:2528" }]',
    'smtp-sink-address: spare',
    'steer-to: ["127.0.0.1:2528"]',
    'steer-to: ["*.example:2528"]',
  ]) {
    const text = soundBut(spare, ['    smarthost: mx', `    ${keys}\n    smarthost: mx`]);
    assert.deepEqual(lint(text), [], keys);
  }
  const misspelt = soundBut(spare, ['smarthost: mx', 'smarthost: spair']);
  assert.deepEqual(places(lint(misspelt)), ['unknown-node@16:16']);
  assert.deepEqual(lint(soundBut(spare), { node: 'core' }), []);
});

test('a sink that stands for a host is reached when something sends to that host', () => {
  const standIn = (outside: string, smarthost: string, of = 'mx.other.example'): string =>
    soundBut(
      ['    smarthost: mx', `    ${smarthost}`],
      ['mx: { port: 2527 }', `mx: { port: 2527, stands-for: ["${of}", "${outside}"] }`],
    );
  const host = 'smarthost: "Smtp.Out.example:587"';
  assert.deepEqual(lint(standIn('smtp.out.example', host)), []);
  assert.deepEqual(lint(standIn('smtp.out.Example:587', host)), []);
  assert.deepEqual(places(lint(standIn('smtp.out.example:25', host))), ['unreachable-sink@20:3']);
  const byMx = 'routes: [{ recipient: "*@a.test", mx: true }]\n    smarthost: out.example';
  const rules = (text: string): string[] => lint(text).map(({ ruleId }) => ruleId);
  assert.ok(!rules(standIn('*', byMx)).includes('unreachable-sink'));
  assert.ok(rules(standIn('*', host)).includes('unreachable-sink'));
});
