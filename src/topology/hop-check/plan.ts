import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf, RelayError } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import { redirectToSink } from '../../route/sink-redirect.js';
import type { NextHop } from '../../send/next-hop.js';
import type { CompileInputs } from '../compile-inputs.js';
import { NextHopCompiler } from '../compile-next-hop.js';
import { placeOf, type Path } from '../fault.js';
import { entryOf, identityOf, type HopPlan } from '../hop-plan.js';
import { joinHostPort } from '../host-address.js';
import type { LoadedTopology } from '../load.js';
import { hopsIn, targetsOf, type NodeHop, type NodeTargets } from '../node-hops.js';
import { readAllotment } from '../node-settings.js';
import type { Allotment } from '../schema.js';
import { resolveSecret } from '../secrets.js';
import { workdirLayout } from '../state.js';
import type { HintContext } from './hints.js';

/** One next hop of one node that is to be looked at. */
export interface PlannedCheck extends HintContext {
  from: string;
  /** The node or sink, or `host:port`. */
  to: string;
  /** `link`: with the login of a link. Else where in the node's entry it stands. */
  role: NodeHop['role'] | 'link';
  /** As written; the port is `auto` where a run chooses it and none is known. */
  address: string;
  tlsMode: HopPlan['tls'] | null;
  username: string | null;
  /** The hop as the node would use it, or why that cannot be made on this machine. */
  ready: { hop: NextHop } | { problem: RelayError };
}

export interface CheckInputs {
  loaded: LoadedTopology;
  env: Readonly<Record<string, string | undefined>>;
  /** Folder of the run that settled ports and secrets, null when there is none. */
  workdir: string | null;
}

/** A node of which some mail goes to the servers of its recipients, which nobody can know here. */
export interface NodePlan {
  checks: PlannedCheck[];
  deliversByMx: boolean;
}

/**
 * All next hops of a node, compiled as the node itself does, each server with its login once. Of
 * secrets only those are fetched that these logins need.
 */
export async function planChecks(node: string, inputs: CheckInputs): Promise<NodePlan> {
  const { topology } = inputs.loaded;
  const targets = targetsOf(topology, node);
  const hops = targets.sink === undefined ? hopsIn(targets) : [targets.sink];
  const compile = await compilerFor(node, inputs);
  const seen = new Set<string>();
  const checks = hops.flatMap((hop): PlannedCheck[] => {
    const { planned } = hop;
    const identity = 'plan' in planned ? identityOf(planned.plan) : planned.problem.message;
    if (seen.has(identity)) return [];
    seen.add(identity);
    return [describeCheck(node, hop, compile(hop))];
  });
  return { checks, deliversByMx: targets.sink === undefined && hasMx(targets) };
}

function hasMx({ routes, fallback }: NodeTargets): boolean {
  return [fallback, ...routes.map(({ target }) => target)].some(({ kind }) => kind === 'mx');
}

function describeCheck(from: string, hop: NodeHop, ready: PlannedCheck['ready']): PlannedCheck {
  const { planned, role } = hop;
  if ('problem' in planned) {
    const to = planned.problem.target ?? '?';
    const none = { secret: undefined, ofLink: false, tlsMode: null, username: null };
    return { from, to, role, address: '', ready, ...none };
  }
  const { plan } = planned;
  const ofLink = plan.link?.used === true;
  const port = 'hop' in ready ? ready.hop.port : plan.port;
  return {
    from,
    to: plan.name,
    role: ofLink ? 'link' : role,
    address: port === 'auto' ? `${plan.host}:auto` : joinHostPort(plan.host, port),
    tlsMode: plan.tls,
    username: plan.username ?? null,
    secret: plan.password,
    ofLink: ofLink && plan.kind === 'node',
    ready,
  };
}

type Compile = (hop: NodeHop) => PlannedCheck['ready'];

async function compilerFor(node: string, inputs: CheckInputs): Promise<Compile> {
  const { topology } = inputs.loaded;
  try {
    const compiler = new NextHopCompiler(topology, node, await compileInputs(node, inputs));
    return (hop) =>
      orProblem(() => {
        const next = compiler.compile(hop);
        // a sink in place of all hops is logged in at only when it asks for that
        return { hop: hop.role === 'smtp-sink' ? redirectToSink(next, next) : next };
      });
  } catch (error) {
    if (error instanceof RelayError) return () => ({ problem: error });
    throw error;
  }
}

function orProblem(make: () => { hop: NextHop }): PlannedCheck['ready'] {
  try {
    return make();
  } catch (error) {
    if (error instanceof RelayError) return { problem: error };
    throw error;
  }
}

async function compileInputs(
  node: string,
  { loaded, env, workdir }: CheckInputs,
): Promise<CompileInputs> {
  const { topology, positions } = loaded;
  const baseDir = dirname(resolve(positions.file));
  const dataDir = workdir === null ? '' : workdirLayout.data(workdir, node);
  const allotment: Allotment | undefined =
    workdir === null ? undefined : await readAllotment(dataDir);
  const locate = (path: Path): string => placeOf({ file: positions.file, ...positions.at(path) });
  return {
    dataDir,
    allotment,
    locate,
    resolvePath: (file) => resolve(baseDir, file),
    readPem: (file) => readPem(resolve(baseDir, file)),
    ownApiToken: () => new Secret(''),
    resolveSecret(name) {
      const where = locate(['secrets', name]);
      const entry = entryOf(topology.secrets, name);
      // the linter has refused a topology with a secret that it does not declare
      if (entry === undefined) throw new TypeError(`no secret is named ${name}`);
      return resolveSecret(name, entry, { baseDir, env, allotment, where });
    },
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new RelayError('PEM_UNREADABLE', `${path} cannot be read (${codeOf(cause)})`, {
      fault: 'operator',
      hint: 'CA and certificates of the node are needed on the machine that checks',
      cause,
    });
  }
}
