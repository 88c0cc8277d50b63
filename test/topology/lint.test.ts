import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTopology } from '../../src/topology/check.js';
import { lint, places, SOUND, soundBut, writeTopology } from './topology-files.js';

test('nothing is said about a sound topology', () => {
  assert.deepEqual(lint(SOUND), []);
});

const WITHOUT_SINK: [string, string] = ['sinks:\n  mx: { port: 2527 }', 'sinks: {}'];

/** What is wrong, the changes to the sound topology, and every fault that they bring. */
const CASES: [string, [string, string][], string[]][] = [
  [
    'a smarthost that names nothing',
    [['smarthost: core', 'smarthost: coer']],
    ['unknown-node@12:16'],
  ],
  [
    'a smarthost with a login in its name',
    [['smarthost: mx', 'smarthost: "user:pw@mx.example"']],
    ['invalid-value@16:16'],
  ],
  [
    'a link from or to nothing',
    [['from: edge, to: core', 'from: egde, to: cor']],
    ['missing-credential@12:16', 'unknown-node@18:13', 'unknown-node@18:23'],
  ],
  [
    'a link to a sink',
    [['to: core, username', 'to: mx, username']],
    ['missing-credential@12:16', 'unknown-node@18:23'],
  ],
  [
    'a link from a node to itself',
    [['from: edge, to: core', 'from: core, to: core']],
    ['missing-credential@12:16', 'self-link@18:23'],
  ],
  [
    'a name for a node and a sink',
    [['  mx: { port: 2527 }', '  mx: { port: 2527 }\n  edge: { port: 2528 }']],
    ['duplicate-name@21:3'],
  ],
  ['the same port twice', [['port: 2526', 'port: 2525']], ['duplicate-port@14:22']],
  [
    'a port on all addresses and on one',
    [['port: 2527', 'port: 2526, host: 0.0.0.0']],
    ['duplicate-port@20:15'],
  ],
  [
    'a port of an API that a listener has',
    [['port: 8026', 'port: 2525']],
    ['duplicate-port@15:18'],
  ],
  [
    'two listeners without a name',
    [['[{ port: 2525', '[{ port: 2524, tls: required }, { port: 2525']],
    ['duplicate-listener@9:45'],
  ],
  [
    'the same link twice',
    [['sinks:', '  - { from: edge, to: core }\nsinks:']],
    ['duplicate-link@19:5', 'unused-link@19:5'],
  ],
  [
    'a user with the name of a link peer',
    [
      [
        '    smarthost: mx',
        '    users: [{ username: edge, password: { secret: app } }]\n    smarthost: mx',
      ],
    ],
    ['duplicate-username@19:39'],
  ],
  [
    'a circle',
    [['smarthost: mx', 'smarthost: edge'], WITHOUT_SINK],
    ['cycle@16:16', 'missing-credential@16:16'],
  ],
  [
    'a circle by address',
    [['smarthost: mx', 'smarthost: "localhost:2525"'], WITHOUT_SINK],
    ['cycle@16:16'],
  ],
  [
    'a smarthost that is the node itself',
    [['smarthost: mx', 'smarthost: core'], WITHOUT_SINK],
    ['cycle@16:16'],
  ],
  [
    'a node that sends to the internet',
    [['    smarthost: mx\n', ''], WITHOUT_SINK],
    ['delivers-by-mx@13:3'],
  ],
  [
    'a node without clients',
    [
      ['    users: [{ username: app, password: { secret: app } }]\n', ''],
      ['    api: { port: 8025 }\n', ''],
    ],
    ['unused-secret@4:3', 'unreachable-node@8:3', 'unreachable-node@11:3'],
  ],
  [
    'a link that no mail takes',
    [['sinks:', '  - { from: core, to: edge }\nsinks:']],
    ['unused-link@19:5'],
  ],
  [
    'a link that a login of its own replaces',
    [
      [
        'smarthost: core',
        'smarthost: { hostname: core, username: edge, password: { secret: edge-core } }',
      ],
    ],
    ['unused-link@18:5'],
  ],
  [
    'no login where one is needed',
    [['username: edge, password: { secret: edge-core } ', '']],
    ['unused-secret@5:3', 'missing-credential@12:16'],
  ],
  [
    'half a login',
    [[', password: { secret: edge-core }', '']],
    ['unused-secret@5:3', 'missing-credential@18:29'],
  ],
  [
    'a password without a username',
    [['smarthost: mx', 'smarthost: { hostname: mx, password: { secret: app } }']],
    ['missing-credential@16:32'],
  ],
  [
    'a sink that wants a login and gets none',
    [['port: 2527', 'port: 2527, users: [{ username: u, password: { secret: app } }]']],
    ['missing-credential@16:16'],
  ],
  [
    'a login that the other end does not know',
    [
      [
        'smarthost: mx',
        'smarthost: { hostname: mx, username: u, password: { secret: app }, tls: opportunistic }',
      ],
    ],
    ['unknown-user@16:42'],
  ],
  [
    'a login with another secret',
    [
      [
        'smarthost: mx',
        'smarthost: { hostname: mx, username: u, password: { secret: app }, tls: none }',
      ],
      ['port: 2527', 'port: 2527, users: [{ username: u, password: { secret: edge-core } }]'],
    ],
    ['different-secret@16:65'],
  ],
  [
    'a secret that is not declared',
    [['{ secret: app }', '{ secret: ap }']],
    ['unused-secret@4:3', 'unknown-secret@11:50'],
  ],
  [
    'a login in clear at a host outside',
    [
      [
        'smarthost: mx',
        'smarthost: { hostname: h.example, username: u, password: { secret: app }, tls: opportunistic }',
      ],
      WITHOUT_SINK,
    ],
    ['plaintext-login@16:84'],
  ],
  [
    'no TLS where it is required',
    [['port: 2526, tls: required', 'port: 2526']],
    ['tls-mismatch@18:5'],
  ],
  [
    'no TLS where it is demanded',
    [['secret: edge-core } }', 'secret: edge-core }, tls: none }']],
    ['tls-mismatch@18:83'],
  ],
  [
    'a listener that does not exist',
    [['secret: edge-core } }', 'secret: edge-core }, listener: smpt }']],
    ['unknown-listener@18:88'],
  ],
  [
    'a listener that does not offer TLS',
    [
      ['port: 2526, tls: required }', 'port: 2526, tls: required }, { name: plain, port: 2529 }'],
      ['secret: edge-core } }', 'secret: edge-core }, listener: plain }'],
    ],
    ['tls-mismatch@18:5'],
  ],
  [
    'TLS without a certificate',
    [['tls: { ephemeral: true }\n', '']],
    ['missing-certificate@8:33', 'missing-certificate@13:33', 'missing-ca@17:5'],
  ],
  [
    'a certificate without its key',
    [['tls: { ephemeral: true }', 'tls: { ca: ca.pem, cert: cert.pem }']],
    ['missing-certificate@6:12', 'missing-certificate@6:20'],
  ],
  [
    'an open relay',
    [['    smarthost: mx', '    relay-from: [0.0.0.0/0]\n    smarthost: mx']],
    ['open-relay@16:18'],
  ],
  [
    'mail that expires too soon',
    [['    smarthost: mx', '    expire-after: 60\n    smarthost: mx']],
    ['lifetime-shrinks@16:5', 'expires-before-retry@16:19'],
  ],
  [
    'a trace that cannot travel',
    [
      ['username: edge, password: { secret: edge-core }', 'trace: envelope'],
      ['    smarthost: mx', '    relay-from: [127.0.0.1]\n    smarthost: mx'],
    ],
    ['unused-secret@5:3', 'trace-without-login@19:36'],
  ],
  [
    'an address that is none',
    [
      [
        '    listen: [{ port: 2526',
        '    host: 127.0.0.300\n    listen: [{ host: "a b", port: 2526',
      ],
    ],
    ['invalid-value@14:11', 'invalid-value@15:22'],
  ],
];
for (const [what, changes, expected] of CASES) {
  test(`${what} is found`, () => {
    assert.deepEqual(places(lint(soundBut(...changes))), expected);
  });
}

test('a cycle is named from node to node', () => {
  const [cycle] = lint(soundBut(['smarthost: mx', 'smarthost: edge']));
  assert.equal(cycle?.message, 'mail would go in a circle: edge -> core -> edge');
});

test('an unknown name comes with the one that was meant', () => {
  const [fault] = lint(soundBut(['smarthost: core', 'smarthost: cored']));
  assert.equal(fault?.hint, "did you mean 'core'?");
});

test('a name that every object inherits is still unknown', () => {
  assert.equal(
    lint(soundBut(['smarthost: mx', 'smarthost: constructor']))[0]?.ruleId,
    'unknown-node',
  );
  assert.equal(
    lint(soundBut(['{ secret: app }', '{ secret: toString }']))[1]?.ruleId,
    'unknown-secret',
  );
});

test('a host outside is no fault: full name, address, localhost, or a label with a port', () => {
  for (const host of [
    'mx.example.com',
    '192.0.2.1',
    '"[2001:db8::1]:587"',
    'localhost',
    '"relay:25"',
  ]) {
    assert.deepEqual(
      lint(soundBut(['smarthost: mx', `smarthost: ${host}`], WITHOUT_SINK)),
      [],
      host,
    );
  }
});

test('a node may relay without a login from where relay-from says', () => {
  const noLogin: [string, string] = ['username: edge, password: { secret: edge-core } ', ''];
  const noSecret: [string, string] = ['  edge-core: { generate: true }\n', ''];
  for (const [network, expected] of [
    ['127.0.0.0/8', []],
    ['::1', []],
    ['10.0.0.0/8', ['missing-credential@11:16']],
  ] as const) {
    const relay: [string, string] = [
      '    smarthost: mx',
      `    relay-from: ["${network}"]\n    smarthost: mx`,
    ];
    assert.deepEqual(places(lint(soundBut(noLogin, noSecret, relay))), expected, network);
  }
});

const TWO_MACHINES: [string, string][] = [
  ['app: { generate: true }', 'app: { env: APP }'],
  ['edge-core: { generate: true }', 'edge-core: { env: EDGE_CORE }'],
  ['tls: { ephemeral: true }\n', ''],
  ['port: 2525, tls: required', 'port: 2525, host: 0.0.0.0'],
  ['  core:', '  core:\n    host: core.example.com'],
  ['port: 2526, tls: required', 'port: 2526, host: 0.0.0.0'],
];
const ENV = { APP: 'a', EDGE_CORE: 'b' };

test('a login in clear between machines is found at both ends', () => {
  const text = soundBut(...TWO_MACHINES, [
    '{ secret: edge-core } }',
    '{ secret: edge-core }, tls: opportunistic }',
  ]);
  const faults = lint(text, { env: ENV });
  assert.deepEqual(places(faults), [
    'plaintext-login@8:14',
    'plaintext-login@14:14',
    'plaintext-login@18:83',
  ]);
  const allowed = text.replace(
    'tls: opportunistic }',
    'tls: opportunistic, allow-insecure-auth: true }',
  );
  assert.equal(lint(allowed, { env: ENV }).length, 2);
});

test('the same port on two machines is no fault', () => {
  const text = soundBut(...TWO_MACHINES, ['port: 2526', 'port: 2525']);
  assert.ok(!lint(text, { env: ENV }).some((fault) => fault.ruleId === 'duplicate-port'));
});

test('a listener that is bound to loopback and meant for other machines is a warning', () => {
  const text = soundBut(
    ['  core:', '  core:\n    host: core.example.com'],
    ['{ port: 2526,', '{ host: 127.0.0.1, port: 2526,'],
  );
  const found = lint(text).filter((fault) => fault.ruleId === 'loopback-listener');
  assert.deepEqual(places(found), ['loopback-listener@15:22']);
});

test('what works on one machine only is refused as soon as a node is elsewhere', () => {
  const text = soundBut(
    ['  core:', '  core:\n    host: core.example.com'],
    ['port: 2527', 'port: auto'],
  );
  assert.deepEqual(places(lint(text)), [
    'one-machine-only@4:20',
    'one-machine-only@5:26',
    'one-machine-only@6:19',
    'one-machine-only@21:15',
  ]);
});

test('a secret that is not on this machine is a warning, and only when all are looked at', () => {
  const text = soundBut(
    ['app: { generate: true }', 'app: { env: APP }'],
    ['edge-core: { generate: true }', 'edge-core: { file: nowhere }'],
  );
  const faults = lint(text);
  assert.deepEqual(places(faults), ['secret-unavailable@4:3', 'secret-unavailable@5:3']);
  assert.ok(faults.every((fault) => fault.severity === 'warning'));
  assert.deepEqual(lint(text, { node: 'edge' }), []);
});

test('faults of form and of meaning come together, and nothing that only follows from a slip', async (t) => {
  const text = soundBut(
    ['    api: { port: 8025 }', '    apj: { port: 8025 }'],
    ['{ secret: app }', '{ secret: ap }'],
    ['port: 2526, tls: required', 'port: 2525, tls: requird'],
    ['    smarthost: mx', '    smarthost: edge'],
    ['from: edge, to: core, username: edge', 'from: edge, to: coer, user: edge'],
  );
  const { faults, loaded } = await checkTopology(writeTopology(t, text));
  assert.equal(loaded, undefined);
  assert.deepEqual(places(faults), [
    'unknown-key@10:5',
    'unknown-secret@11:50',
    'invalid-value@14:33',
    'cycle@16:16',
    'unknown-node@18:23',
    'unknown-key@18:29',
  ]);
});

test('of a key that stands twice the last one counts, and no other fault is hidden', async (t) => {
  const text = soundBut(['    smarthost: mx', '    smarthost: mx\n    smarthost: edge']);
  const { faults } = await checkTopology(writeTopology(t, text));
  assert.deepEqual(places(faults), [
    'duplicate-key@17:5',
    'cycle@17:16',
    'missing-credential@17:16',
  ]);
});

test('nothing is said about what stands in for a value that was wrong', async (t) => {
  const text = soundBut(
    ['{ secret: app }', 'hunter2'],
    ['    listen: [{ port: 2526', '    listen: [{ port: 0 }, { nmae: b, port: 2526'],
    ['smarthost: mx', 'smarthost: { hostname: 3 }'],
  );
  const { faults } = await checkTopology(writeTopology(t, text));
  assert.deepEqual(places(faults), [
    'cleartext-secret@11:40',
    'invalid-value@14:22',
    'unknown-key@14:29',
    'invalid-value@16:28',
  ]);
});

test('an API that other machines reach needs a token that they know', () => {
  const text = soundBut(...TWO_MACHINES, ['port: 8026', 'port: 8026, host: 0.0.0.0']);
  const tls: [string, string] = ['secret: edge-core } }', 'secret: edge-core }, tls: required }'];
  assert.ok(places(lint(text.replace(...tls), { env: ENV })).includes('token-missing@15:5'));
  const named = text.replace(
    'host: 0.0.0.0 }\n    smarthost',
    'host: 0.0.0.0, token: { secret: app } }\n    smarthost',
  );
  assert.ok(!lint(named, { env: ENV }).some(({ ruleId }) => ruleId === 'token-missing'));
});
