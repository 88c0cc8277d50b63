import { isPasswordHash, parsePasswordHash, type ScryptCost } from '../base/password-hash.js';
import { RelayError } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import { MAX_REFUSAL_COSTS, refusalCosts } from '../policy/refusal-costs.js';
import type { CompileInputs } from './compile-inputs.js';

/*
 * A secret may hold the hash of a password where logins are checked against it: at users, and at
 * the receiving end of a link whose sending end has the password itself. It cannot be logged in
 * with.
 */

type Inputs = Pick<CompileInputs, 'resolveSecret' | 'locate'>;

/**
 * The value of a secret that logins are compared with: a password or its hash.
 *
 * @throws RelayError PASSWORD_HASH_INVALID, and those of `resolveSecret`.
 */
export function passwordToCheck(name: string, { resolveSecret, locate }: Inputs): Secret {
  const password = resolveSecret(name);
  const text = password.reveal();
  if (!isPasswordHash(text)) return password;
  const parsed = parsePasswordHash(text);
  if (!('problem' in parsed)) return password;
  throw new RelayError(
    'PASSWORD_HASH_INVALID',
    `secret '${name}' is no hash that can be used: ${parsed.problem}`,
    {
      fault: 'operator',
      where: locate(['secrets', name]),
      hint: 'make one with `relaymesh hash-password`; what begins with $scrypt$ is never a password itself',
    },
  );
}

/**
 * The value of a secret that is logged in with.
 *
 * @throws RelayError PASSWORD_IS_HASH, and those of `resolveSecret`.
 */
export function passwordToSend(name: string, { resolveSecret, locate }: Inputs): Secret {
  const password = resolveSecret(name);
  if (!isPasswordHash(password.reveal())) return password;
  throw hashInPlaceOfPassword(name, locate(['secrets', name]));
}

/** The error where a login needs the password that a hash was made of. */
export function hashInPlaceOfPassword(name: string, where: string): RelayError {
  return new RelayError(
    'PASSWORD_IS_HASH',
    `secret '${name}' is the hash of a password, and a login needs the password itself`,
    {
      fault: 'operator',
      where,
      hint: 'a hash suits the end that checks logins; put the password into this secret, or give the two ends a secret each',
    },
  );
}

/**
 * @param accounts the passwords and hashes of each account of a node
 * @throws RelayError PASSWORD_HASH_INVALID when every refused login would compute too many hashes.
 */
export function checkCosts(
  accounts: ReadonlyArray<readonly Secret[]>,
  node: string,
  where: string,
): void {
  const count = refusalCosts(accounts.map(costsOf)).length;
  if (count <= MAX_REFUSAL_COSTS) return;
  throw new RelayError(
    'PASSWORD_HASH_INVALID',
    `the logins of node '${node}' have hashes of ${count} different costs, more than ${MAX_REFUSAL_COSTS}`,
    {
      fault: 'operator',
      where,
      hint: 'a refused login pays all of them, so that its time tells nothing: hash with the same cost',
    },
  );
}

function costsOf(passwords: readonly Secret[]): ScryptCost[] {
  return passwords.flatMap((password) => {
    const text = password.reveal();
    const parsed = isPasswordHash(text) ? parsePasswordHash(text) : null;
    return parsed === null || 'problem' in parsed ? [] : [parsed.cost];
  });
}
