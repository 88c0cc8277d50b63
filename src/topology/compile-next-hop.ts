import { rootCertificates } from 'node:tls';
import { RelayError } from '../base/errors.js';
import type { Login, NextHop } from '../send/next-hop.js';
import { certificateSources } from './certificate-sources.js';
import type { CompileInputs } from './compile-inputs.js';
import { entryOf, planHop, type HopPlan } from './hop-plan.js';
import { joinHostPort } from './host-address.js';
import type { Topology } from './schema.js';

/**
 * The next hop of a node's mail, with its port, its login and the roots that it is verified with.
 *
 * @throws RelayError NO_SMARTHOST, UNKNOWN_SMARTHOST, PORT_NOT_ALLOTTED, MISSING_CREDENTIAL, and
 *   whatever `inputs` throw.
 */
export function compileNextHop(
  topology: Topology,
  nodeName: string,
  maxConnections: number,
  inputs: CompileInputs,
): NextHop {
  const planned = planHop(topology, nodeName);
  if (planned === undefined) {
    throw new RelayError('NO_SMARTHOST', `node '${nodeName}' has no smarthost`, {
      fault: 'operator',
      where: inputs.locate(['nodes', nodeName]),
      hint: 'delivery by MX is not available in this version, name a smarthost',
    });
  }
  if ('problem' in planned) {
    const { path, message, hint } = planned.problem;
    throw new RelayError('UNKNOWN_SMARTHOST', message, {
      fault: 'operator',
      where: inputs.locate(path),
      ...(hint === undefined ? {} : { hint }),
    });
  }
  const { plan } = planned;
  const port = portOf(plan, nodeName, inputs);
  const ca = rootsFor(topology, nodeName, plan, inputs);
  const login = loginOf(plan, nodeName, inputs);
  return {
    name: plan.kind === 'host' ? joinHostPort(plan.host, port) : plan.name,
    kind: plan.kind,
    host: plan.host,
    port,
    tls: plan.tls,
    implicitTls: plan.implicitTls,
    ...(plan.servername === undefined ? {} : { servername: plan.servername }),
    ...(ca === undefined ? {} : { ca }),
    ...(login === undefined ? {} : { login }),
    allowInsecureAuth: plan.allowInsecureAuth,
    trace: plan.trace,
    maxConnections,
  };
}

function portOf(plan: HopPlan, nodeName: string, inputs: CompileInputs): number {
  if (plan.port !== 'auto') return plan.port;
  const { allotment } = inputs;
  const port =
    plan.kind === 'sink'
      ? entryOf(allotment?.sinks ?? {}, plan.name)
      : entryOf(entryOf(allotment?.listeners ?? {}, plan.name) ?? {}, plan.listener?.name ?? '');
  if (port !== undefined) return port;
  throw new RelayError(
    'PORT_NOT_ALLOTTED',
    `the port of ${plan.kind} '${plan.name}' is not known`,
    {
      fault: 'operator',
      where: inputs.locate(['nodes', nodeName, 'smarthost']),
      hint: 'start the node through `relaymesh topology up`, or replace `port: auto` by a port',
    },
  );
}

function loginOf(plan: HopPlan, nodeName: string, inputs: CompileInputs): Login | undefined {
  const { username, password } = plan;
  if (username === undefined && password === undefined) return undefined;
  if (username !== undefined && password !== undefined) {
    return { username, password: inputs.resolveSecret(password) };
  }
  throw new RelayError(
    'MISSING_CREDENTIAL',
    `the login of node '${nodeName}' at '${plan.name}' has no ${username === undefined ? 'username' : 'password'}`,
    {
      fault: 'operator',
      where: inputs.locate(
        plan.link?.used === true ? ['links', plan.link.index] : ['nodes', nodeName, 'smarthost'],
      ),
      hint: 'give both or neither',
    },
  );
}

/**
 * Inside the mesh only its own CA vouches; elsewhere the system's roots do, and the CA of the mesh
 * too, since a sink or an internal host may have its certificate from there.
 */
function rootsFor(
  topology: Topology,
  nodeName: string,
  plan: HopPlan,
  inputs: CompileInputs,
): string[] | undefined {
  const { ca, ephemeralCa } = certificateSources(topology, nodeName);
  const files: string[] = ca === undefined ? [] : [ca.file];
  const ephemeral = ephemeralCa ? inputs.allotment?.tls?.ca : undefined;
  if (ephemeral !== undefined) files.push(ephemeral);
  if (files.length === 0) return undefined;
  const mesh = files.map((file) => inputs.readPem(file));
  return plan.kind === 'node' ? mesh : [...rootCertificates, ...mesh];
}
