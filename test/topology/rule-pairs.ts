import type { RuleId, Severity } from '../../src/topology/fault.js';
import { CA_PEM, CORE_PEM, OTHER_CA_PEM, OTHER_KEY_PEM } from './certificate-fixtures.js';
import {
  NO_SINK,
  SPARE,
  NO_LOGIN,
  EDGE_SECRET,
  LINK_LOGIN,
  but,
  core,
  secretBefore,
  chain,
  U,
  RATED,
  type Change,
} from './rule-changes.js';
import { FILES, HASH } from './rule-files.js';
import { SPOOL_PAIRS } from './spool-rule-pairs.js';
import { MACHINES, SOUND, soundBut, tested } from './topology-files.js';

/*
 * Every rule with a topology that breaks it, and one as near to it as can be that is sound. The
 * type of the table keeps a rule without such a pair from being built.
 */

export interface Pair {
  wrong: string | Buffer;
  /** Where the rule points at. */
  at: string;
  /** When it is another than that of the table. */
  severity?: Severity;
  near: string | Buffer;
  wrongFiles?: Record<string, string>;
}

const MIB = 1024 * 1024;
/** Those of the command line and of exports are not about the text of a topology. */
type OfOthers = 'unreadable-file' | 'not-exportable';

/** They are looked at in 2030, with the variable HERE set. */
export const PAIRS: Record<Exclude<RuleId, OfOthers>, Pair> = {
  'alias-bomb': {
    wrong: soundBut(['users: [', 'users: &a [*a, ']),
    at: '11:16',
    near: soundBut(['tls: required', 'tls: &a required'], ['2526, tls: required', '2526, tls: *a']),
  },
  'certificate-name': {
    wrong: but(MACHINES, ['host: core.example.com', 'host: relay.example.com']),
    at: '9:5',
    near: MACHINES,
  },
  'certificate-without-tls': {
    wrong: soundBut([LINK_LOGIN, 'certificate: true, tls: opportunistic '], EDGE_SECRET),
    at: '17:53',
    near: soundBut([LINK_LOGIN, 'certificate: true, tls: verified '], EDGE_SECRET),
  },
  'cleartext-secret': {
    wrong: soundBut(['password: { secret: app }', 'password: hunter2']),
    at: '11:40',
    near: soundBut(['username: app', 'username: hunter2']),
  },
  cycle: {
    wrong: but(core('smarthost: "127.0.0.1:2525"'), NO_SINK),
    at: '16:16',
    near: core('smarthost: "127.0.0.1:2525"', 'smtp-sink-address: mx'),
  },
  'delivers-by-mx': {
    wrong: soundBut(['    smarthost: mx\n', ''], NO_SINK),
    at: '13:3',
    near: soundBut(['    smarthost: mx\n', '    smtp-sink-address: mx\n']),
  },
  ...SPOOL_PAIRS,
  'different-secret': {
    wrong: but(core(`smarthost: { hostname: mx, ${U}, tls: none }`), [
      'port: 2527',
      'port: 2527, users: [{ username: u, password: { secret: edge-core } }]',
    ]),
    at: '16:65',
    near: but(core(`smarthost: { hostname: mx, ${U}, tls: none }`), [
      'port: 2527',
      `port: 2527, users: [{ ${U} }]`,
    ]),
  },
  'duplicate-key': {
    wrong: core('max-sessions: 500', 'max-sessions: 500'),
    at: '17:5',
    near: core('max-sessions: 500', 'max-recipients: 500'),
  },
  'duplicate-link': {
    wrong: soundBut(['sinks:', '  - { from: edge, to: core }\nsinks:']),
    at: '19:5',
    near: soundBut(['edge-core } }', 'edge-core }, also-accept: [{ secret: edge-core }] }']),
  },
  'duplicate-listener': {
    wrong: soundBut(['[{ port: 2525', '[{ port: 2524, tls: required }, { port: 2525']),
    at: '9:45',
    near: soundBut(['[{ port: 2525', '[{ port: 2524, tls: required }, { name: b, port: 2525']),
  },
  'duplicate-name': {
    wrong: soundBut(['  mx: { port: 2527 }', '  mx: { port: 2527 }\n  edge: { port: 2528 }']),
    at: '21:3',
    near: but(core('smarthost: { pool: [{ to: mx }, { to: spare }] }'), SPARE),
  },
  'duplicate-pool-member': {
    wrong: core('smarthost: { pool: [{ to: mx }, { to: { hostname: mx } }] }'),
    at: '16:39',
    near: core('smarthost: { pool: [{ to: mx }, { to: "127.0.0.1:9" }] }'),
  },
  'duplicate-port': {
    wrong: soundBut(['port: 2526', 'port: 2525']),
    at: '14:22',
    near: soundBut(['port: 2526', 'host: 127.0.0.2, port: 2525']),
  },
  'duplicate-username': {
    wrong: core('users: [{ username: edge, password: { secret: app } }]'),
    at: '19:39',
    near: core('users: [{ username: app, password: { secret: app } }]'),
  },
  'expired-certificate': {
    wrong: MACHINES,
    at: '4:12',
    near: MACHINES,
  },
  'expires-before-retry': {
    wrong: soundBut(['nodes:', 'defaults: { expire-after: 60 }\nnodes:']),
    at: '7:27',
    near: soundBut(['nodes:', 'defaults: { expire-after: 61 }\nnodes:']),
  },
  'file-too-large': {
    wrong: `${SOUND}#${'x'.repeat(MIB - SOUND.length)}`,
    at: '1:1',
    near: `${SOUND}#${'x'.repeat(MIB - SOUND.length - 1)}`,
  },
  'flat-key-conflict': {
    wrong: core('smarthost: { hostname: mx }', 'smarthost-tls: none'),
    at: '17:5',
    near: core('smarthost: mx', 'smarthost-tls: none'),
  },
  'invalid-certificate': {
    wrong: MACHINES,
    wrongFiles: { ...FILES, 'key.pem': OTHER_KEY_PEM },
    at: '4:41',
    near: MACHINES,
  },
  'invalid-lint-comment': {
    wrong: secretBefore('  # relaymesh-lint-disable-next-line unused-secret'),
    at: '4:3',
    near: secretBefore('  # relaymesh-lint-disable-next-line unused-secret: for later'),
  },
  'invalid-value': {
    wrong: soundBut(['port: 2527', 'port: 65536']),
    at: '20:15',
    near: soundBut(['port: 2527', 'port: 65535']),
  },
  'lifetime-shrinks': {
    wrong: core('expire-after: 431999'),
    at: '16:5',
    near: core('expire-after: 432000'),
  },
  'limit-below-workers': {
    wrong: core('workers: 3\n    max-connections: 2'),
    at: '17:22',
    near: core('workers: 3\n    max-connections: 3'),
  },
  'loopback-listener': {
    wrong: but(MACHINES, ['host: 0.0.0.0', 'host: 127.0.0.1']),
    at: '7:64',
    near: MACHINES,
  },
  'missing-ca': {
    wrong: but(MACHINES, ['ca: ca.pem, ', '']),
    at: '9:5',
    near: but(MACHINES, ['ca: ca.pem, ', ''], ['edge-core } }', 'edge-core }, tls: required }']),
  },
  'missing-certificate': {
    wrong: MACHINES,
    wrongFiles: { 'ca.pem': CA_PEM, 'cert.pem': CORE_PEM },
    at: '4:41',
    near: MACHINES,
  },
  'missing-credential': {
    wrong: soundBut(NO_LOGIN[0] as Change, NO_LOGIN[1] as Change),
    at: '11:16',
    near: soundBut(...NO_LOGIN),
  },
  'missing-key': {
    wrong: soundBut(['mx: { port: 2527 }', 'mx: {}']),
    at: '20:3',
    near: soundBut(['mx: { port: 2527 }', 'mx: { port: auto }']),
  },
  'not-utf8': {
    wrong: Buffer.concat([Buffer.from(`${SOUND}# `), Buffer.from([0xff])]),
    at: '21:3',
    near: `${SOUND}# ÿ`,
  },
  'one-machine-only': {
    wrong: but(MACHINES, ['app: { env: HERE }', 'app: { generate: true }']),
    at: '3:29',
    near: soundBut(['  core:', '  core:\n    host: 127.0.0.2']),
  },
  'open-relay': {
    wrong: core('relay-from: [10.0.0.0/7]'),
    severity: 'warning',
    at: '16:18',
    near: core('relay-from: [10.0.0.0/8]'),
  },
  'password-and-token': {
    wrong: but(
      core(`smarthost: { hostname: h.example, ${U}, token: { file: token.txt } }`),
      NO_SINK,
    ),
    at: '16:79',
    near: but(
      core('smarthost: { hostname: h.example, username: u, token: { file: token.txt } }'),
      NO_SINK,
    ),
  },
  'plaintext-login': {
    wrong: but(core(`smarthost: { hostname: h.example, ${U}, tls: opportunistic }`), NO_SINK),
    at: '16:84',
    near: but(core(`smarthost: { hostname: h.example, ${U}, tls: required }`), NO_SINK),
  },
  'plaintext-token': {
    wrong: soundBut(['api: { port: 8026 }', 'api: { host: 192.0.2.1, port: 8026 }']),
    at: '15:18',
    near: soundBut(['api: { port: 8026 }', 'api: { host: 127.0.0.2, port: 8026 }']),
  },
  'secret-unavailable': {
    wrong: soundBut(['app: { generate: true }', 'app: { env: GONE }']),
    at: '4:3',
    near: soundBut(['app: { generate: true }', 'app: { env: HERE }']),
  },
  'self-link': {
    wrong: soundBut(['sinks:', '  - { from: core, to: core }\nsinks:']),
    at: '19:23',
    near: soundBut(['edge-core } }', 'edge-core }, trace: header }']),
  },
  'several-documents': { wrong: `${SOUND}---\n`, at: '21:1', near: `---\n${SOUND}` },
  'size-shrinks': {
    wrong: core('max-message-size: 52428799'),
    at: '16:5',
    near: core('max-message-size: 50MiB'),
  },
  steering: {
    wrong: soundBut(['secret: app } }', 'secret: app }, may: [relay, steer] }']),
    at: '11:57',
    near: soundBut(['secret: app } }', 'secret: app }, may: [relay, steer], steer-to: [mx] }']),
  },
  'tls-mismatch': {
    wrong: soundBut(['port: 2526, tls: required', 'port: 2526']),
    at: '18:5',
    near: soundBut(['port: 2526, tls: required', 'port: 2526, tls: opportunistic']),
  },
  'token-missing': {
    wrong: but(MACHINES, ['smarthost: mx.', 'api: { host: 0.0.0.0, port: 8025 }, smarthost: mx.']),
    at: '7:91',
    near: but(
      MACHINES,
      ['version: 1', 'version: 1 # relaymesh-lint-disable-file plaintext-token: a VPN'],
      [
        'smarthost: mx.',
        'api: { host: 0.0.0.0, port: 8025, token: { secret: app } }, smarthost: mx.',
      ],
    ),
  },
  'too-few-sessions': {
    wrong: core('max-sessions: 19'),
    at: '16:5',
    near: core('max-sessions: 20'),
  },
  'too-little-capacity': {
    wrong: but(core('smarthost: { hostname: mx, max-messages-per-minute: 8 }'), RATED),
    at: '16:32',
    near: but(core('smarthost: { hostname: mx, max-messages-per-minute: 9 }'), RATED),
  },
  'too-many-hops': { wrong: chain(101), at: '103:73', near: chain(25) },
  'trace-without-login': {
    wrong: but(soundBut(...NO_LOGIN), ['to: core', 'to: core, trace: envelope']),
    at: '18:36',
    near: but(soundBut(...NO_LOGIN), ['to: core', 'to: core, trace: header']),
  },
  'unfit-change': {
    wrong: `${tested('', '{}')}    change: { nodes: { edge: { smarthost: coer } } }\n`,
    at: '25:5',
    near: `${tested('', '{}')}    change: { nodes: { edge: { smarthost: { hostname: core } } } }\n`,
  },
  'unfit-expectation': {
    wrong: tested('', '{ path: [edge, core] }'),
    at: '24:28',
    near: tested('', '{ path: [edge, core, mx] }'),
  },
  'unfit-hash': {
    wrong: soundBut(['app: { generate: true }', 'app: { file: users.hash }']),
    wrongFiles: { ...FILES, 'users.hash': '$scrypt$ln=15,r=8,p=1$short$short\n' },
    at: '4:3',
    near: soundBut(['app: { generate: true }', 'app: { file: users.hash }']),
  },
  'unfit-step': {
    wrong: tested('{ partition: { from: edge, to: mx } }', '{}'),
    at: '23:54',
    near: tested('{ partition: { from: edge, to: core } }', '{}'),
  },
  'unknown-key': {
    wrong: core('max-conections: 5'),
    at: '16:5',
    near: core('max-connections: 5'),
  },
  'unknown-listener': {
    wrong: soundBut(['edge-core } }', 'edge-core }, listener: smpt }']),
    at: '18:88',
    near: soundBut(['edge-core } }', 'edge-core }, listener: smtp }']),
  },
  'unknown-node': {
    wrong: soundBut(['smarthost: core', 'smarthost: coer']),
    at: '12:16',
    near: soundBut(['smarthost: core', 'smarthost: { hostname: core }']),
  },
  'unknown-secret': {
    wrong: soundBut(['secret: app', 'secret: ap']),
    at: '11:50',
    near: soundBut(['secret: app', 'secret: "app"']),
  },
  'unknown-user': {
    wrong: core(`smarthost: { hostname: mx, ${U}, tls: none }`),
    at: '16:42',
    near: but(core(`smarthost: { hostname: mx, ${U}, tls: none }`), [
      'port: 2527',
      `port: 2527, users: [{ ${U} }]`,
    ]),
  },
  'unreachable-node': {
    wrong: soundBut(
      ['  app: { generate: true }\n', ''],
      ['    users: [{ username: app, password: { secret: app } }]\n', ''],
      ['    api: { port: 8025 }\n', ''],
    ),
    at: '7:3',
    near: soundBut(
      ['  app: { generate: true }\n', ''],
      ['users: [{ username: app, password: { secret: app } }]', 'relay-from: [127.0.0.1]'],
    ),
  },
  'unreachable-route': {
    wrong: core(
      'routes: [{ tag: a, smarthost: mx }, { tag: [a], mx: true }]',
      'dns-servers: [127.0.0.1]',
    ),
    at: '16:41',
    near: core(
      'routes: [{ tag: a, smarthost: mx }, { tag: [b], mx: true }]',
      'dns-servers: [127.0.0.1]',
    ),
  },
  'unreachable-sink': {
    wrong: soundBut(SPARE),
    at: '21:3',
    near: soundBut(SPARE, ['    smarthost: core', '    steer-to: [spare]\n    smarthost: core']),
  },
  'untrusted-certificate': {
    wrong: MACHINES,
    wrongFiles: { ...FILES, 'ca.pem': OTHER_CA_PEM },
    at: '9:5',
    near: MACHINES,
  },
  'unused-link': {
    wrong: soundBut(['smarthost: core', 'smarthost: mx\n    steer-to: [core]']),
    at: '19:5',
    near: soundBut(['smarthost: core', 'smarthost: { pool: [{ to: mx }], failover: [core] }']),
  },
  'unused-lint-comment': {
    wrong: soundBut([
      '  app:',
      '  # relaymesh-lint-disable-next-line unused-secret: for later\n  app:',
    ]),
    at: '4:3',
    near: secretBefore('  # relaymesh-lint-disable-next-line unused-secret: for later'),
  },
  'unused-secret': {
    wrong: soundBut(['  app:', '  spare: { generate: true }\n  app:']),
    at: '4:3',
    near: soundBut(
      ['  app:', '  spare: { generate: true }\n  app:'],
      ['edge-core } }', 'edge-core }, also-accept: [{ secret: spare }] }'],
    ),
  },
  'yaml-syntax': { wrong: `${SOUND}]`, at: '21:1', near: `${SOUND}# ]` },
  'yaml-tag': {
    wrong: soundBut(['name: mesh', 'name: !own mesh']),
    at: '2:12',
    near: soundBut(['name: mesh', 'name: !!str mesh']),
  },
  'weak-hash': {
    wrong: soundBut(['app: { generate: true }', 'app: { file: users.hash }']),
    wrongFiles: { ...FILES, 'users.hash': HASH.replace('ln=15', 'ln=13') },
    at: '4:3',
    near: soundBut(['app: { generate: true }', 'app: { file: users.hash }']),
  },
  'zero-weight-pool': {
    wrong: core('smarthost: { pool: [{ to: mx, weight: 0 }] }'),
    at: '16:18',
    near: core('smarthost: { pool: [{ to: mx, weight: 1 }] }'),
  },
};
