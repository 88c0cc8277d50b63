import { dirname, resolve } from 'node:path';
import { inFileOrder, RULES, type Fault } from './fault.js';
import { planHop, type PlannedHop } from './hop-plan.js';
import { checkCertificates } from './lint/certificates.js';
import type { LintContext } from './lint/context.js';
import { checkHosts } from './lint/hosts.js';
import { checkLogins } from './lint/logins.js';
import { checkNames } from './lint/names.js';
import { checkPorts } from './lint/ports.js';
import { checkRelaying } from './lint/relaying.js';
import { checkRouting } from './lint/routing.js';
import { checkSecrets } from './lint/secrets.js';
import type { LoadedTopology } from './load.js';
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
 * Checks what a topology means: names, ports, routing, logins, secrets, certificates. Returns all
 * faults at once, in the order of the file; an empty list means that every node can start.
 */
export function lintTopology(loaded: LoadedTopology, options: LintOptions = {}): Fault[] {
  const { topology, positions } = loaded;
  const faults: Fault[] = [];
  const plans = new Map<string, PlannedHop>();
  for (const name of Object.keys(topology.nodes)) {
    const planned = planHop(topology, name);
    if (planned !== undefined) plans.set(name, planned);
  }
  const context: LintContext = {
    topology,
    positions,
    plans,
    node: options.node,
    baseDir: dirname(resolve(positions.file)),
    env: options.env ?? process.env,
    now: options.now ?? new Date(),
    report(ruleId, path, message, { hint, severity, part } = {}) {
      if (options.losses !== undefined && !isCertain(ruleId, path, options.losses)) return;
      faults.push({
        ruleId,
        severity: severity ?? RULES[ruleId].severity,
        message,
        ...(hint === undefined ? {} : { hint }),
        file: positions.file,
        ...positions.at(path, part),
      });
    },
  };
  checkNames(context);
  checkHosts(context);
  checkPorts(context);
  checkRouting(context);
  checkLogins(context);
  checkRelaying(context);
  checkSecrets(context);
  checkCertificates(context);
  return inFileOrder(faults);
}
