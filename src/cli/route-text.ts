import type {
  ConnectionExplanation,
  HopExplanation,
  LoginExplanation,
  RecipientExplanation,
  TlsExplanation,
} from './route-explain.js';
import { renderPairs } from './table.js';

type Row = readonly [string, string];

/** The explanation of one recipient for people; each line ends with `\n`. */
export function renderRecipient(explanation: RecipientExplanation, node: string): string {
  const { recipient, hops, failover } = explanation;
  const rows: Row[] = [
    ['Recipient', recipient],
    ['Rule', ruleText(explanation, node)],
    ...explanation.skipped.map(({ rule, where, condition, wanted, given }): Row => [
      '',
      `not ${rule} (${where}): ${condition} is not ${wanted}, but ${given}`,
    ]),
  ];
  const isPool = hops.some(({ share }) => share !== null);
  if (!isPool) return renderPairs([...rows, ...hops.flatMap(hopRows)]);
  const blocks = [
    ...hops.map((hop, index): Row[] => [
      ['', ''],
      ['Member', `${index + 1} of ${hops.length}, ${percent(hop.share)} of the mail`],
      ...hopRows(hop),
    ]),
    ...failover.map((hop, index): Row[] => [
      ['', ''],
      ['Failover', `${index + 1} of ${failover.length}, when no member of the pool is well`],
      ...hopRows(hop),
    ]),
  ];
  return renderPairs([...rows, ...blocks.flat()]).replaceAll(/ +$/gm, '');
}

function ruleText({ decided_by: by, rule, where }: RecipientExplanation, node: string): string {
  switch (by) {
    case 'rule':
      return `route ${rule} of node ${node} (${where})`;
    case 'smarthost':
      return `no route fits: the smarthost of node ${node} (${where})`;
    case 'mx':
      return `no route fits, and node ${node} has no smarthost: the servers of the recipient`;
    case 'message':
      return "the message's own smarthost, which goes before all that is configured";
  }
}

function hopRows(hop: HopExplanation): Row[] {
  const { queue, kind, login, tls, sink, servers } = hop;
  const rows: Row[] = [
    ['Queue', queue],
    ['Next hop', kind === 'mx' ? `the mail servers of ${hop.host}` : addressText(hop)],
  ];
  if (sink === null) {
    rows.push(['Login', loginText(login)], ['TLS', tlsText(tls)]);
    if (kind === 'mx') rows.push(...serverRows(servers));
  } else {
    rows.push(...sinkRows(sink, login));
  }
  rows.push(['Trace', traceText(hop)]);
  if (hop.reply_rows > 0) rows.push(['Replies', `${hop.reply_rows} rows before the common table`]);
  Object.entries(hop.capacity).forEach(([key, { value, where }], index) => {
    const shown = value === null ? where : `${value} (${where})`;
    rows.push([index === 0 ? 'Limits' : '', `${key}: ${shown}`]);
  });
  return rows;
}

function addressText({ next_hop: name, kind, host, port }: HopExplanation): string {
  const place = hostPort(host, port);
  return kind === 'host' || name === place ? place : `${kind} ${name} at ${place}`;
}

function hostPort(host: string, port: number | null): string {
  const shown = host.includes(':') ? `[${host}]` : host;
  return `${shown}:${port ?? 'auto'}`;
}

function loginText(login: LoginExplanation | null): string {
  if (login === null) return 'none';
  const { username, where, method, secret_from: from, secret_is_here: isHere } = login;
  const missing = isHere ? '' : ' (missing on this machine)';
  return `${username} (${where}), ${method}: ${from}${missing}`;
}

function tlsText({ mode, implicit, certificate_name: name }: TlsExplanation): string {
  const way = implicit ? 'from the first byte' : 'by STARTTLS';
  switch (mode) {
    case 'none':
      return implicit ? 'from the first byte, the certificate is not checked' : 'none';
    case 'opportunistic':
      return `opportunistic: ${implicit ? way : 'STARTTLS where it is offered'}, the certificate is not checked`;
    case 'required':
      return `required: ${way}, the certificate is not checked`;
    case 'verified':
      return `verified: ${way}, the certificate must carry ${name ?? 'the name of the server'}`;
  }
}

function sinkRows(sink: ConnectionExplanation, login: LoginExplanation | null): Row[] {
  const rows: Row[] = [
    [
      'Sink',
      `the connection goes to ${hostPort(sink.host, sink.port)} instead (smtp-sink-address: ${sink.where})`,
    ],
    ['Login', `${loginText(sink.login)}, at the sink`],
    ['TLS', tlsText(sink.tls)],
  ];
  if (login !== null)
    rows.push(['', `the login ${login.username} of the next hop is not shown to it`]);
  return rows;
}

function serverRows(servers: HopExplanation['servers']): Row[] {
  if (servers === null) return [['Servers', 'not looked up']];
  if ('refused' in servers) return [['Servers', `none: ${servers.refused}`]];
  return servers.found.map((server, index) => [
    index === 0 ? 'Servers' : '',
    `${index + 1}. ${server}`,
  ]);
}

function traceText({ trace }: HopExplanation): string {
  switch (trace) {
    case 'envelope':
      return 'in the envelope (XMESH)';
    case 'header':
      return 'in the header X-Mesh-Trace';
    case 'none':
      return 'not passed on';
  }
}

function percent(share: number | null): string {
  return `${Math.round((share ?? 0) * 1000) / 10} %`;
}
