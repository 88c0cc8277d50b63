import { dirname, resolve } from 'node:path';
import { inFileOrder, RULES, type Fault } from './fault.js';
import { checkCapacity } from './lint/capacity.js';
import { checkCertificates } from './lint/certificates.js';
import type { LintContext } from './lint/context.js';
import { checkFlatKeys } from './lint/flat-keys.js';
import { checkHosts } from './lint/hosts.js';
import { checkLogins } from './lint/logins.js';
import { checkMx } from './lint/mx.js';
import { checkNames } from './lint/names.js';
import { checkOtlp } from './lint/otlp.js';
import { checkPaths } from './lint/paths.js';
import { checkPorts } from './lint/ports.js';
import { checkPools } from './lint/pools.js';
import { checkRabbitmq } from './lint/rabbitmq.js';
import { checkRelaying } from './lint/relaying.js';
import { checkRouting } from './lint/routing.js';
import { checkSecrets } from './lint/secrets.js';
import { applySilences } from './lint/silence.js';
import { checkSpools } from './lint/spool.js';
import { checkSteering } from './lint/steering.js';
import { checkTests } from './lint/tests.js';
import { checkWorkers } from './lint/workers.js';
import type { LoadedTopology } from './load.js';
import { hopsIn, targetsOf } from './node-hops.js';
import { isCertain, type Losses } from './salvage.js';

export interface LintOptions {
  /**
   * The node that is about to run. Then only its own certificates are looked at, and no secrets:
   * those of other nodes are on other machines, and its own are fetched anyway. Without it, all
   * are looked at.
   */
  node?: string;
  /** Where secrets with `env` are looked for. Default: the environment of this process. */
  env?: Readonly<Record<string, string | undefined>>;
  /** What a salvaged file lost; nothing that could follow from it is reported. */
  losses?: Losses;
  /** The time that certificates have to be valid at. Default: now. */
  now?: Date;
}

/**
 * Checks what a topology means: names, ports, routing, logins, secrets, certificates, and what its
 * paths can carry. Returns all faults at once, in the order of the file; an empty list means that
 * every node can start. Warnings that the file itself silences are left out.
 */
export function lintTopology(loaded: LoadedTopology, options: LintOptions = {}): Fault[] {
  return lintWithSilences(loaded, options).faults;
}

/** The same, with the warnings that the file silences. */
export function lintWithSilences(
  loaded: LoadedTopology,
  options: LintOptions = {},
): { faults: Fault[]; silenced: Fault[] } {
  const { topology, positions } = loaded;
  const faults: Fault[] = [];
  const seen = new Set<string>();
  const names = Object.keys(topology.nodes);
  const targets = new Map(names.map((name) => [name, targetsOf(topology, name)]));
  const context: LintContext = {
    topology,
    positions,
    targets,
    hops: new Map([...targets].map(([name, one]) => [name, hopsIn(one)])),
    node: options.node,
    baseDir: dirname(resolve(positions.file)),
    env: options.env ?? process.env,
    now: options.now ?? new Date(),
    report(ruleId, path, message, { hint, severity, part } = {}) {
      if (options.losses !== undefined && !isCertain(ruleId, path, options.losses)) return;
      const position = positions.at(path, part);
      // two hops can stumble over the same link or listener
      const same = JSON.stringify([ruleId, message, position]);
      if (seen.has(same)) return;
      seen.add(same);
      faults.push({
        ruleId,
        severity: severity ?? RULES[ruleId].severity,
        message,
        ...(hint === undefined ? {} : { hint }),
        file: positions.file,
        ...position,
      });
    },
  };
  checkNames(context);
  checkHosts(context);
  checkPorts(context);
  checkFlatKeys(context);
  checkRouting(context);
  checkPaths(context);
  checkCapacity(context);
  checkWorkers(context);
  checkPools(context);
  checkMx(context);
  checkSteering(context);
  checkLogins(context);
  checkRabbitmq(context);
  checkRelaying(context);
  checkSecrets(context);
  checkCertificates(context);
  checkOtlp(context);
  checkSpools(context);
  checkTests(context, { loaded, lint: (changed) => lintTopology(changed, options) });
  const { file, silences = [] } = positions;
  const complete = options.node === undefined && options.losses === undefined;
  const heard = applySilences(faults, silences, { file, complete });
  return { faults: inFileOrder(heard.faults), silenced: inFileOrder(heard.silenced) };
}
