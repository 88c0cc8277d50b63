import { posix } from 'node:path';
import { isWildcard, joinHostPort } from '../host-address.js';
import type { Topology } from '../schema.js';
import { type OutputFile, readme, sliceText, type ExportOptions } from './output.js';
import { planNode, stopSeconds, type Mesh, type NodePlan } from './plan.js';
import type { NeededFile } from './needed-files.js';
import { MARKER } from './yaml-text.js';

/** How long a start may take: opening a spool that was left with much mail. */
const START_SECONDS = 300;
/** A node that gives no sign of life for so long is ended and started again. */
const WATCHDOG_SECONDS = 60;
/** What one has then to end by itself; where the event loop hangs it cannot. */
const ABORT_SECONDS = 15;

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
    '# mail waits in the spool: a start is tried again for as long as it takes',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    '# the node says itself when it is ready, reloads and stops, and what it is doing',
    'Type=notify',
    '# it speaks through systemd-notify, a process of its own',
    'NotifyAccess=all',
    `ExecStart=${quoted(program)} node --topology=${file} --name=${name} --data=%S/${folder}`,
    `TimeoutStartSec=${START_SECONDS}`,
    '# reads the slice again; credentials are copied at the start, so a new secret needs a restart',
    'ExecReload=/bin/kill -HUP $MAINPID',
    '# it gives signs of life while its event loop and its spool are well',
    `WatchdogSec=${WATCHDOG_SECONDS}`,
    'WatchdogSignal=SIGTERM',
    `TimeoutAbortSec=${ABORT_SECONDS}`,
    'Restart=on-failure',
    'RestartSec=5',
    '# 2: the slice or a secret is not in order, which a restart does not mend',
    'RestartPreventExitStatus=2',
    `# more than drain-timeout (${plan.drainSeconds} s)`,
    `TimeoutStopSec=${stopSeconds(plan)}`,
    'KillMode=mixed',
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
    'PrivateMounts=yes',
    'ProtectClock=yes',
    'ProtectControlGroups=yes',
    'ProtectHostname=yes',
    'ProtectKernelLogs=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelTunables=yes',
    'ProtectProc=invisible',
    'ProcSubset=pid',
    'RestrictNamespaces=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'RemoveIPC=yes',
    'PrivateIPC=yes',
    'LockPersonality=yes',
    '# not MemoryDenyWriteExecute: V8 compiles JavaScript to machine code while it runs',
    'SystemCallArchitectures=native',
    '# @pkey: V8 guards its code with memory protection keys, where the processor has them',
    'SystemCallFilter=@system-service @pkey',
    'SystemCallFilter=~@privileged @resources',
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
    'of the export), and its `node` has to be on the PATH of services, as `systemd-notify` is.',
    '',
    ...steps.flat(),
    '## Later',
    '',
    '- After a change of the topology: export again, install the slice, and',
    `  \`systemctl reload 'relaymesh-${topology.name}-*'\`. A slice that is not in order changes nothing.`,
    '- `systemctl status` says what a node is doing. One whose event loop hangs, or whose spool refuses',
    `  writes, is ended after ${WATCHDOG_SECONDS} s and started again; a full disk is no reason to.`,
    '- From systemd 253 on, a drop-in with `Type=notify-reload` and an empty `ExecReload=` lets',
    '  `systemctl reload` wait for the end of the reload, which `systemctl status` then tells.',
    '- A new secret or certificate is read at a restart: `systemctl restart`. What is in flight ends',
    '  first, and mail that waits stays in the spool.',
    '- `LoadCredentialEncrypted=` (systemd-creds) takes the place of `LoadCredential=` in a drop-in.',
    '- The file of an access token is read again whenever it is needed, by the user of the service:',
    '  give it to a group, and name that with `SupplementaryGroups=` in a drop-in.',
  ]);
}
