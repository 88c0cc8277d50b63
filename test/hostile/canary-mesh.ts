import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { hashPassword } from '../../src/base/password-hash.js';
import { scratchFolder } from '../scenario/programs.js';
import { startTopology, type RunningTopology } from '../scenario/running-topology.js';
import type { ScriptedSession } from '../send/scripted-server.js';
import { startRecordingServer, type RecordingServer } from '../smarthost/recording-server.js';
import { canary } from '../smarthost/secret-forms.js';
import { Collector } from '../trace/collector.js';

/** A mesh of which every password is the same one. */
export interface CanaryMesh {
  topology: RunningTopology;
  /** The one password: of users, the link, the smarthosts, the sink, the collector, a message. */
  password: string;
  /** Of that password. */
  hash: string;
  /** A smarthost of messages. It defers at first, refuses who is gone, and repeats the login. */
  own: RecordingServer;
  /** A smarthost of the settings that refuses every login, and repeats it. */
  locked: RecordingServer;
  collector: Collector;
  /** The topology as text. */
  text: string;
  /** What the topology and the secrets lie in; the workdir is `run` in it. */
  folder: string;
  /** Further environment of the nodes. */
  env: NodeJS.ProcessEnv;
}

/** Beside the password wherever it is stored, so that a search that finds nothing can be trusted. */
export const MARK = 'mark-Beside-the-password';

/** Where the password and its hash have to be: INTERFACES allows the state, and they have sources. */
export function isSource(file: string): boolean {
  return (
    ['canary.txt', 'canary.hash', 'state.json'].includes(path.basename(file)) ||
    file.endsWith(path.join('sinks', 'mx', 'users'))
  );
}

export async function startCanaryMesh(t: TestContext): Promise<CanaryMesh> {
  const password = canary();
  const hash = await hashPassword(password, { ln: 14, r: 8, p: 1 });
  const folder = await scratchFolder(t);
  await writeFile(path.join(folder, 'canary.txt'), `${password}\n`, { mode: 0o600 });
  await writeFile(path.join(folder, 'canary.hash'), `${hash}\n`, { mode: 0o600 });
  const collector = await Collector.start(t);
  const own = await startOwn(t, password);
  const locked = await startRecordingServer(t, {
    replies: {
      AUTH: (session, line) => session.say(`535 5.7.8 ${password} is wrong, as in ${line}`),
    },
  });
  const text = topologyText(own, locked, collector);
  const env = { CANARY: password, RELAYMESH_LOG_LEVEL: 'trace' };
  const topology = await startTopology(t, text, { env, folder });
  return { topology, password, hash, own, locked, collector, text, folder, env };
}

function startOwn(t: TestContext, password: string): Promise<RecordingServer> {
  const seen = new Set<string>();
  const spelled = `${password} ${Buffer.from(`\0u\0${password}`).toString('base64')}`;
  return startRecordingServer(t, {
    replies: {
      AUTH: (session: ScriptedSession, line) => session.say(`235 2.7.0 ${line} ${spelled}`),
      RCPT: (session: ScriptedSession, line) => {
        const reply =
          !seen.has(line) || line.includes('waiting')
            ? `451 4.2.0 later, ${spelled}`
            : line.includes('gone')
              ? `550 5.1.1 no, ${spelled}`
              : `250 2.1.5 ${spelled}`;
        seen.add(line);
        session.say(reply);
      },
      '.': `250 2.0.0 ${spelled}`,
    },
  });
}

function topologyText(own: RecordingServer, locked: RecordingServer, collector: Collector): string {
  const login = 'username: customer, password: { secret: canary }, tls: none';
  return `version: 1
name: canary
secrets:
  canary: { file: canary.txt }
  environment: { env: CANARY }
  hash: { file: canary.hash }
tls: { ephemeral: true }
defaults:
  retry-interval: [1]
  drain-timeout: 1
  otlp: { endpoint: "${collector.origin}", headers: { authorization: { secret: canary } } }
nodes:
  edge:
    listen: [{ name: relay, port: auto }, { name: submission, port: auto, tls: required }]
    api: { port: auto }
    users:
      - { username: app, password: { secret: canary }, may: [relay, steer], steer-to: ["${own.place}"] }
      - { username: hashed, password: { secret: hash } }
      - { username: legacy, password: { secret: canary } }
    steer-to: ["${own.place}"]
    routes:
      - { recipient: "*@locked.test", smarthost: { hostname: 127.0.0.1, port: ${locked.port}, ${login} } }
    smarthost: exit
  exit:
    listen: [{ name: relay, port: auto, tls: required }]
    api: { port: auto }
    users: [{ username: operator, password: { secret: environment } }]
    smarthost: { hostname: 127.0.0.1, port: ${own.port}, ${login} }
    smtp-sink-address: mx
    smtp-sink-username: exit
    smtp-sink-password: { secret: canary }
links:
  - { from: edge, to: exit, username: edge, password: { secret: canary }, tls: verified }
sinks:
  mx: { port: auto, tls: required, users: [{ username: exit, password: { secret: canary } }] }
`;
}
