import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ApiClient } from '../../src/api/client.js';
import { Secret } from '../../src/base/secret.js';
import { silentLogger } from '../../src/base/log.js';
import type { SteerTarget } from '../../src/policy/settings.js';
import { RelayNode } from '../../src/node.js';
import type { NodeSettings } from '../../src/node-settings.js';
import { DEFAULT_CAPACITY } from '../../src/send/capacity.js';
import type { NextHop } from '../../src/send/next-hop.js';
import { CLIENT_LIMITS } from '../policy/usual-limits.js';
import { COMMON_SETTINGS } from '../queue/samples.js';

const LINK_PASSWORD = 'password-of-the-link';

export interface RunningNode {
  node: RelayNode;
  /** Its data folder. */
  folder: string;
  settings: NodeSettings;
  smtpPort: number;
  url: string;
  client: ApiClient;
  /** Lets it ask other nodes for their part of a path. */
  knows: (...peers: RunningNode[]) => Promise<void>;
}

/** A next hop on this machine, without TLS. */
export function localHop(name: string, kind: NextHop['kind'], port: number): NextHop {
  return {
    name,
    kind,
    host: '127.0.0.1',
    port,
    tls: 'none',
    implicitTls: false,
    ...(kind === 'node'
      ? { login: { username: 'link', password: new Secret(LINK_PASSWORD) } }
      : {}),
    allowInsecureAuth: false,
    trace: kind === 'node' ? 'envelope' : 'none',
  };
}

/**
 * A real node on free ports; it stops with the test. `before`: the node that relays to it. `within`:
 * the data folder of an earlier run, which it takes up. `behindFront`: it is a worker.
 */
export async function runNode(
  t: TestContext,
  name: string,
  smarthost: NextHop,
  before?: string,
  {
    within,
    apiSteerTo = [],
    behindFront = false,
  }: { within?: string; apiSteerTo?: readonly SteerTarget[]; behindFront?: boolean } = {},
): Promise<RunningNode> {
  const folder = within ?? (await mkdtemp(join(tmpdir(), `relaymesh-${name}-`)));
  const settings = settingsOf(name, folder, smarthost, before);
  settings.policy.apiSteerTo = apiSteerTo;
  settings.api.behindFront = behindFront;
  const node = new RelayNode(settings, silentLogger);
  await node.start();
  t.after(async () => {
    await node.stop(1000);
    await rm(folder, { recursive: true, force: true });
  });
  const { api, smtp } = node.addresses;
  const url = `http://127.0.0.1:${api.port}`;
  const token = new Secret(`token-of-${name}`);
  return {
    node,
    folder,
    settings,
    smtpPort: smtp[0]?.port ?? 0,
    url,
    client: new ApiClient({ url, token, timeoutMs: 5000 }),
    knows: async (...peers) => {
      const known = peers.map((peer) => ({
        node: peer.settings.name,
        url: peer.url,
        token: peer.settings.api.token,
      }));
      await node.reload({ ...settings, api: { ...settings.api, peers: known } });
    },
  };
}

function settingsOf(
  name: string,
  folder: string,
  smarthost: NextHop,
  before: string | undefined,
): NodeSettings {
  const hostname = `${name}.mail.internal`;
  const link =
    before === undefined
      ? []
      : [
          {
            node: before,
            username: 'link',
            passwords: [new Secret(LINK_PASSWORD)],
            may: [],
            steerTo: [],
          },
        ];
  return {
    name,
    topology: 'test',
    intake: {
      hostname,
      listeners: [
        { name: 'relay', host: '127.0.0.1', port: 0, tls: 'none', acceptTraceHeader: false },
      ],
      maxMessageBytes: 1_000_000,
      maxRecipients: 100,
      maxSessions: 100,
      clients: CLIENT_LIMITS,
      maxHeaderBytes: 100_000,
      idleTimeoutMs: 10_000,
      dataTimeoutMs: 10_000,
    },
    policy: {
      users: [],
      peers: link,
      relayFrom: before === undefined ? ['127.0.0.1'] : [],
      apiSteerTo: [],
    },
    queue: {
      directory: join(folder, 'spool'),
      retryIntervalsSeconds: [60],
      expireAfterSeconds: 3600,
      hopPauseMinSeconds: 1,
      hopPauseMaxSeconds: 10,
      doubtTimeoutSeconds: 3600,
      inlineBodyBytes: 100_000,
      ...COMMON_SETTINGS,
    },
    route: {
      rules: [],
      fallback: { kind: 'hop', hop: { queue: '(smarthost)', nextHop: smarthost } },
      sink: null,
      mx: { port: 25, tls: 'opportunistic' },
      named: {},
      allowInsecureAuth: false,
      capacities: { base: DEFAULT_CAPACITY, byQueue: [] },
    },
    messageKeyFile: join(folder, 'message-key'),
    send: {
      hostname,
      connectTimeoutMs: 5000,
      commandTimeoutMs: 5000,
      envelopeTimeoutMs: 5000,
      finalReplyTimeoutMs: 5000,
      dnsServers: [],
    },
    trace: {
      directory: join(folder, 'trace'),
      maxAgeSeconds: 3600,
      maxRecords: 1000,
      maxBytes: 10_000_000,
    },
    api: {
      host: '127.0.0.1',
      port: 0,
      token: new Secret(`token-of-${name}`),
      hosts: [],
      peers: [],
    },
    drainTimeoutMs: 1000,
    workers: 1,
    logLevel: 'error',
  };
}
