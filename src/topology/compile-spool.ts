import { RelayError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import type { BrokerSettings, SharedSpoolSettings } from '../queue/shared-settings.js';
import type { CompileInputs } from './compile-inputs.js';
import { entryOf } from './hop-plan.js';
import { placeOf, spoolOf, tierOf, type NodeSpool } from './node-spool.js';
import { DEFAULT_MAX_SHARED_BYTES, DEFAULT_PREFETCH } from './schema-spool.js';
import type { Topology } from './schema.js';
import { bytesOf } from './size.js';

/**
 * What a node shares with its tier; undefined for one that keeps its mail on its own disk.
 *
 * @throws RelayError MISSING_CREDENTIAL, PORT_NOT_ALLOTTED, and whatever `inputs` throw.
 */
export function compileSharedSpool(
  topology: Topology,
  nodeName: string,
  inputs: CompileInputs,
): SharedSpoolSettings | undefined {
  const spool = spoolOf(topology, nodeName);
  const place = spool === undefined ? undefined : placeOf(spool);
  if (spool === undefined || place === undefined) return undefined;
  const { prefetch, 'max-message-size': size } = spool.entry;
  const node = entryOf(topology.nodes, nodeName);
  const broker =
    place.kind === 'local'
      ? localBroker(place.name, inputs)
      : remoteBroker(place.addresses, spool, inputs);
  return {
    broker,
    tier: tierOf(topology, nodeName) ?? nodeName,
    prefetch: prefetch ?? DEFAULT_PREFETCH,
    maxMessageBytes: size === undefined ? DEFAULT_MAX_SHARED_BYTES : bytesOf(size),
    fallback: node?.['spool-fallback'] ?? topology.defaults['spool-fallback'] ?? 'none',
    acrossTier: (node?.queues ?? [])
      .filter((entry) => entry['across-tier'] === true)
      .map(({ queue }) => queue),
  };
}

function localBroker(name: string, inputs: CompileInputs): BrokerSettings {
  const allotted = entryOf(inputs.allotment?.brokers ?? {}, name);
  if (allotted === undefined) {
    throw new RelayError('PORT_NOT_ALLOTTED', `the port of broker '${name}' is not known`, {
      fault: 'operator',
      where: inputs.locate(['brokers', name, 'port']),
      hint: 'start the node through `relaymesh topology up`, or name the URL of a broker',
    });
  }
  const { host, port, username, password } = allotted;
  return {
    addresses: [{ host, port, tls: false, vhost: '/' }],
    username,
    password: new Secret(password),
  };
}

function remoteBroker(
  addresses: BrokerSettings['addresses'],
  { entry, keyPath }: NodeSpool,
  inputs: CompileInputs,
): BrokerSettings {
  const { username, password, ca } = entry;
  if (username === undefined || password === undefined) {
    throw new RelayError('MISSING_CREDENTIAL', 'a spool at a broker needs a login', {
      fault: 'operator',
      where: inputs.locate(keyPath(username === undefined ? 'username' : 'password')),
      hint: 'give it `username` and `password: { secret: NAME }`',
    });
  }
  return {
    addresses,
    username,
    password: inputs.resolveSecret(password.secret),
    ...(ca === undefined ? {} : { ca: inputs.readPem(ca) }),
  };
}
