/** The tests of the starting points: that mail arrives, and that it does when something breaks. */

/** The way of the mail that is tested. */
export interface TestedWay {
  /** The nodes of each tier; mail is handed to the first one of the first. */
  tiers: readonly (readonly string[])[];
  sink: string;
  /** The sink has TLS and wants a login, as the nodes do. */
  sinkWantsLogin: boolean;
}

/** @param further the lines of tests after the first one */
export function labTests(way: TestedWay, further: readonly string[]): string[] {
  const { tiers, sink, sinkWantsLogin } = way;
  const isSecured = tiers.length > 1 || sinkWantsLogin;
  return [
    '',
    '# What has to hold. `relaymesh topology test FILE` tries it on this machine: it starts all nodes, and',
    '# no mail leaves. Nodes do not read it. PRODUCTION: keep it, and run it before each change.',
    'tests:',
    `  - name: mail arrives once and unchanged${isSecured ? ', over TLS and with logins' : ''}`,
    '    # what happens, in this order; `{n}` is the number of the message',
    '    steps:',
    `      - ${send(way, 'count: 20, size: 1kB-20kB')}`,
    '      # until all of it was handed in and no node holds any',
    '      - wait: { drained: true }',
    '    # what is true at the end',
    '    expect:',
    `      ${delivered(sink, true)}`,
    `      path: ${path(tiers, sink)}`,
    ...(isSecured
      ? [
          `      every-hop: { tls: true, login: true${sinkWantsLogin ? '' : `, except: [${sink}]`} }`,
        ]
      : []),
    '      unchanged: true',
    '      trace: complete',
    ...further,
  ];
}

/** A node is away, or, where nothing else could take its mail, dies and is started again. */
export function nodeFails(way: TestedWay): string[] {
  const { tiers } = way;
  const index = tiers.findIndex((tier, place) => place > 0 && tier.length > 1);
  const [lost = '', ...others] = tiers[index] ?? [];
  return index === -1 ? nodeCrashes(way) : nodeIsAway(way, lost, tiers.with(index, others));
}

/** @param onward the tiers without the node */
function nodeIsAway(
  way: TestedWay,
  lost: string,
  onward: readonly (readonly string[])[],
): string[] {
  return [
    `  - name: while ${lost} is away its mail goes over the others`,
    '    steps:',
    `      - kill: ${lost}`,
    `      - ${send(way, 'count: 20')}`,
    '      - wait: { drained: true }',
    '    expect:',
    `      ${delivered(way.sink, true)}`,
    `      path: ${path(onward, way.sink)}`,
  ];
}

function nodeCrashes(way: TestedWay): string[] {
  const { tiers, sink } = way;
  const [node = ''] = tiers[Math.floor((tiers.length - 1) / 2)] ?? [];
  const isAlone = tiers.length === 1;
  return [
    `  - name: a crash of ${node} loses nothing`,
    '    steps:',
    '      # begins at once and goes on in the background',
    `      - ${send(way, 'count: 20, rate: 20/s')}`,
    `      - { after: 300ms, kill: ${node} }`,
    `      - { after: 1s, start: ${node} }`,
    '      - wait: { drained: true }',
    '    expect:',
    ...(isAlone
      ? [
          '      # with `duplicates: 0` in front of a further node only: a foreign host whose answer is lost with',
          '      # the node has to be sent the message again',
        ]
      : []),
    `      ${delivered(sink, !isAlone)}`,
  ];
}

/** @param hostname of the service, for which the sink stands */
export function serviceIsAway(way: TestedWay, hostname: string): string[] {
  const { sink } = way;
  return [
    `  - name: while the service is away mail waits for it`,
    '    # of this test only: the service by its own name, as in production',
    `    change: { nodes: { exit: { smarthost: { hostname: ${hostname}, port: 587 } } } }`,
    '    steps:',
    `      - kill: ${sink}`,
    `      - ${send(way, 'count: 20')}`,
    `      - { after: 2s, start: ${sink} }`,
    '      - wait: { drained: true }',
    '    expect:',
    `      ${delivered(sink, true)}`,
  ];
}

function send({ tiers }: TestedWay, how: string): string {
  return `send: { via: ${tiers[0]?.[0] ?? ''}, to: "user{n}@dest.test", ${how} }`;
}

function delivered(sink: string, once: boolean): string {
  return `delivered: { sink: ${sink}, unique: 20${once ? ', duplicates: 0' : ''} }`;
}

/** Mail is handed to one node of the first tier; of each other tier any node may have it. */
function path([entry = [], ...further]: TestedWay['tiers'], sink: string): string {
  const places = further.map((tier) => (tier.length === 1 ? tier[0] : `"${tier.join('|')}"`));
  return `[${[entry[0], ...places, sink].join(', ')}]`;
}
