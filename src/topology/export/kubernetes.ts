import type { Topology } from '../schema.js';
import { CONTAINER_PATHS, CONTAINER_UID, commandOf, usesLowPort } from './compose.js';
import { NUMBERED_ID, type NeededFile } from './needed-files.js';
import { readme, sliceText, type ExportOptions, type OutputFile } from './output.js';
import { planNode, stopSeconds, type Mesh, type NodePlan } from './plan.js';
import { MARKER, yamlText, type Comment } from './yaml-text.js';

/** Where all that a Secret holds is mounted. */
const SECRETS_PATH = '/run/secrets/relaymesh';
/** Keys of a Secret of certificates, as cert-manager and `kubectl create secret tls` name them. */
const TLS_KEYS: Readonly<Record<string, string>> = {
  'tls-ca': 'ca.crt',
  'tls-cert': 'tls.crt',
  'tls-key': 'tls.key',
};
/** What a port of a pod can be called (IANA service name). */
const PORT_NAME = /^(?=.*[a-z])(?!.*--)[a-z0-9-]{1,15}$/;
const GIB = 1024 ** 3;

const RESOURCES = `measure, then set:
resources:
  requests: { cpu: 250m, memory: 256Mi }
  limits: { memory: 1Gi }`;

/** One file for each node: its slice, its Service, its process with a volume. */
export function exportKubernetes(mesh: Mesh, { image }: ExportOptions): OutputFile[] {
  const { topology } = mesh;
  const plans = Object.keys(topology.nodes).map((name) =>
    planNode(
      mesh,
      name,
      () =>
        ({ id }) =>
          `${SECRETS_PATH}/${id}`,
    ),
  );
  return [
    { path: 'README.md', text: kubernetesReadme(topology, plans) },
    ...plans.map((plan) => ({
      path: `${plan.name}.yaml`,
      text: manifests(topology, plan, image),
    })),
  ];
}

function manifests(topology: Topology, plan: NodePlan, image: string): string {
  const { name } = plan;
  const metadata = { name, labels: labelsOf(topology, plan) };
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata,
    data: { 'topology.yaml': sliceText(topology, plan) },
  };
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: labelsOf(topology, plan),
      ports: portsOf(plan).map(({ name: port, number }) => ({
        name: port,
        port: number,
        targetPort: port,
      })),
    },
  };
  const statefulSet = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata,
    spec: {
      serviceName: name,
      replicas: 1,
      selector: { matchLabels: labelsOf(topology, plan) },
      template: podOf(topology, plan, image),
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: `${Math.ceil(plan.dataBytes / GIB)}Gi` } },
          },
        },
      ],
    },
  };
  return [
    yamlText(configMap, MARKER),
    yamlText(service, '', [
      {
        path: ['spec', 'publishNotReadyAddresses'],
        text: 'a node that is not ready says so itself (421), and is asked for its traces',
      },
    ]),
    yamlText(statefulSet, '', statefulSetComments(plan)),
  ].join('---\n');
}

function statefulSetComments({ name, files }: NodePlan): Comment[] {
  const projected = ['spec', 'template', 'spec', 'volumes', 2, 'projected', 'defaultMode'];
  const secretsComment = files.length === 0 ? [] : [{ path: projected, text: '0440' }];
  const container = ['spec', 'template', 'spec', 'containers', 0];
  return [
    {
      path: ['spec', 'replicas'],
      text: `one process, one spool: for more than ${name} can do, add a node to the topology`,
    },
    { path: [...container, 'volumeMounts'], text: RESOURCES },
    ...secretsComment,
    {
      path: ['spec', 'volumeClaimTemplates', 0, 'spec', 'resources'],
      text: 'max-queue-size, trace-max-size, delivery-keys-size and disk-reserve together',
    },
  ];
}

function podOf(topology: Topology, plan: NodePlan, image: string): object {
  const sources = secretSources(topology, plan);
  return {
    metadata: { labels: labelsOf(topology, plan) },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: stopSeconds(plan),
      securityContext: {
        runAsNonRoot: true,
        runAsUser: CONTAINER_UID,
        runAsGroup: CONTAINER_UID,
        fsGroup: CONTAINER_UID,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
        ...(usesLowPort(plan)
          ? { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] }
          : {}),
      },
      containers: [containerOf(plan, image, sources.length > 0)],
      volumes: [
        { name: 'topology', configMap: { name: plan.name } },
        { name: 'tmp', emptyDir: {} },
        ...(sources.length === 0
          ? []
          : [{ name: 'secrets', projected: { defaultMode: 0o440, sources } }]),
      ],
    },
  };
}

function containerOf(plan: NodePlan, image: string, hasSecrets: boolean): object {
  return {
    name: 'relaymesh',
    image,
    command: ['relaymesh'],
    args: commandOf(plan),
    ports: portsOf(plan).map(({ name, number }) => ({ name, containerPort: number })),
    ...probesOf(plan),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'data', mountPath: CONTAINER_PATHS.data },
      { name: 'topology', mountPath: '/etc/relaymesh', readOnly: true },
      { name: 'tmp', mountPath: '/tmp' },
      ...(hasSecrets ? [{ name: 'secrets', mountPath: SECRETS_PATH, readOnly: true }] : []),
    ],
  };
}

/** A start is over when the first listener answers; then the API tells more, where there is one. */
function probesOf(plan: NodePlan): object {
  const smtp = { tcpSocket: { port: portsOf(plan)[0]?.name ?? 'smtp' } };
  const ask = (path: string): object =>
    plan.api === undefined ? smtp : { httpGet: { path, port: 'api' } };
  return {
    startupProbe: { ...smtp, periodSeconds: 2, failureThreshold: 150 },
    livenessProbe: { ...ask('/livez'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { ...ask('/readyz'), periodSeconds: 5, timeoutSeconds: 5 },
  };
}

interface Port {
  /** At most 15 characters, as a port of a Service has it. */
  name: string;
  number: number;
}

/** What others reach; a probe needs at least one listener that is not for the pod alone. */
function portsOf({ listeners, api }: NodePlan): Port[] {
  const open = listeners.filter(({ isLocal }) => !isLocal);
  const names = new Set(open.map(({ name }) => name));
  const ports = open.map(({ name, port }, index): Port => {
    if (PORT_NAME.test(name) && name !== 'api') return { name, number: port };
    let short = `smtp-${index + 1}`;
    while (names.has(short)) short += 'x';
    return { name: short, number: port };
  });
  return api === undefined ? ports : [...ports, { name: 'api', number: api.port }];
}

function labelsOf({ name: topology }: Topology, { name }: NodePlan): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'relaymesh',
    'app.kubernetes.io/instance': name,
    'app.kubernetes.io/part-of': topology,
  };
}

/** The Secret and the key that hold a file. */
function secretOf(topology: Topology, plan: NodePlan, { id, kind }: NeededFile): [string, string] {
  const tlsKey = TLS_KEYS[id];
  // a node has its own of these, and cert-manager keeps only one certificate in a Secret
  if (kind !== 'token' && NUMBERED_ID.test(id)) return [`${plan.name}-certificates`, id];
  return tlsKey === undefined ? [topology.name, id] : [`${plan.name}-tls`, tlsKey];
}

function secretSources(topology: Topology, plan: NodePlan): object[] {
  const bySecret = new Map<string, { key: string; path: string }[]>();
  for (const file of plan.files) {
    const [secret, key] = secretOf(topology, plan, file);
    bySecret.set(secret, [...(bySecret.get(secret) ?? []), { key, path: file.id }]);
  }
  return [...bySecret].map(([name, items]) => ({ secret: { name, items } }));
}

function kubernetesReadme(topology: Topology, plans: readonly NodePlan[]): string {
  const rows = plans.flatMap((plan) =>
    plan.files.map((file) => {
      const [secret, key] = secretOf(topology, plan, file);
      return `| \`${secret}\` | \`${key}\` | ${file.what} |`;
    }),
  );
  const first = plans.find(({ takesClients }) => takesClients) ?? plans[0];
  return readme(topology, plans, 'on Kubernetes', [
    '## Before the first start',
    '',
    'A namespace of its own: the Services have the short names of the nodes. A node whose `host` is a',
    'real name is looked up by that name: let it lead to the Service.',
    '',
    '`scripts/deploy/Containerfile` of relaymesh makes the image. One of another kind needs `relaymesh`',
    `on its PATH; it runs as user ${CONTAINER_UID}.`,
    '',
    ...(rows.length === 0
      ? []
      : [
          'These Secrets, of a secret the first line counts. Those of certificates are as cert-manager',
          'writes them:',
          '',
          '| Secret | key | what |',
          '|---|---|---|',
          ...new Set(rows),
          '',
        ]),
    '```sh',
    `kubectl create namespace ${topology.name}`,
    `kubectl --namespace ${topology.name} create secret generic ${topology.name} --from-file=KEY=FILE …`,
    `kubectl --namespace ${topology.name} apply --filename .`,
    `kubectl --namespace ${topology.name} rollout status statefulset/${first?.name ?? ''}`,
    '```',
    '',
    'Each Service is headless and for the mesh. Clients outside of the cluster need one of their own, of',
    `type LoadBalancer and with the selector of \`${first?.name ?? ''}\`. The APIs are reached in the cluster, and`,
    'want their token beside `/livez` and `/readyz`.',
    '',
    '## Later',
    '',
    '- After a change of the topology: export again, `kubectl apply`, and when the files in the pods have',
    "  followed (a minute) `kubectl exec NODE-0 -- sh -c 'kill -HUP 1'`, or `kubectl rollout restart`.",
    '- New secrets and certificates follow in the same way.',
    '- A stop ends what is in flight within `drain-timeout`; mail that waits stays in the volume.',
  ]);
}
