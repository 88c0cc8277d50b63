import { RelayError } from '../../base/errors.js';
import {
  isForeignHash,
  isPasswordHash,
  isWeak,
  parsePasswordHash,
} from '../../base/password-hash.js';
import type { Secret } from '../../base/secret.js';
import type { Path } from '../fault.js';
import { otlpSecrets } from '../compile-otlp.js';
import type { NodeEntry, Topology } from '../schema.js';
import { resolveSecret } from '../secrets.js';
import { didYouMean } from '../suggest.js';
import type { LintContext } from './context.js';
import { otlpEntries } from './otlp.js';

/** References without a secret, secrets without a reference, and secrets that are not here. */
export function checkSecrets(context: LintContext): void {
  const { topology, report } = context;
  const names = Object.keys(topology.secrets);
  const used = new Set<string>();
  const references = secretReferences(context);
  for (const { secret, path } of references) {
    used.add(secret);
    if (Object.hasOwn(topology.secrets, secret)) continue;
    // not quoted: a password may have been written in place of the name of its secret
    report('unknown-secret', path, 'no secret has this name', {
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
  if (context.node === undefined) checkValues(context, references);
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

function checkValues(context: LintContext, references: readonly Reference[]): void {
  const { topology, baseDir, env, report } = context;
  for (const [name, entry] of Object.entries(topology.secrets)) {
    const uses = references.filter(({ secret }) => secret === name);
    if (uses.length === 0 || 'generate' in entry) continue;
    try {
      const value = resolveSecret(name, entry, { baseDir, env, allotment: undefined, where: '' });
      checkHash(context, name, value, uses);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      report('secret-unavailable', ['secrets', name], `${error.message} on this machine`, {
        part: 'key',
        hint: 'a node that needs it will not start without it',
      });
    }
  }
}

/** What is said of a value quotes nothing of it. */
function checkHash(
  { report }: LintContext,
  name: string,
  value: Secret,
  uses: readonly Reference[],
): void {
  const text = value.reveal();
  const place: Path = ['secrets', name];
  const isChecked = uses.some(({ use }) => use !== 'other');
  if (isChecked && isForeignHash(text)) {
    const message = `secret '${name}' looks like the hash of another program, and is taken as the password itself`;
    report('weak-hash', place, message, { part: 'key', hint: HASH_HINT });
  }
  if (!isChecked || !isPasswordHash(text)) return;
  const parsed = parsePasswordHash(text);
  if ('problem' in parsed) {
    const message = `secret '${name}' is no hash that can be used: ${parsed.problem}`;
    report('unfit-hash', place, message, { part: 'key', hint: HASH_HINT });
    return;
  }
  if (isWeak(parsed.cost)) {
    const message = `the cost of the hash in secret '${name}' is so low that its password is cheap to guess`;
    report('weak-hash', place, message, { part: 'key', hint: HASH_HINT });
  }
  for (const { path } of uses.filter(({ use }) => use === 'login')) {
    const message = `secret '${name}' is on this machine the hash of a password, and this login needs the password itself`;
    report('unfit-hash', path, message, {
      severity: 'warning',
      hint: 'a node that logs in with it will not start; the end that checks the login may have a secret of its own',
    });
  }
}

const HASH_HINT = 'make one with `relaymesh hash-password`';

interface Reference {
  secret: string;
  path: Path;
  /** A login with it; logins that are compared with it; or what is no password of ours. */
  use: 'login' | 'check' | 'other';
}

/** Every `{ secret: NAME }` of a topology. */
function secretReferences({ topology, hops }: LintContext): Reference[] {
  const references: Reference[] = [];
  const add = (
    password: { secret: string } | undefined,
    path: Path,
    use: Reference['use'],
  ): void => {
    if (password !== undefined) {
      references.push({ secret: password.secret, path: [...path, 'secret'], use });
    }
  };
  for (const [name, node] of Object.entries(topology.nodes)) {
    const path = ['nodes', name];
    add(node.api?.token, [...path, 'api', 'token'], 'other');
    node.users.forEach((user, index) =>
      add(user.password, [...path, 'users', index, 'password'], 'check'),
    );
    for (const { keys, keyPath } of hops.get(name) ?? [])
      add(keys.password, keyPath('password'), 'login');
    // also where they are out of place
    for (const key of ['smarthost-password', 'smtp-sink-password', 'rabbitmq-password'] as const) {
      add(node[key], [...path, key], 'login');
    }
  }
  topology.links.forEach((link, index) => {
    add(link.password, ['links', index, 'password'], 'login');
    link['also-accept'].forEach((also, at) =>
      add(also, ['links', index, 'also-accept', at], 'check'),
    );
  });
  for (const [name, sink] of Object.entries(topology.sinks)) {
    sink.users.forEach((user, index) =>
      add(user.password, ['sinks', name, 'users', index, 'password'], 'login'),
    );
  }
  for (const [path, spool] of spoolEntries(topology)) {
    if (spool !== undefined && spool !== 'none')
      add(spool.password, [...path, 'password'], 'login');
  }
  for (const { entry, path } of otlpEntries({ topology })) {
    for (const named of otlpSecrets(entry, path)) add(named, named.path, 'other');
  }
  return references;
}

/** Every place of a topology that says something of a spool. */
function spoolEntries({ defaults, nodes }: Topology): [Path, NodeEntry['spool']][] {
  return [
    [['defaults', 'spool'], defaults.spool],
    ...Object.entries(nodes).map(([name, { spool }]): [Path, NodeEntry['spool']] => [
      ['nodes', name, 'spool'],
      spool,
    ]),
  ];
}
