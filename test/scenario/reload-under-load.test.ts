import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Accounts } from '../hostile/accounts.js';
import type { SinkMessage } from '../../src/sink/message.js';
import { SmtpClient } from '../sink/client.js';
import { scratchFolder } from './programs.js';
import { reload } from './reload.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const RELOADS = 10;
/** Messages between two reloads. */
const BETWEEN = 10;

/** What changes with the reloads. */
interface Changing {
  sink: 'left' | 'right';
  /** The link's password, and what its server takes beside it. */
  password: 'old' | 'new';
  alsoAccept: 'old' | 'new' | null;
  retrySeconds: number;
  maxConnections: number;
}

/** In steps of a rotation of which each may be seen by one node before the other. */
function stepOf(index: number): Changing {
  const rotation: Pick<Changing, 'password' | 'alsoAccept'>[] = [
    { password: 'old', alsoAccept: null },
    { password: 'old', alsoAccept: 'new' },
    { password: 'new', alsoAccept: 'old' },
    { password: 'new', alsoAccept: null },
    { password: 'new', alsoAccept: 'old' },
    { password: 'old', alsoAccept: 'new' },
  ];
  return {
    sink: index % 2 === 0 ? 'left' : 'right',
    retrySeconds: 1 + (index % 3),
    maxConnections: 1 + (index % 4) * 5,
    ...(rotation[index % rotation.length] as (typeof rotation)[number]),
  };
}

function topologyText({ sink, password, alsoAccept, ...limits }: Changing): string {
  const beside = alsoAccept === null ? '' : `, also-accept: [{ secret: ${alsoAccept} }]`;
  const node = 'listen: [{ name: relay, port: auto }], api: { port: auto }';
  return `version: 1
name: reload-under-load
secrets: { old: { file: old.secret }, new: { file: new.secret } }
defaults:
  max-messages-per-connection: 1
  retry-interval: [${limits.retrySeconds}]
  max-connections: ${limits.maxConnections}
  max-sessions: ${500 + limits.maxConnections}
nodes:
  edge: { ${node}, relay-from: [127.0.0.1/32], smarthost: core }
  core: { ${node}, routes: [{ recipient: "*@hostile.test", smarthost: ${sink} }], smarthost: left }
links:
  - { from: edge, to: core, username: edge, password: { secret: ${password} }, tls: none${beside} }
sinks: { left: { port: auto }, right: { port: auto } }
`;
}

const BROKEN = [
  'version: 1\nname: [',
  topologyText(stepOf(0)).replace('smarthost: core', 'smarthost: cores'),
  topologyText(stepOf(0)).replace('max-sessions', 'max-session'),
];

test('ten reloads while mail flows: nothing is lost or doubled, no session ends', async (t) => {
  const folder = await scratchFolder(t);
  for (const name of ['old', 'new']) {
    await writeFile(path.join(folder, `${name}.secret`), `password-${name}\n`, { mode: 0o600 });
  }
  const topology = await startTopology(t, topologyText(stepOf(0)), { folder });
  const { port } = topology.relay('edge');
  const accounts = new Accounts(port, 'reload');
  accounts.start(t, { clients: 3, bodyBytes: 3000 });
  const sessions = await Promise.all(Array.from({ length: 3 }, () => SmtpClient.greeted(port)));
  const pids = ['edge', 'core'].map((name) => topology.pid(name));

  for (let index = 1; index <= RELOADS; index++) {
    await writeFile(topology.file, topologyText(stepOf(index)));
    // The server of the link first: it has to know what its client will say.
    for (const name of ['core', 'edge']) await reload(topology, name);
    if (index % 3 === 0) await assertBrokenChangesNothing(topology, BROKEN[index / 3 - 1] ?? '');
    await accounts.untilAnswered(BETWEEN, /^250 /);
    for (const session of sessions) {
      assert.match(await accounts.handInOver(session, 3000), /^250 /);
    }
  }
  await accounts.stop();
  assert.deepEqual(accounts.refusals, []);
  const arrivals = await untilArrived(topology, accounts.accepted);
  const doubled = [...arrivals].filter(([, messages]) => messages.length > 1);
  assert.deepEqual(
    doubled.map(([recipient]) => recipient),
    [],
  );
  for (const { mail } of accounts.entries) {
    assert.equal(arrivals.get(mail.recipient)?.[0]?.body_sha256, mail.bodySha256);
  }
  const [left, right] = await Promise.all(
    ['left', 'right'].map(async (name) => (await topology.sink(name).stats()).accepted),
  );
  t.diagnostic(`${accounts.summary}; ${left} went to one sink, ${right} to the other`);
  assert.ok(left !== 0 && right !== 0);
  assert.deepEqual(
    ['edge', 'core'].map((name) => topology.pid(name)),
    pids,
  );
  await assertNoLoginRefused(topology);
});

/** A file with a fault is reported by both nodes, which go on as they were. */
async function assertBrokenChangesNothing(topology: RunningTopology, text: string): Promise<void> {
  await writeFile(topology.file, text);
  for (const name of ['core', 'edge']) {
    const refused = async (): Promise<Record<string, unknown>[]> =>
      (await topology.log(name)).filter(({ event }) => event === 'reload-refused');
    const before = (await refused()).length;
    await topology.signal(name, 'SIGHUP');
    const line = await until('the refusal', async () => (await refused())[before]);
    assert.match(String(line['code']), /^[A-Z_]+$/);
    assert.match(String(line['message']), /topology\.yaml:\d+:\d+/);
  }
}

async function untilArrived(
  topology: RunningTopology,
  recipients: readonly string[],
): Promise<Map<string, SinkMessage[]>> {
  let lacking: string[] = [];
  const look = async (): Promise<Map<string, SinkMessage[]> | null> => {
    const all = new Map<string, SinkMessage[]>();
    for (const name of ['left', 'right']) {
      for (const [recipient, messages] of await topology.sink(name).arrivals()) {
        all.set(recipient, [...(all.get(recipient) ?? []), ...messages]);
      }
    }
    lacking = recipients.filter((recipient) => !all.has(recipient));
    return lacking.length === 0 ? all : null;
  };
  return until('all messages at the sinks', look, { seen: () => lacking.slice(0, 3) });
}

/** The rotation of the password costs no login, and so no pause. */
async function assertNoLoginRefused(topology: RunningTopology): Promise<void> {
  assert.deepEqual(
    (await topology.log('core')).filter(({ event }) => event === 'login-refused'),
    [],
  );
}
