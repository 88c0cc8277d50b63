import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../base/clock.js';
import { parseMailbox } from '../format/address.js';
import type { MessageSmarthost } from '../format/message-settings.js';
import { ownAddresses } from '../policy/own-addresses.js';
import type { SteerTarget } from '../policy/settings.js';
import { steer, type Steering } from '../policy/steering.js';
import { createLocator, type Locator } from '../route/mx.js';
import type { RouteQuery } from '../route/route.js';
import { parseHostPort } from '../topology/host-address.js';
import {
  addAccessOptions,
  CommandFault,
  processSurroundings,
  runCommand,
  type AccessOptions,
  type ApiCaller,
  type Surroundings,
} from './api-access.js';
import { printAnswer, type LiveAnswer, type LiveQuestion } from './route-live.js';
import { explainRecipient, type RecipientExplanation } from './route-explain.js';
import { explainNode, type ExplainedNode } from './route-settings.js';
import { renderRecipient } from './route-text.js';
import type { CommandOutput } from './topology-validate.js';

interface RouteOptions extends AccessOptions {
  from: string;
  to: string[];
  user?: string;
  size?: number;
  tag?: string[];
  attempts?: number;
  smarthost?: { host: string; port: number | null };
  config?: string;
  data?: string;
  dns: boolean;
  json?: boolean;
}

/** Whether a message of this client may name its smarthost. */
interface SteeringExplanation {
  smarthost: string;
  /** Whose `steer-to` list decides. */
  by: string;
  allowed: boolean | null;
  reason: string;
}

const NO_DRY_RUN = 'this API makes no dry runs; is the node of an earlier version?';

/** Of a message whose size nobody says. */
const DEFAULT_SIZE_BYTES = 10_000;

const HELP = `
The decision is made by the same function that the node asks at every attempt. Secrets need not be
here; where they come from is shown, never what they are. --smarthost is one that the message
itself names; without --user it comes through the API.

Without FILE and --config a running node is asked, as things are there now: nothing is sent.

Examples:
  $ relaymesh route mesh.yaml --node edge --from ann@a.example --to bob@b.example
  $ relaymesh route mesh.yaml --node edge --from '<>' --to bob@b.example --size 9000000 --tag bulk
  $ relaymesh route --config node.conf --from ann@a.example --to bob@b.example --no-dns
  $ relaymesh route --url http://127.0.0.1:8025 --from ann@a.example --to bob@b.example`;

/** Of what only the file form can take into account. */
const FILE_ONLY = ['user', 'tag', 'attempts', 'smarthost', 'data'] as const;

/**
 * `relaymesh route`: what would happen to a message, and why. Exit code 0, or 2 for bad usage; of a
 * running node as `runCommand` says.
 */
export function routeCommand(
  setExitCode: (code: number) => void,
  output: CommandOutput = {
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
  },
  environment: Readonly<Record<string, string | undefined>> = process.env,
  around: Surroundings = processSurroundings(),
): Command {
  const command = addAccessOptions(new Command('route'))
    .description('explain where a message would go, and why')
    .argument('[file]', 'topology file')
    .requiredOption('--from <address>', 'sender; <> is the null sender', parseSender)
    .requiredOption('--to <address>', 'recipient; may be given again', parseRecipient)
    .option('--user <username>', 'login of the client')
    .option('--size <bytes>', `size of the message (default: ${DEFAULT_SIZE_BYTES})`, parseCount)
    .option('--tag <tag>', 'a tag of the message; may be given again', gather)
    .option('--attempts <number>', 'attempts so far (default: 0)', parseCount)
    .option('--smarthost <host[:port]>', 'smarthost that the message names', parseSmarthost)
    .option('--config <file>', 'file of flat keys that is laid over the node')
    .option('--data <dir>', "the node's data folder, for ports that a run has settled")
    .option('--no-dns', 'do not look mail servers up')
    .option('--json', 'print the explanation as JSON')
    .addHelpText('after', HELP);
  return command.action(async (file: string | undefined, options: RouteOptions) => {
    const { url, topology, workdir } = options;
    if (file === undefined && options.config === undefined) {
      await runCommand(options, around, setExitCode, NO_DRY_RUN, (api) =>
        ask(api, options, around),
      );
      return;
    }
    if (url !== undefined || topology !== undefined || workdir !== undefined) {
      command.error('error: FILE or --config is explained by itself; leave out which API to ask');
    }
    await explain(file, options, output, environment);
    setExitCode(0);
  });
}

/** Asks a running node, which knows less of the message and all of the moment. */
async function ask(
  api: ApiCaller,
  options: RouteOptions,
  { output }: Surroundings,
): Promise<number> {
  const unfit = FILE_ONLY.find((name) => options[name] !== undefined);
  if (unfit !== undefined || !options.dns) {
    throw new CommandFault(2, `--${unfit ?? 'no-dns'} goes with FILE or --config`);
  }
  const question: LiveQuestion = {
    envelope: options.from,
    recipient: options.to,
    ...(options.size === undefined ? {} : { size_bytes: options.size }),
  };
  const answer = await api.postJson<LiveAnswer>('/v1/route', question);
  printAnswer(answer, options.json === true, output);
  return 0;
}

async function explain(
  file: string | undefined,
  options: RouteOptions,
  output: CommandOutput,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const node = await explainNode({
    ...(file === undefined ? {} : { topology: file }),
    ...(options.node === undefined ? {} : { node: options.node }),
    ...(options.config === undefined ? {} : { config: options.config }),
    ...(options.data === undefined ? {} : { data: options.data }),
    environment,
  });
  for (const { text } of node.prepared.warnings) output.stderr(`${text}\n`);
  if (options.user !== undefined && !knows(node, options.user)) {
    output.stderr(`node ${node.settings.name} knows no user ${options.user}\n`);
  }
  const locator = locatorOf(node);
  try {
    const { steering, own } = await steeringOf(node, options, locator);
    const recipients: RecipientExplanation[] = [];
    for (const recipient of steering?.allowed === false ? [] : options.to) {
      const query = queryOf(recipient, options, own);
      recipients.push(
        await explainRecipient(node, query, options.dns ? (hop) => locator.locate(hop) : null),
      );
    }
    const whole = { node: node.settings.name, sender: options.from, steering, recipients };
    output.stdout(options.json === true ? `${JSON.stringify(whole, null, 2)}\n` : textOf(whole));
  } finally {
    locator.close();
  }
}

function textOf({
  node,
  steering,
  recipients,
}: {
  node: string;
  steering: SteeringExplanation | null;
  recipients: RecipientExplanation[];
}): string {
  const blocks = recipients.map((recipient) => renderRecipient(recipient, node));
  if (steering !== null) {
    const { smarthost, by, allowed, reason } = steering;
    const verdict =
      allowed === null
        ? 'cannot be judged here'
        : `is ${allowed ? 'allowed' : 'refused (550 5.7.1)'} by the steer-to list of ${by}`;
    const why = reason === '' ? '' : `: ${reason}`;
    blocks.unshift(`The smarthost ${smarthost} ${verdict}${why}.\n`);
  }
  return blocks.join('\n');
}

function queryOf(
  recipient: string,
  { from, user, size = DEFAULT_SIZE_BYTES, tag = [], attempts = 0 }: RouteOptions,
  own: MessageSmarthost | null,
): RouteQuery {
  return {
    queueId: '',
    sender: from,
    recipient,
    user: user ?? null,
    sizeBytes: size,
    tags: tag,
    attempts,
    own,
    doubtQueue: null,
  };
}

function knows({ settings: { policy } }: ExplainedNode, username: string): boolean {
  return loginsOf(policy).some((login) => login.username === username);
}

async function steeringOf(
  node: ExplainedNode,
  { smarthost, user, dns }: RouteOptions,
  locator: Locator,
): Promise<{ steering: SteeringExplanation | null; own: MessageSmarthost | null }> {
  if (smarthost === undefined) return { steering: null, own: null };
  const { host: hostname, port } = smarthost;
  const shown = `${hostname}${port === null ? '' : `:${port}`}`;
  const by = user === undefined ? 'the API' : `user ${user}`;
  const targets = targetsOf(node, user);
  const verdict: Steering =
    targets === null
      ? { kind: 'refused', reason: 'this user may not steer (`may: [steer]`)' }
      : await steer({ hostname, port }, targets, {
          resolve: dns
            ? (name) => locator.resolveOnce(name)
            : () => Promise.reject(new Error('no DNS is asked')),
          ownAddresses: () => ownAddresses(node.settings.intake.listeners),
          clock: systemClock,
        });
  const login = { username: null, sealedPassword: null };
  if (verdict.kind === 'allowed') {
    const { kind: _kind, ...place } = verdict;
    const steering = { smarthost: shown, by, allowed: true, reason: '' };
    return { steering, own: { ...place, ...login } };
  }
  const { reason } = verdict;
  const allowed = verdict.kind === 'refused' ? false : null;
  return {
    steering: { smarthost: shown, by, allowed, reason },
    own: { hostname, port, address: null, ...login },
  };
}

/** Users, and link peers however they log in. */
function loginsOf({ users, peers, certificatePeers = [] }: ExplainedNode['settings']['policy']) {
  return [...users, ...peers, ...certificatePeers];
}

/** null: messages of this client may not name a smarthost at all. */
function targetsOf(
  { settings: { policy } }: ExplainedNode,
  user: string | undefined,
): readonly SteerTarget[] | null {
  if (user === undefined) return policy.apiSteerTo;
  const login = loginsOf(policy).find(({ username }) => username === user);
  const may: readonly string[] = login?.may ?? [];
  return login !== undefined && may.includes('steer') ? login.steerTo : null;
}

function locatorOf({ settings }: ExplainedNode): Locator {
  const { hostname, listeners } = settings.intake;
  return createLocator({
    dnsServers: settings.send.dnsServers,
    mx: () => settings.route.mx,
    isOwn: ({ name, address, port }) =>
      name === hostname.toLowerCase() ||
      listeners.some((listener) => listener.port === port && listener.host === address),
    chance: Math.random,
  });
}

function parseSender(text: string): string {
  return text === '<>' || text === '' ? '' : addressOf(text);
}

function parseRecipient(text: string, earlier: string[] = []): string[] {
  return [...earlier, addressOf(text)];
}

function addressOf(text: string): string {
  const bare = text.replace(/^<(.*)>$/, '$1');
  if (parseMailbox(bare) === null) throw new InvalidArgumentError('not a mail address.');
  return bare;
}

function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('not a whole number.');
  return Number(text);
}

function gather(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}

function parseSmarthost(text: string): { host: string; port: number | null } {
  const parsed = parseHostPort(text);
  if (parsed === undefined) {
    throw new InvalidArgumentError('not a host with an optional port.');
  }
  return { host: parsed.host, port: parsed.port ?? null };
}
