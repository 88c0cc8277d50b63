import type { OtlpEntry } from '../topology/schema-otlp.js';
import type { NodeEntry, Topology } from '../topology/schema.js';
import type { OverlayContext } from './overlay-context.js';
import type { ConfigKey } from './schema.js';

/** Members of the export, beside its endpoint and its headers, that a flat key sets. */
const MEMBERS = ['addresses', 'timeout', 'ca'] as const;
const ABOUT_ENDPOINT = [
  'otlp-headers-file',
  'otlp-addresses',
  'otlp-timeout',
  'otlp-ca',
] as const satisfies ConfigKey[];

/**
 * The flat keys about the export of spans, laid over a node's entry. `otlp-endpoint` replaces what
 * the topology says as a whole, so that no header goes to another collector than it was meant for;
 * the others change single members.
 */
export function overlayOtlp(node: NodeEntry, topology: Topology, context: OverlayContext): void {
  const { config, nodeName, origins } = context;
  const path = ['nodes', nodeName, 'otlp'];
  const endpoint = config.value('otlp-endpoint');
  if (endpoint === null) {
    node.otlp = 'none';
  } else if (endpoint !== undefined) {
    node.otlp = { endpoint, headers: {}, addresses: 'domain', timeout: 10 };
    origins.set(path, config.origin('otlp-endpoint'));
  }
  const given = ABOUT_ENDPOINT.filter((key) => config.has(key));
  if (given.length === 0) return;
  const otlp = node.otlp ?? topology.defaults.otlp ?? 'none';
  if (otlp === 'none') {
    given.forEach((key) => reportUnused(key, context));
    return;
  }
  node.otlp = withMembers(otlp, context);
}

function withMembers(before: OtlpEntry, context: OverlayContext): OtlpEntry {
  const { config, nodeName, origins, declare } = context;
  const otlp: OtlpEntry = { ...before };
  const entry: Record<string, unknown> = otlp;
  const path = ['nodes', nodeName, 'otlp'];
  for (const member of MEMBERS) {
    const key = `otlp-${member}` as const;
    const value = config.value(key);
    if (value === null) delete entry[member];
    else if (value !== undefined) entry[member] = value;
    origins.set([...path, member], config.origin(key));
  }
  if (!config.has('otlp-headers-file')) return otlp;
  const headers = config.headers.map(({ name, value, origin }) => {
    origins.set([...path, 'headers', name], origin);
    return [name, declare(`otlp header ${name}`, value, origin)] as const;
  });
  otlp.headers = Object.fromEntries(headers);
  return otlp;
}

function reportUnused(key: ConfigKey, { config, report }: OverlayContext): void {
  const origin = config.origin(key);
  report({
    ruleId: 'unused-key',
    severity: 'warning',
    message: `${key} has no effect: there is no otlp-endpoint`,
    where: origin?.where ?? key,
    ...(origin?.position === undefined ? {} : { line: origin.position.line }),
  });
}
