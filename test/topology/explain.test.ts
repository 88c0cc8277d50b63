import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTopology } from '../../src/topology/check.js';
import { formFaults, places, soundBut, writeTopology } from './topology-files.js';

/** What is said about the lines that stand in `core` instead of its smarthost. */
function said(...lines: string[]): string[] {
  const keys = lines.map((line) => `    ${line}\n`).join('');
  return formFaults(soundBut(['    smarthost: mx\n', keys])).map(
    ({ message, hint }) => `${message}${hint === undefined ? '' : ` — ${hint}`}`,
  );
}

const SMARTHOST = "`smarthost` of node 'core'";

/** A misspelt key, and the one thing that is said about it. */
const SLIPS: [string, string[], string][] = [
  [
    'the only key of a smarthost',
    ['smarthost: { hostnme: mx }'],
    `unknown key 'hostnme' in ${SMARTHOST} — did you mean 'hostname'?`,
  ],
  [
    'a key that a smarthost has to have',
    ['smarthost: { hostnme: mx, port: 25 }'],
    `unknown key 'hostnme' in ${SMARTHOST} — did you mean 'hostname'?`,
  ],
  [
    'another key of a smarthost',
    ['smarthost: { hostname: mx, usrname: x }'],
    `unknown key 'usrname' in ${SMARTHOST} — did you mean 'username'?`,
  ],
  [
    'the key of a pool',
    ['smarthost: { pol: [{ to: mx }], failover: [mx] }'],
    `unknown key 'pol' in ${SMARTHOST} — did you mean 'pool'?`,
  ],
  [
    'failover',
    ['smarthost: { pool: [{ to: mx }], failovr: [mx] }'],
    `unknown key 'failovr' in ${SMARTHOST} — did you mean 'failover'?`,
  ],
  [
    'a key of a pool member',
    ['smarthost: { pool: [{ to: mx, wieght: 3 }] }'],
    `unknown key 'wieght' in pool entry 1 of ${SMARTHOST} — did you mean 'weight'?`,
  ],
  [
    'a key that a pool member has to have',
    ['smarthost: { pool: [{ tp: mx, weight: 3 }] }'],
    `unknown key 'tp' in pool entry 1 of ${SMARTHOST} — did you mean 'to'?`,
  ],
  [
    'a key of the hop of a pool member',
    ['smarthost: { pool: [{ to: { hostname: mx, prot: 25 } }] }'],
    `unknown key 'prot' in \`to\` of pool entry 1 of ${SMARTHOST} — did you mean 'port'?`,
  ],
  [
    'a condition of a route',
    ['routes: [{ recipent: "*@a.b", smarthost: mx }]'],
    "unknown key 'recipent' in route 1 of node 'core' — did you mean 'recipient'?",
  ],
  [
    'the smarthost of a route',
    ['routes: [{ recipient: "*@a.b", smarthst: mx }]'],
    "unknown key 'smarthst' in route 1 of node 'core' — did you mean 'smarthost'?",
  ],
  [
    'a key of a pool of a route',
    ['routes: [{ smarthost: { pool: [{ to: mx, weigth: 1 }] } }]'],
    "unknown key 'weigth' in pool entry 1 of `smarthost` of route 1 of node 'core' — did you mean 'weight'?",
  ],
  [
    'a limit of a queue',
    ['queues: [{ queue: "*", max-conections: 3 }]'],
    "unknown key 'max-conections' in queues entry 1 of node 'core' — did you mean 'max-connections'?",
  ],
  [
    'a flat key',
    ['smarthost: mx', 'smarthost-usrname: x'],
    "unknown key 'smarthost-usrname' in node 'core' — did you mean 'smarthost-username'?",
  ],
];
for (const [what, lines, expected] of SLIPS) {
  test(`misspelt, ${what}: one finding`, () => {
    assert.deepEqual(said(...lines), [expected]);
  });
}

/** Another fault of form, and the one thing that is said about it. */
const FAULTS: [string[], string][] = [
  [
    ['smarthost: { pool: [{ to: mx }], username: u }'],
    `\`pool\` and \`username\` exclude each other in ${SMARTHOST}`,
  ],
  [
    ['smarthost: { hostname: mx, pool: [{ to: mx }] }'],
    `\`hostname\` and \`pool\` exclude each other in ${SMARTHOST}`,
  ],
  [['smarthost: { pool: mx }'], "pool must be a list, got 'mx'"],
  [['smarthost: 25'], 'smarthost must be text or a mapping, got 25'],
  [['routes: [{ tag: a }]'], 'entry 1 of routes needs either `smarthost` or `mx: true`'],
  [
    ['routes: [{ smarthost: mx, mx: true }]'],
    'entry 1 of routes needs either `smarthost` or `mx: true`',
  ],
  [['routes: [{ recipient: [3], mx: true }]'], 'entry 1 of recipient must be text, got 3'],
  [['routes: [{ size: 5MB, mx: true }]'], 'size must be as in ">5MB", got \'5MB\''],
  [['routes: [{ attempts: ">x", mx: true }]'], 'attempts must be as in ">=3", got \'>x\''],
  [
    ['smarthost: { hostname: mx, preset: gmial }'],
    "preset must be one of microsoft-365, gmail, ses, sendgrid, got 'gmial' — did you mean 'gmail'?",
  ],
];
for (const [lines, expected] of FAULTS) {
  test(`${lines.join(', ')}: one finding`, () => {
    assert.deepEqual(said(...lines), [expected]);
  });
}

for (const [key, hint] of [
  ['smarthost: { pool: [{ to: { hostname: mx, username: u, password: hunter2 } }] }', 'secret'],
  ['smarthost: { hostname: mx, username: u, token: hunter2 }', 'file'],
  ['smarthost-password: hunter2', 'secret'],
  ['smtp-sink-password: hunter2', 'secret'],
] as const) {
  test(`a secret in clear is refused and not quoted: ${key.split(':', 1)[0]}, { ${hint} }`, () => {
    const [fault, ...others] = said(key);
    assert.deepEqual(others, []);
    assert.match(fault ?? '', new RegExp(`in clear.*write \\{ ${hint}:`));
    assert.doesNotMatch(fault ?? '', /hunter2/);
  });
}

test('what is faulty in a route, a pool or a hop hides no other fault, and makes none', async (t) => {
  const text = soundBut(
    ['{ secret: app }', '{ secret: ap }'],
    [
      '    smarthost: mx\n',
      `    smarthost: { pool: [{ to: mx, wieght: 2 }], failover: [cor] }
    routes:
      - { recipent: a@b.example, smarthost: { hostname: relay, port: auto } }
      - { tag: a, smarthost: { hostname: mx, token: hunter2 } }
`,
    ],
  );
  const { faults } = await checkTopology(writeTopology(t, text));
  assert.deepEqual(places(faults), [
    'unknown-secret@11:50',
    'unknown-key@16:35',
    'unknown-node@16:60',
    'unknown-key@18:11',
    'invalid-value@18:70',
    'cleartext-secret@19:53',
  ]);
});
