import { Command } from 'commander';
import type { Mesh } from '../api/shape/mesh.js';
import type { NodeStatus } from '../api/shape/node.js';
import { formatBytes, formatDateTime, formatWaiting } from '../trace/waterfall-text.js';
import {
  addAccessOptions,
  CommandFault,
  processSurroundings,
  runCommand,
  tableWidth,
  type AccessOptions,
  type ApiCaller,
  type Surroundings,
} from './api-access.js';
import { writeJson } from './json-output.js';
import { stateColumn } from './queue-state.js';
import { renderPairs, renderTable, type Column } from './table.js';

/** `relaymesh status`: how a node is, or all nodes that it knows and the links between them. */

interface StatusOptions extends AccessOptions {
  mesh?: boolean;
  json?: boolean;
}

const HELP = `
Examples:
  $ relaymesh status --url http://127.0.0.1:8025
  $ relaymesh status --mesh --url http://127.0.0.1:8025
  $ relaymesh status --topology topologies/three-tier.yaml --node core

Exit: 0 done, also when the node takes no mail; 2 bad usage or token; 3 the API could not be reached.`;

const NODE_COLUMNS: readonly Column[] = [
  { title: 'NODE', align: 'left', minWidth: 8 },
  { title: 'STATE', align: 'left', minWidth: 12 },
  { title: 'MESSAGES', align: 'right' },
  { title: 'QUARANTINED', align: 'right' },
  { title: 'RECEIVED/MIN', align: 'right', dispensable: 1 },
];

const linkColumns = (color: boolean): Column[] => [
  { title: 'FROM', align: 'left', minWidth: 6 },
  { title: 'TO', align: 'left', minWidth: 8 },
  stateColumn(color),
  { title: 'WAITING', align: 'right' },
  { title: 'DELIVERED/MIN', align: 'right', dispensable: 2 },
  { title: 'FAULTS/MIN', align: 'right', dispensable: 1 },
  { title: 'TLS', align: 'left', dispensable: 4 },
  { title: 'LOGIN', align: 'left', dispensable: 3 },
  { title: 'LAST FAULT', align: 'left', minWidth: 12 },
];

/** The command. `setExitCode` is called once, when it is done. */
export function statusCommand(
  setExitCode: (code: number) => void,
  around: Surroundings = processSurroundings(),
): Command {
  return addAccessOptions(new Command('status'))
    .description('show how a node is, or all nodes of the mesh and the links between them')
    .option('--mesh', 'all nodes whose APIs that node knows')
    .option('--json', 'print what the API answers')
    .addHelpText('after', HELP)
    .action(async (options: StatusOptions) => {
      const missing = 'the API does not tell its status; is this node of an earlier version?';
      await runCommand(options, around, setExitCode, missing, async (api) => {
        await (options.mesh === true ? showMesh : showNode)(api, options, around);
        return 0;
      });
    });
}

async function showNode(
  api: ApiCaller,
  { json }: StatusOptions,
  around: Surroundings,
): Promise<void> {
  const { output } = around;
  const status = await api.getJson<NodeStatus>('/v1/node');
  if (json === true) {
    writeJson(output, status);
    return;
  }
  const nowMs = around.nowMs();
  const pairs = [...statePairs(status, nowMs), ...resourcePairs(status)];
  output.write(renderPairs([...pairs, ...certificatePairs(status, nowMs)]));
}

function statePairs(status: NodeStatus, nowMs: number): [string, string][] {
  const { messages, full, last_reload: reload } = status;
  const limit = messages.limit === null ? '' : ` of at most ${number(messages.limit)}`;
  const startedMs = Date.parse(status.started_at);
  const pairs: [string, string][] = [
    ['node', status.node],
    ['version', status.version],
    ['up', `for ${formatWaiting(nowMs - startedMs)}, since ${formatDateTime(startedMs)}`],
    ['takes mail', status.ready ? 'yes' : `no: ${status.reason ?? 'the reason is not known'}`],
    ['queued', `${number(messages.queued)}${limit}`],
    ['quarantined', number(messages.quarantined)],
  ];
  if (full !== null) pairs.push(['full', `no room: ${full}`]);
  for (const { name, host, port, tls, ...listener } of status.listeners) {
    const open = `${number(listener.connections)} of ${number(listener.max_connections)} connections`;
    pairs.push([`listener ${name}`, `${host}:${port}, TLS ${tls}, ${open}`]);
  }
  for (const { name, open, busy } of status.next_hops) {
    pairs.push([`next hop ${name}`, `${number(open)} of our connections, ${number(busy)} busy`]);
  }
  if (reload !== null) {
    const at = formatDateTime(Date.parse(reload.at));
    const restart = reload.needs_restart.length > 0;
    const left = restart ? `; needs a restart: ${reload.needs_restart.join(', ')}` : '';
    pairs.push([
      'last reload',
      reload.ok ? `${at}${left}` : `${at}, refused: ${reload.problem ?? ''}`,
    ]);
  }
  return pairs;
}

function resourcePairs({ memory, cpu, event_loop: loop, disk }: NodeStatus): [string, string][] {
  const { used_bytes: queue, limit_bytes: most, free_bytes: free } = disk.queue;
  return [
    [
      'memory',
      `${formatBytes(memory.rss_bytes)}, of it ${formatBytes(memory.heap_used_bytes)} heap; ` +
        `bodies ${formatBytes(memory.bodies_bytes)} of at most ${formatBytes(memory.bodies_limit_bytes)}`,
    ],
    [
      'processor',
      `${cpu.user_seconds.toFixed(1)} s user, ${cpu.system_seconds.toFixed(1)} s system`,
    ],
    [
      'event loop',
      `late by ${loop.lag_p50_ms.toFixed(1)} ms at the median, ${loop.lag_p99_ms.toFixed(1)} ms at the 99th percentile, ` +
        `${loop.lag_max_ms.toFixed(1)} ms at most, over ${loop.window_seconds} s`,
    ],
    ['bodies on disk', `${bytesText(queue)} of at most ${bytesText(most)}`],
    ['traces on disk', bytesText(disk.trace.used_bytes)],
    ['disk', `${bytesText(free)} free; no mail is taken below ${bytesText(disk.reserve_bytes)}`],
  ];
}

function certificatePairs({ certificates }: NodeStatus, nowMs: number): [string, string][] {
  return certificates.map(({ used_by: users, subject, not_after: end }) => {
    const leftMs = Date.parse(end) - nowMs;
    const left = formatWaiting(Math.abs(leftMs));
    const until = leftMs > 0 ? `expires in ${left}` : `expired ${left} ago`;
    return ['certificate', `${users.join(', ')}: ${subject}, ${until}, ${end}`];
  });
}

async function showMesh(
  api: ApiCaller,
  { json, node, url }: StatusOptions,
  { output }: Surroundings,
): Promise<void> {
  if (node !== undefined && url !== undefined) {
    throw new CommandFault(2, '--mesh is asked of the node at --url; leave out --node');
  }
  const mesh = await api.getJson<Mesh>('/v1/mesh');
  if (json === true) {
    writeJson(output, mesh);
    return;
  }
  const width = tableWidth(output);
  output.write(`${renderTable(NODE_COLUMNS, mesh.nodes.map(nodeRow), width)}\n`);
  output.write(renderTable(linkColumns(output.color), mesh.links.map(linkRow), width));
}

function nodeRow(node: Mesh['nodes'][number]): string[] {
  return [
    node.node,
    stateOf(node),
    known(node.messages),
    known(node.quarantined),
    known(node.received_per_minute),
  ];
}

function stateOf({ reachable, ready, reason }: Mesh['nodes'][number]): string {
  if (!reachable) return `unreachable: ${reason ?? ''}`;
  if (ready === null) return 'unknown';
  return ready ? 'takes mail' : `takes no mail${reason === null ? '' : `: ${reason}`}`;
}

function linkRow(link: Mesh['links'][number]): string[] {
  const fault = link.last_fault;
  const words =
    fault === null ? [] : [fault.code, fault.enhanced_code, fault.description].filter(Boolean);
  return [
    link.from,
    `${link.to}${link.failover ? ' (failover)' : ''}`,
    link.state,
    number(link.ready + link.sending + link.deferred + link.held),
    number(link.delivered_per_minute),
    number(link.faults_per_minute),
    link.tls,
    link.login ? 'yes' : 'no',
    words.join(' '),
  ];
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** What nobody could say is no 0. */
function known(value: number | null): string {
  return value === null ? '-' : number(value);
}

function bytesText(bytes: number | null): string {
  return bytes === null ? 'an unknown amount' : formatBytes(bytes);
}
