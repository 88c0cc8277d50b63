import { RelayError } from '../../base/errors.js';
import type { Path } from '../fault.js';
import { otlpSecrets } from '../compile-otlp.js';
import { resolveSecret } from '../secrets.js';
import { didYouMean } from '../suggest.js';
import type { LintContext } from './context.js';
import { otlpEntries } from './otlp.js';

/** References without a secret, secrets without a reference, and secrets that are not here. */
export function checkSecrets(context: LintContext): void {
  const { topology, report } = context;
  const names = Object.keys(topology.secrets);
  const used = new Set<string>();
  for (const { secret, path } of secretReferences(context)) {
    used.add(secret);
    if (Object.hasOwn(topology.secrets, secret)) continue;
    report('unknown-secret', path, `no secret is named '${secret}'`, {
      hint: didYouMean(secret, names) ?? 'declare it under `secrets`',
    });
  }
  for (const name of names) {
    if (used.has(name)) continue;
    report('unused-secret', ['secrets', name], `nothing refers to secret '${name}'`, {
      part: 'key',
    });
  }
  checkArguments(context);
  // a node that starts fetches what it needs, and fails by itself
  if (context.node === undefined) checkAvailable(context, used);
}

/** What a program is told on its command line that everybody on the machine can read. */
const SECRET_ARGUMENT =
  /^--?(?:[a-z0-9]+[-_])*(?:password|passwd|client[-_]secret|api[-_]?key)=(?!\/).|^authorization:\s*(?:basic|bearer)\s+\S|:\/\/[^/@\s:]+:[^/@\s]+@/i;

/** Programs that fetch access tokens, with a password among their arguments. */
function checkArguments({ hops, report }: LintContext): void {
  for (const { keys, keyPath } of [...hops.values()].flat()) {
    if (keys.token === undefined || !('command' in keys.token)) continue;
    keys.token.command.forEach((argument, index) => {
      if (!SECRET_ARGUMENT.test(argument)) return;
      const path = [...keyPath('token'), 'command', index];
      report('cleartext-secret', path, 'this argument seems to hold a secret in clear', {
        severity: 'warning',
        hint: 'let the program read it from a file or its environment',
      });
    });
  }
}

function checkAvailable(context: LintContext, used: ReadonlySet<string>): void {
  const { topology, baseDir, env, report } = context;
  for (const [name, entry] of Object.entries(topology.secrets)) {
    if (!used.has(name) || 'generate' in entry) continue;
    try {
      resolveSecret(name, entry, { baseDir, env, allotment: undefined, where: '' });
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      report('secret-unavailable', ['secrets', name], `${error.message} on this machine`, {
        part: 'key',
        hint: 'a node that needs it will not start without it',
      });
    }
  }
}

/** Every `{ secret: NAME }` of a topology. */
function secretReferences({ topology, hops }: LintContext): { secret: string; path: Path }[] {
  const references: { secret: string; path: Path }[] = [];
  const add = (password: { secret: string } | undefined, path: Path): void => {
    if (password !== undefined) {
      references.push({ secret: password.secret, path: [...path, 'secret'] });
    }
  };
  for (const [name, node] of Object.entries(topology.nodes)) {
    const path = ['nodes', name];
    add(node.api?.token, [...path, 'api', 'token']);
    node.users.forEach((user, index) => add(user.password, [...path, 'users', index, 'password']));
    for (const { keys, keyPath } of hops.get(name) ?? []) add(keys.password, keyPath('password'));
    // also where they are out of place
    for (const key of ['smarthost-password', 'smtp-sink-password'] as const) {
      add(node[key], [...path, key]);
    }
  }
  topology.links.forEach((link, index) => {
    add(link.password, ['links', index, 'password']);
    link['also-accept'].forEach((also, at) => add(also, ['links', index, 'also-accept', at]));
  });
  for (const [name, sink] of Object.entries(topology.sinks)) {
    sink.users.forEach((user, index) =>
      add(user.password, ['sinks', name, 'users', index, 'password']),
    );
  }
  for (const { entry, path } of otlpEntries({ topology })) {
    for (const named of otlpSecrets(entry, path)) add(named, named.path);
  }
  return references;
}
