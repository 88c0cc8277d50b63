/** What the starting points have in common: text with a comment for each key. */

/** A node that mail of applications comes in at. */
export interface EntryNode {
  name: string;
  /** The lines of its `smarthost`. */
  smarthost: readonly string[];
}

export interface LinkedPair {
  from: string;
  to: string;
}

/** The first lines: what the file is, how it is tried, and what a deployment needs. */
export function heading(
  name: string,
  about: readonly string[],
  secrets: readonly string[],
): string[] {
  return [
    '# yaml-language-server: $schema=./relaymesh.schema.json',
    '# (for an editor that completes and checks: relaymesh topology schema > relaymesh.schema.json)',
    '#',
    ...about.map((line) => `# ${line}`),
    '#',
    '#   relaymesh topology up FILE                   runs all of it here and sends one message through',
    '#   relaymesh topology validate FILE             finds every fault',
    '#   relaymesh topology test FILE                 runs the tests at the end of this file',
    '#   relaymesh topology export systemd FILE -o D  writes what deploys it (or compose, kubernetes)',
    '#',
    '# What only works on one machine is marked PRODUCTION, with what to write instead.',
    '',
    '# version of this format',
    'version: 1',
    '# in traces, in the names of the nodes in greetings, and of the folder of a run',
    `name: ${name}`,
    '',
    '# Where passwords come from; the file itself never holds one.',
    '# PRODUCTION: `{ file: secrets/app }` (its first line), or `{ env: APP_PASSWORD }`.',
    'secrets:',
    ...secrets.map((secret) => `  ${secret}: { generate: true }`),
    '',
    '# Certificates of the nodes, and the CA that vouches for them.',
    '# PRODUCTION: `{ ca: ca.pem, cert: cert.pem, key: key.pem }`, beside this file on each machine; a',
    '# certificate must carry the `host` of its node.',
    'tls: { ephemeral: true }',
    '',
    '# What holds for every node that does not say otherwise.',
    'defaults:',
    '  # seconds between attempts of mail that was put off; the last one repeats',
    '  retry-interval: [60, 300, 900, 1800, 3600]',
    '  # seconds after which it bounces (5 days)',
    '  expire-after: 432000',
    '',
  ];
}

/** @param explain with the comments, which the first such node has */
export function entryNode({ name, smarthost }: EntryNode, explain: boolean): string[] {
  const said = (...lines: string[]): string[] => (explain ? lines : []);
  return [
    `  ${name}:`,
    ...said(
      '    # where the other nodes reach it. PRODUCTION: `host: edge.mail.example`',
      '    host: 127.0.0.1',
      '    # where it takes mail. PRODUCTION: write the ports, as in `port: 587`; with a `host` of the node',
      '    # that is not loopback they are open on all addresses',
    ),
    '    listen:',
    ...said('      # applications log in here; TLS comes first'),
    '      - { name: submission, port: auto, tls: required }',
    ...said('      # programs that cannot log in, from the networks of `relay-from`'),
    '      - { name: relay, port: auto }',
    ...said(
      '    # HTTP: traces, queues, metrics and the console. PRODUCTION: `{ port: 8025 }`; for traces over',
      '    # several machines `{ host: 0.0.0.0, port: 8025, token: { secret: api } }`, the same at each',
    ),
    '    api: { port: auto }',
    ...said('    # who may log in, and with which secret'),
    '    users:',
    '      - { username: app, password: { secret: app } }',
    ...said('    # networks whose clients may relay without a login'),
    '    relay-from: [127.0.0.1/32]',
    ...smarthost.map((line) => `    ${line}`),
  ];
}

/** A node that only other nodes send to. */
export function innerNode(name: string, smarthost: readonly string[], explain: boolean): string[] {
  return [
    `  ${name}:`,
    ...(explain
      ? [
          '    # only nodes that have a link to it get in. PRODUCTION, at each node: a `host` as above, and',
          '    # `port: 2525`',
        ]
      : []),
    '    listen: [{ port: auto, tls: required }]',
    ...(explain ? ['    # PRODUCTION: as above'] : []),
    '    api: { port: auto }',
    ...smarthost.map((line) => `    ${line}`),
  ];
}

export function secretOf({ from, to }: LinkedPair): string {
  return `${from}-to-${to}`;
}

export function links(pairs: readonly LinkedPair[]): string[] {
  return [
    '# Who sends to whom: the login of `from` and the user of `to` in one entry. `verified`: TLS, with a',
    "# certificate that the mesh's CA vouches for. To change a password without a gap: `also-accept`.",
    'links:',
    ...pairs.map(
      (pair) =>
        `  - { from: ${pair.from}, to: ${pair.to}, username: ${pair.from}, password: { secret: ${secretOf(pair)} }, tls: verified }`,
    ),
    '',
  ];
}

/** The stand-in for the outside, and what the last tier sends to it. */
export const MX_SINK = [
  '# Stand-ins for hosts outside: they take all mail and throw it away. PRODUCTION: keep them for the',
  '# tests, in which `stands-for` says whose place they take: `[smtp.provider.example:587]`, or `["*"]`',
  '# for the servers of the recipients.',
  'sinks:',
  '  mx: { port: auto, stands-for: ["*"] }',
];

export const TO_MX_SINK = [
  '# the next hop of all mail. PRODUCTION: the host that really takes it, as in',
  '# `smarthost: smtp.provider.example:587`; without one it goes to the servers of the recipients',
  'smarthost: mx',
];
