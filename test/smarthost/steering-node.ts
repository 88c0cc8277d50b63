import type { TestContext } from 'node:test';
import { contentFor, handIn, type Letter } from './mail-client.js';
import { startRecordingServer, type Conduct, type RecordingServer } from './recording-server.js';
import { startNode, type NodeOptions, type RunningNode } from './running-node.js';

/** Who may steer at the node. */
export const STEERER = { username: 'app', password: 'Password-of-the-app' };
/** A user who may only relay. */
export const RELAYER = { username: 'legacy', password: 'Password-of-legacy' };
/** What the node logs in with at its configured smarthost. */
export const CONFIGURED_LOGIN = {
  username: 'configured-name',
  password: 'Configured-Password-kJwQ',
};

/** Of links to the node: the secret `link`. */
export const LINK_PASSWORD = 'Password-of-the-link';

/** A node whose messages may name their smarthost, and the servers around it. */
export interface SteeringNode {
  node: RunningNode;
  /** The smarthost of the settings, which wants their login. */
  configured: RecordingServer;
  /** One that messages may name by its address; it offers AUTH and takes every login. */
  own: RecordingServer;
}

export interface SteeringOptions extends Pick<NodeOptions, 'config' | 'folder'> {
  own?: Conduct;
  configured?: Conduct;
  /** Entries of both `steer-to` lists beside the address of `own`. */
  steerTo?: readonly string[];
  /** All entries of the list for the API, where they are others. */
  apiSteerTo?: readonly string[];
  /** Further lines of the node's entry. */
  keys?: string;
  /** What follows that entry: further nodes, then further entries of the topology. */
  more?: string;
}

/**
 * Starts a node with a configured smarthost, a user who may steer and one who may not; the user and
 * the holder of the API's token may name the same hosts.
 */
export async function startSteeringNode(
  t: TestContext,
  options: SteeringOptions = {},
): Promise<SteeringNode> {
  const configured = await startRecordingServer(t, {
    login: CONFIGURED_LOGIN,
    ...options.configured,
  });
  const own = await startRecordingServer(t, options.own);
  const list = [own.place, ...(options.steerTo ?? [])];
  const topology = `version: 1
name: one-message
secrets:
  app: { env: APP }
  legacy: { env: LEGACY }
  configured: { env: CONFIGURED }
  link: { env: LINK }
nodes:
  edge:
    listen: [{ port: auto }]
    api: { port: auto }
    users:
      - { username: ${STEERER.username}, password: { secret: app }, may: [relay, steer], steer-to: ${JSON.stringify(list)} }
      - { username: ${RELAYER.username}, password: { secret: legacy } }
    steer-to: ${JSON.stringify(options.apiSteerTo ?? list)}
    smarthost:
      hostname: 127.0.0.1
      port: ${configured.port}
      username: ${CONFIGURED_LOGIN.username}
      password: { secret: configured }
      tls: none
${options.keys ?? ''}
${options.more ?? ''}
`;
  const node = await startNode(t, {
    topology,
    name: 'edge',
    env: {
      APP: STEERER.password,
      LEGACY: RELAYER.password,
      CONFIGURED: CONFIGURED_LOGIN.password,
      LINK: LINK_PASSWORD,
    },
    ...(options.config === undefined ? {} : { config: options.config }),
    ...(options.folder === undefined ? {} : { folder: options.folder }),
  });
  return { node, configured, own };
}

/** Header fields that name a smarthost; without a port none is named. */
export function namingFields(hostname: string, port?: number): string[] {
  return [
    `x-mq-smarthost-hostname: ${hostname}`,
    ...(port === undefined ? [] : [`x-mq-smarthost-port: ${port}`]),
  ];
}

/** Hands in a message with these header fields. @returns the reply that decides */
export function sendWith(
  { node }: Pick<SteeringNode, 'node'>,
  recipient: string,
  fields: readonly string[],
  login?: Letter['login'],
): Promise<string> {
  const content = contentFor(recipient, fields);
  return handIn(node.port, { recipient, content, ...(login === undefined ? {} : { login }) });
}
