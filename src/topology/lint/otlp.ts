import { isLoopbackHost } from '../../format/loopback.js';
import { otlpSecrets } from '../compile-otlp.js';
import type { Path } from '../fault.js';
import type { OtlpEntry } from '../schema-otlp.js';
import { checkCaFile } from './ca-file.js';
import type { LintContext } from './context.js';

/** Names of headers whose value opens something. */
const CREDENTIAL = /auth|cookie|key|token|secret|password|signature/;

/** Where spans are sent: what opens something is a secret and does not travel in clear. */
export function checkOtlp(context: LintContext): void {
  for (const { entry, path } of otlpEntries(context)) {
    for (const [name, value] of Object.entries(entry.headers)) {
      if (typeof value !== 'string' || !CREDENTIAL.test(name)) continue;
      context.report('cleartext-secret', [...path, 'headers', name], clearText(name), {
        hint: 'write { secret: NAME } and declare NAME under `secrets`',
      });
    }
    checkTransport(context, entry, path);
    if (entry.ca !== undefined) checkCaFile(context, entry.ca, [...path, 'ca']);
  }
}

/** Every place of a topology that names a collector; a node that is to run has only its own. */
export function otlpEntries({ topology }: Pick<LintContext, 'topology'>): {
  entry: OtlpEntry;
  path: Path;
  node?: string;
}[] {
  const places: { entry: OtlpEntry | 'none' | undefined; path: Path; node?: string }[] = [
    { entry: topology.defaults.otlp, path: ['defaults', 'otlp'] },
    ...Object.entries(topology.nodes).map(([node, { otlp: entry }]) => ({
      entry,
      path: ['nodes', node, 'otlp'],
      node,
    })),
  ];
  return places.flatMap((place) => {
    const { entry } = place;
    return entry === undefined || entry === 'none' ? [] : [{ ...place, entry }];
  });
}

function clearText(name: string): string {
  return `header '${name}' is written in clear; a topology only names its secrets`;
}

function checkTransport({ report }: LintContext, entry: OtlpEntry, path: Path): void {
  if (otlpSecrets(entry, path).length === 0) return;
  const { protocol, hostname } = new URL(entry.endpoint);
  if (protocol === 'https:' || isLoopbackHost(hostname.replace(/^\[(.*)\]$/, '$1'))) return;
  report('plaintext-login', [...path, 'endpoint'], `secrets would go to ${hostname} in clear`, {
    hint: 'use https, or a collector on this machine that forwards',
  });
}
