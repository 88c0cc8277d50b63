import { makeSecretText } from '../../base/secret.js';
import type { Topology } from '../schema.js';
import { secretsOfNode } from './generated-secrets.js';
import { RunnerError } from './runner-error.js';

/** Generated values that a node or sink goes on with, since it has not learned newer ones. */
export type Lagging = Map<string, Record<string, string>>;

/** Who uses a secret, in the order in which they have to learn a new value. */
export interface SecretUsers {
  /** Nodes and sinks that others log in at with it. */
  receiving: string[];
  /** Nodes that log in with it. */
  sending: string[];
}

export function usersOfSecret(topology: Topology, secret: string): SecretUsers {
  const receiving = new Set<string>();
  const isIt = (password: { secret: string } | undefined): boolean => password?.secret === secret;
  for (const [name, sink] of Object.entries(topology.sinks)) {
    if (sink.users.some(({ password }) => isIt(password))) receiving.add(name);
  }
  for (const [name, node] of Object.entries(topology.nodes)) {
    if (isIt(node.api?.token) || node.users.some(({ password }) => isIt(password))) {
      receiving.add(name);
    }
  }
  for (const { to, password, 'also-accept': also } of topology.links) {
    if (isIt(password) || also.some(isIt)) receiving.add(to);
  }
  const sending = Object.keys(topology.nodes).filter(
    (name) => !receiving.has(name) && secretsOfNode(topology, name).has(secret),
  );
  return { receiving: [...receiving], sending };
}

/**
 * A value for `secret` that those in `learning` are to have from now on; the others are put into
 * `lagging` with the value that they have. It is a new one, unless all of `learning` lag behind:
 * then they catch up with the value that the others have learned already.
 */
export function newValueFor(
  secret: string,
  users: SecretUsers,
  learning: ReadonlySet<string>,
  present: string,
  lagging: Lagging,
): string {
  const all = [...users.receiving, ...users.sending];
  const lags = (name: string): boolean => lagging.get(name)?.[secret] !== undefined;
  const catchUp = learning.size < all.length && [...learning].every(lags);
  for (const name of all) {
    const own = lagging.get(name) ?? {};
    if (learning.has(name)) delete own[secret];
    else if (!catchUp) own[secret] ??= present;
    lagging.set(name, own);
  }
  return catchUp ? present : makeSecretText();
}

/**
 * Those who shall learn a new value.
 *
 * @param only Default: all that use the secret.
 * @throws RunnerError SECRET_NOT_ROTATABLE for a secret that is not generated or that nobody uses,
 *   or for a name in `only` that does not use it.
 */
export function learnersOf(
  topology: Topology,
  secret: string,
  users: SecretUsers,
  only: readonly string[] | undefined,
): Set<string> {
  const all = [...users.receiving, ...users.sending];
  const entry = Object.hasOwn(topology.secrets, secret) ? topology.secrets[secret] : undefined;
  if (entry === undefined) throw refusal(`no secret is named '${secret}'`);
  if (!('generate' in entry)) throw refusal(`secret '${secret}' is not one that the run generates`);
  if (all.length === 0) throw refusal(`nothing uses secret '${secret}'`);
  const stranger = only?.find((name) => !all.includes(name));
  if (stranger !== undefined) throw refusal(`'${stranger}' does not use secret '${secret}'`);
  return new Set(only ?? all);
}

function refusal(message: string): RunnerError {
  return new RunnerError('SECRET_NOT_ROTATABLE', message, 2, {
    fault: 'operator',
    hint: 'name a secret with `generate: true`, and nodes or sinks that log in or take logins with it',
  });
}
