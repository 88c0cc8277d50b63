import { posix } from 'node:path';
import { isWildcard, joinHostPort } from '../host-address.js';
import type { Topology } from '../schema.js';
import { type OutputFile, readme, sliceText, type ExportOptions } from './output.js';
import { planNode, stopSeconds, type Mesh, type NodePlan } from './plan.js';
import type { NeededFile } from './needed-files.js';
import { MARKER } from './yaml-text.js';

/** How long `systemctl start` waits for the node to be ready. */
const READY_SECONDS = 30;

/** A slice and a unit for each node. */
export function exportSystemd(mesh: Mesh, { program }: ExportOptions): OutputFile[] {
  const { topology } = mesh;
  const plans = Object.keys(topology.nodes).map((name) =>
    planNode(
      mesh,
      name,
      (node) => (file) =>
        file.kind === 'token'
          ? sourceOf(topology, file)
          : `/run/credentials/${unitOf(topology, node)}/${file.id}`,
    ),
  );
  return [
    { path: 'README.md', text: systemdReadme(topology, plans) },
    ...plans.flatMap((plan) => [
      { path: `${plan.name}/${plan.name}.yaml`, text: sliceText(topology, plan) },
      {
        path: `${plan.name}/${unitOf(topology, plan.name)}`,
        text: unitText(topology, plan, program),
      },
    ]),
  ];
}

function unitOf(topology: Topology, node: string): string {
  return `relaymesh-${topology.name}-${node}.service`;
}

function homeOf(topology: Topology): string {
  return `/etc/relaymesh/${topology.name}`;
}

/** Where the machine has a file; the topology's folder is that of the slice. */
function sourceOf(topology: Topology, { id, source }: NeededFile): string {
  return 'env' in source
    ? `${homeOf(topology)}/secrets/${id}`
    : posix.resolve(homeOf(topology), source.file);
}

function unitText(topology: Topology, plan: NodePlan, program: string): string {
  const { name } = plan;
  const folder = `relaymesh/${topology.name}/${name}`;
  const file = `${homeOf(topology)}/${name}.yaml`;
  const sections = [
    `# ${MARKER}`,
    '[Unit]',
    `Description=relaymesh node ${name} of ${topology.name}`,
    'Wants=network-online.target',
    'After=network-online.target nss-lookup.target',
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=${quoted(program)} node --topology=${file} --name=${name} --data=%S/${folder}`,
    ...readyLines(plan),
    '# reads the slice again; credentials are copied at the start, so a new secret needs a restart',
    'ExecReload=/bin/kill -HUP $MAINPID',
    'Restart=on-failure',
    'RestartSec=2',
    '# 2: the slice or a secret is not in order, which a restart does not mend',
    'RestartPreventExitStatus=2',
    `# more than drain-timeout (${plan.drainSeconds} s)`,
    `TimeoutStopSec=${stopSeconds(plan)}`,
    'LimitNOFILE=65536',
    '',
    ...credentialLines(topology, plan),
    'DynamicUser=yes',
    `StateDirectory=${folder}`,
    'StateDirectoryMode=0700',
    'UMask=0077',
    '',
    ...hardeningLines(plan),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
  return `${sections.join('\n')}\n`;
}

/** The unit counts as started when the node takes mail; one that is never ready is not killed. */
function readyLines({ api }: NodePlan): string[] {
  if (api === undefined) return ['# no probe: the node has no `api`'];
  const url = `http://${joinHostPort(isWildcard(api.host) ? '127.0.0.1' : api.host, api.port)}/readyz`;
  const script =
    `const end = Date.now() + ${READY_SECONDS * 1000}; ` +
    `while (!(await fetch('${url}').then((answer) => answer.ok, () => false))) { ` +
    "if (Date.now() > end) throw new Error('not ready'); " +
    'await new Promise((next) => setTimeout(next, 250)); }';
  return [
    '# waits until the node is ready; the hyphen: one that is not, such as with a full disk, goes on',
    `ExecStartPost=-/usr/bin/env node --input-type=module -e "${script}"`,
  ];
}

function credentialLines(topology: Topology, { files }: NodePlan): string[] {
  const lines = files
    .filter(({ kind }) => kind !== 'token')
    .map((file) => `LoadCredential=${file.id}:${escaped(sourceOf(topology, file))}`);
  return lines.length === 0 ? [] : ['# read as root, and handed to this process only', ...lines];
}

function hardeningLines({ listeners, api }: NodePlan): string[] {
  const isLow = [...listeners, ...(api === undefined ? [] : [api])].some(({ port }) => port < 1024);
  const capability = isLow ? 'CAP_NET_BIND_SERVICE' : '';
  return [
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'ProtectHome=yes',
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'ProtectClock=yes',
    'ProtectControlGroups=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'ProtectProc=invisible',
    'RestrictNamespaces=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'RemoveIPC=yes',
    'LockPersonality=yes',
    '# not MemoryDenyWriteExecute: V8 compiles JavaScript to machine code while it runs',
    'SystemCallArchitectures=native',
    '# @pkey: V8 guards its code with memory protection keys, where the processor has them',
    'SystemCallFilter=@system-service @pkey',
    'SystemCallFilter=~@privileged',
    'SystemCallErrorNumber=EPERM',
    '# netlink: the system tells its own addresses and the order of those of a name',
    'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
    ...(isLow ? ['# for a port below 1024'] : ['PrivateUsers=yes']),
    `CapabilityBoundingSet=${capability}`,
    `AmbientCapabilities=${capability}`,
  ];
}

/** A path may hold what a unit file has a meaning for. */
function escaped(path: string): string {
  return path.replaceAll('%', '%%');
}

function quoted(path: string): string {
  const text = escaped(path).replaceAll('$', '$$$$');
  return /[\s"'\\;]/.test(text) ? JSON.stringify(text) : text;
}

function systemdReadme(topology: Topology, plans: readonly NodePlan[]): string {
  const home = homeOf(topology);
  const steps = plans.map((plan) => {
    const unit = unitOf(topology, plan.name);
    const files = plan.files.map((file) => `| \`${sourceOf(topology, file)}\` | ${file.what} |`);
    return [
      `## On the machine of \`${plan.name}\` (${plan.host})`,
      '',
      ...(files.length === 0
        ? []
        : [
            'These files, owned by root, mode 0600; of a secret the first line counts:',
            '',
            '| file | what |',
            '|---|---|',
            ...files,
            '',
          ]),
      '```sh',
      `install -D -m 0644 ${plan.name}/${plan.name}.yaml ${home}/${plan.name}.yaml`,
      `install -m 0644 ${plan.name}/${unit} /etc/systemd/system/`,
      'systemctl daemon-reload',
      `systemctl enable --now ${unit}`,
      ...(plan.api === undefined
        ? []
        : [
            `curl http://${joinHostPort(isWildcard(plan.api.host) ? '127.0.0.1' : plan.api.host, plan.api.port)}/readyz`,
          ]),
      '```',
      '',
    ];
  });
  return readme(topology, plans, 'with systemd', [
    'relaymesh and Node.js have to be on each machine: `ExecStart` names the program (`--program`',
    'of the export), and its `node` has to be on the PATH of services.',
    '',
    ...steps.flat(),
    '## Later',
    '',
    '- After a change of the topology: export again, install the slice, and',
    `  \`systemctl reload 'relaymesh-${topology.name}-*'\`. A slice that is not in order changes nothing.`,
    '- A new secret or certificate is read at a restart: `systemctl restart`. What is in flight ends',
    '  first, and mail that waits stays in the spool.',
    '- `LoadCredentialEncrypted=` (systemd-creds) takes the place of `LoadCredential=` in a drop-in.',
    '- The file of an access token is read again whenever it is needed, by the user of the service:',
    '  give it to a group, and name that with `SupplementaryGroups=` in a drop-in.',
  ]);
}
