import { rootCertificates } from 'node:tls';
import { RelayError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import type { OtlpSettings } from '../trace/settings.js';
import type { CompileInputs } from './compile-inputs.js';
import type { Path } from './fault.js';
import { entryOf } from './hop-plan.js';
import { isHeaderValue, tracesUrl, type OtlpEntry } from './schema-otlp.js';
import type { Topology } from './schema.js';

/** Where the spans of a node go: what it says itself, as a whole, else `defaults`. */
export function otlpOf(
  topology: Topology,
  nodeName: string,
): { entry: OtlpEntry; path: Path } | undefined {
  const own = entryOf(topology.nodes, nodeName)?.otlp;
  const entry = own ?? topology.defaults.otlp;
  if (entry === undefined || entry === 'none') return undefined;
  return { entry, path: own === undefined ? ['defaults', 'otlp'] : ['nodes', nodeName, 'otlp'] };
}

/** The secrets that the headers of an export name, and where. */
export function otlpSecrets(entry: OtlpEntry, path: Path): { secret: string; path: Path }[] {
  return Object.entries(entry.headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [] : [{ secret: value.secret, path: [...path, 'headers', name] }],
  );
}

/**
 * Undefined for a node that exports no spans.
 *
 * @throws RelayError OTLP_HEADER_INVALID for a secret that cannot be sent in a header, and whatever
 *   the inputs throw.
 */
export function compileOtlp(
  topology: Topology,
  nodeName: string,
  inputs: CompileInputs,
): OtlpSettings | undefined {
  const found = otlpOf(topology, nodeName);
  if (found === undefined) return undefined;
  const { entry, path } = found;
  const headers = Object.entries(entry.headers).map(([name, value]): [string, Secret] => {
    if (typeof value === 'string') return [name, new Secret(value)];
    const secret = inputs.resolveSecret(value.secret);
    if (!isHeaderValue(secret.reveal())) {
      throw new RelayError('OTLP_HEADER_INVALID', `secret '${value.secret}' cannot be a header`, {
        fault: 'operator',
        where: inputs.locate([...path, 'headers', name]),
        hint: 'a value of a header is 1 to 4096 printable ASCII characters',
      });
    }
    return [name, secret];
  });
  return {
    endpoint: tracesUrl(entry.endpoint) ?? entry.endpoint,
    headers: Object.fromEntries(headers),
    addresses: entry.addresses,
    timeoutMs: entry.timeout * 1000,
    ...(entry.ca === undefined ? {} : { ca: [...rootCertificates, inputs.readPem(entry.ca)] }),
  };
}
