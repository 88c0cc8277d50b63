import { isWildcard, joinHostPort } from '../host-address.js';
import type { Topology } from '../schema.js';
import type { NeededFile } from './needed-files.js';
import { readme, sliceText, type ExportOptions, type OutputFile } from './output.js';
import { planNode, stopSeconds, type Mesh, type NodePlan } from './plan.js';
import { MARKER, yamlText, type Comment } from './yaml-text.js';

/** The user `node` of the images of Node.js. */
export const CONTAINER_UID = 1000;
/** What a node reads and keeps, inside of its container. */
export const CONTAINER_PATHS = {
  slice: '/etc/relaymesh/topology.yaml',
  data: '/var/lib/relaymesh',
} as const;

interface Published {
  target: number;
  published: string;
}

/** One compose file with a service for each node, and their slices. */
export function exportCompose(mesh: Mesh, { image }: ExportOptions): OutputFile[] {
  const { topology } = mesh;
  const plans = Object.keys(topology.nodes).map((name) =>
    planNode(
      mesh,
      name,
      () =>
        ({ id }) =>
          `/run/secrets/${id}`,
    ),
  );
  const comments: Comment[] = [];
  const published = publish(plans, comments);
  const services = plans.map((plan) => [
    plan.name,
    serviceOf(plan, image, published.get(plan.name) ?? []),
  ]);
  const secrets = plans.flatMap((plan) =>
    plan.files.map((file): [string, object] => [secretName(plan, file), secretSource(plan, file)]),
  );
  const compose = {
    name: topology.name,
    services: Object.fromEntries(services) as unknown,
    ...(secrets.length === 0 ? {} : { secrets: Object.fromEntries(secrets) as unknown }),
    volumes: Object.fromEntries(plans.map(({ name }) => [`${name}-data`, {}])),
  };
  return [
    { path: 'README.md', text: composeReadme(topology, plans) },
    { path: 'compose.yaml', text: yamlText(compose, MARKER, comments) },
    ...plans.map((plan) => ({
      path: `${plan.name}/topology.yaml`,
      text: sliceText(topology, plan),
    })),
  ];
}

function serviceOf(plan: NodePlan, image: string, ports: readonly Published[]): object {
  const { name, host, listeners, api, files } = plan;
  const inside = listeners.filter(({ isLocal }) => !isLocal).map(({ port }) => String(port));
  return {
    image,
    entrypoint: ['relaymesh'],
    command: commandOf(plan),
    user: `${CONTAINER_UID}:${CONTAINER_UID}`,
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    ...(usesLowPort(plan) ? { sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0' } } : {}),
    ulimits: { nofile: 65_536 },
    tmpfs: ['/tmp'],
    volumes: [`./${name}:/etc/relaymesh:ro`, `${name}-data:${CONTAINER_PATHS.data}`],
    ...(files.length === 0
      ? {}
      : {
          secrets: files.map((file) => ({ source: secretName(plan, file), target: file.id })),
        }),
    expose: [...inside, ...(api === undefined ? [] : [String(api.port)])],
    ...(ports.length === 0 ? {} : { ports }),
    // a real name has to lead to this container too
    ...(host === name || /^[\d.]+$|:/.test(host)
      ? {}
      : { networks: { default: { aliases: [host] } } }),
    healthcheck: {
      test: ['CMD', 'node', '-e', probeScript(plan)],
      interval: '10s',
      timeout: '5s',
      retries: 3,
      start_period: '30s',
    },
    stop_grace_period: `${stopSeconds(plan)}s`,
    restart: 'unless-stopped',
  };
}

/** The arguments of `relaymesh` in a container. */
export function commandOf({ name }: NodePlan): string[] {
  const { slice, data } = CONTAINER_PATHS;
  return ['node', `--topology=${slice}`, `--name=${name}`, `--data=${data}`];
}

export function usesLowPort({ listeners, api }: NodePlan): boolean {
  return [...listeners, ...(api === undefined ? [] : [api])].some(({ port }) => port < 1024);
}

/** Asks the API whether the node is ready; without an API, whether somebody listens. */
function probeScript({ api, listeners }: NodePlan): string {
  if (api === undefined) {
    const port = listeners[0]?.port ?? 0;
    return `require('node:net').connect(${port}).once('connect', function () { this.destroy(); })`;
  }
  const host = isWildcard(api.host) ? '127.0.0.1' : api.host;
  const url = `http://${joinHostPort(host, api.port)}/readyz`;
  return (
    `fetch('${url}').then((answer) => ` +
    'answer.text().then((text) => { if (!answer.ok) throw new Error(text); }))'
  );
}

/** Ports for clients outside of the mesh; of two nodes with the same port the first one has it. */
function publish(plans: readonly NodePlan[], comments: Comment[]): Map<string, Published[]> {
  const owners = new Map<number, string>();
  const published = new Map<string, Published[]>();
  for (const { name, takesClients, listeners } of plans) {
    if (!takesClients) continue;
    const taken: string[] = [];
    const own: Published[] = [];
    for (const { port, isLocal } of listeners) {
      if (isLocal) continue;
      const owner = owners.get(port);
      if (owner === undefined) own.push({ target: port, published: String(port) });
      else taken.push(`${port} (${owner} has it)`);
      owners.set(port, owner ?? name);
    }
    published.set(name, own);
    if (taken.length > 0) {
      const text = `not published, since this machine has each port once: ${taken.join(', ')}`;
      comments.push({ path: ['services', name, 'healthcheck'], text });
    }
  }
  return published;
}

/** A secret is the same one for every node; certificates and tokens are each node's own. */
function secretName({ name }: NodePlan, { kind, id }: NeededFile): string {
  return kind === 'secret' || kind === 'ca' ? id : `${name}-${id}`;
}

function secretSource(
  plan: NodePlan,
  file: NeededFile,
): { environment: string } | { file: string } {
  return 'env' in file.source
    ? { environment: file.source.env }
    : { file: sourceFile(plan, file, file.source.file) };
}

/** What is relative to the topology is kept beside the compose file. */
function sourceFile(plan: NodePlan, { kind, id }: NeededFile, file: string): string {
  // compose would put a variable there
  if (file.startsWith('/')) return file.replaceAll('$', '$$$$');
  if (kind === 'secret') return `./secrets/${id}`;
  return kind === 'ca'
    ? `./tls/${id}.pem`
    : `./tls/${plan.name}/${id}${kind === 'token' ? '' : '.pem'}`;
}

function composeReadme(topology: Topology, plans: readonly NodePlan[]): string {
  const sources = new Map(
    plans.flatMap((plan) =>
      plan.files.map((file) => {
        const source = secretSource(plan, file);
        const from =
          'environment' in source
            ? `\`${source.environment}\` (environment of \`docker compose\`)`
            : `\`${source.file}\``;
        return [from, file.what];
      }),
    ),
  );
  return readme(topology, plans, 'with Compose', [
    '## Before the first start',
    '',
    '`scripts/deploy/Containerfile` of relaymesh makes the image. One of another kind needs `relaymesh`',
    `and \`node\` on its PATH, and ${CONTAINER_PATHS.data} that belongs to user ${CONTAINER_UID}: a new volume takes`,
    'its owner from there.',
    '',
    ...(sources.size === 0
      ? []
      : [
          `Put these where they are looked for, files readable for user ${CONTAINER_UID}; of a secret the`,
          'first line counts:',
          '',
          '| where | what |',
          '|---|---|',
          ...[...sources].map(([from, what]) => `| ${from} | ${what} |`),
          '',
        ]),
    '```sh',
    'docker compose up --detach --wait',
    'docker compose ps',
    '```',
    '',
    'Nodes with users or `relay-from` have their ports published; the APIs are reached by the other',
    'services only, and want their token beside `/livez` and `/readyz`. To ask one of them:',
    '',
    '```sh',
    `docker compose exec ${plans[0]?.name ?? ''} relaymesh queue list --url http://127.0.0.1:${plans[0]?.api?.port ?? 8025}`,
    '```',
    '',
    '## Later',
    '',
    '- After a change of the topology: export again, `docker compose up --detach`, and',
    '  `docker compose kill --signal HUP` for the nodes that went on running. A slice that is not in',
    '  order changes nothing.',
    '- A new secret or certificate: `docker compose up --detach --force-recreate NODE`. What is in flight',
    '  ends first, and mail that waits stays in the volume.',
    '- One service is one process with one spool: never scale it, add a node to the topology.',
  ]);
}
