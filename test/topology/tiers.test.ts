import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerSettings } from '../../src/policy/settings.js';
import { compile, smarthostOf } from './compiling.js';
import { allotment } from './topology-files.js';

/** Two nodes hand their mail to `exit`, and one to `core-1`; what they share is in `spools`. */
function mesh(spools: { [node: string]: string }): string {
  const spoolOf = (node: string): string => {
    const own = spools[node];
    return own === undefined ? '' : `spool: ${own}, `;
  };
  const sending = (node: string, to: string, port: number): string =>
    `  ${node}: { listen: [{ port: ${port}, tls: required }], ${spoolOf(node)}smarthost: ${to} }\n`;
  const link = (from: string, to: string): string =>
    `  - { from: ${from}, to: ${to}, username: ${from}, password: { secret: key } }\n`;
  return [
    'version: 1\nname: mesh\n',
    'secrets: { key: { generate: true }, rabbit: { generate: true } }\n',
    'tls: { ephemeral: true }\n',
    'brokers: { rabbit: { port: auto } }\n',
    'nodes:\n',
    sending('edge', 'core-1', 2501),
    sending('core-1', 'exit', 2502),
    sending('core-2', 'exit', 2503),
    sending('exit', 'mx', 2504),
    'links:\n',
    link('edge', 'core-1'),
    link('core-1', 'exit'),
    link('core-2', 'exit'),
    'sinks: { mx: { port: 2505 } }\n',
  ].join('');
}

const CORE = '{ amqp: rabbit, tier: core }';
const TIER = mesh({ 'core-1': CORE, 'core-2': CORE });

const ALLOTMENT = {
  allotment: {
    ...allotment({ apis: { edge: 11, 'core-1': 12, 'core-2': 13, exit: 14 } }),
    brokers: { rabbit: { host: '127.0.0.1', port: 5672, username: 'u', password: 'p' } },
  },
};

function settingsOf(text: string, node: string): ReturnType<typeof compile> {
  return compile(text, node, ALLOTMENT);
}

/** What each peer of `exit` shares its mail with. */
function sharing(text: string): Array<[string, PeerSettings['sharesWith']]> {
  return settingsOf(text, 'exit').policy.peers.map(({ node, sharesWith }) => [node, sharesWith]);
}

test('a node knows which of its peers share their mail with which others', () => {
  assert.deepEqual(sharing(TIER), [
    ['core-1', ['core-2']],
    ['core-2', ['core-1']],
  ]);
  const [edge] = settingsOf(TIER, 'core-1').policy.peers;
  assert.equal(edge?.node, 'edge');
  assert.ok(!('sharesWith' in edge));
});

test('nodes of other tiers, of other brokers, or with their own disks share nothing', () => {
  const url = (host: string): string =>
    `{ amqp: 'amqps://${host}', tier: core, username: u, password: { secret: rabbit } }`;
  const others = [
    mesh({ 'core-1': CORE, 'core-2': '{ amqp: rabbit, tier: other }' }),
    mesh({ 'core-1': CORE, 'core-2': url('rabbit.example') }),
    mesh({ 'core-1': url('one.example'), 'core-2': url('two.example') }),
    mesh({ 'core-1': url('one.example'), 'core-2': url('one.example/mail') }),
    mesh({ 'core-1': '{ amqp: rabbit }', 'core-2': '{ amqp: rabbit }' }),
  ];
  for (const text of others) {
    assert.deepEqual(
      sharing(text),
      [
        ['core-1', []],
        ['core-2', []],
      ],
      text,
    );
  }
  assert.deepEqual(sharing(mesh({ 'core-1': CORE })), [
    ['core-1', []],
    ['core-2', undefined],
  ]);
});

test('members of a cluster are one broker, in whatever order and spelling', () => {
  const cluster = (amqp: string): string =>
    `{ amqp: [${amqp}], tier: core, username: u, password: { secret: rabbit } }`;
  const text = mesh({
    'core-1': cluster("'amqps://one.example', 'amqps://two.example:5671/'"),
    'core-2': cluster("'amqps://Two.example', 'amqps://one.example'"),
  });
  assert.deepEqual(sharing(text), [
    ['core-1', ['core-2']],
    ['core-2', ['core-1']],
  ]);
});

test('a peer that logs in by a certificate shares as one with a password does', () => {
  const text = TIER.replaceAll(
    /username: core-\d, password: \{ secret: key \}/g,
    'certificate: true, tls: verified',
  );
  const { peers, certificatePeers } = settingsOf(text, 'exit').policy;
  assert.deepEqual(peers, []);
  assert.deepEqual(
    certificatePeers?.map(({ node, sharesWith }) => [node, sharesWith]),
    [
      ['core-1', ['core-2']],
      ['core-2', ['core-1']],
    ],
  );
});

test('a next hop says which tier shares its mail; one with its own disk, and a sink, say none', () => {
  assert.equal(smarthostOf(settingsOf(TIER, 'edge')).tier, 'core');
  for (const node of ['core-1', 'exit']) {
    assert.ok(!('tier' in smarthostOf(settingsOf(TIER, node))), node);
  }
  const alone = mesh({ 'core-1': '{ amqp: rabbit }' });
  assert.equal(smarthostOf(settingsOf(alone, 'edge')).tier, 'core-1', 'by its own name');
});

test('of the others, the API of a node knows their tiers', () => {
  assert.deepEqual(
    settingsOf(TIER, 'edge').api.peers.map(({ node, tier }) => [node, tier]),
    [
      ['core-1', 'core'],
      ['core-2', 'core'],
      ['exit', undefined],
    ],
  );
});
