import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { writeFirst } from '../base/first-file.js';
import { makeSecretText, Secret } from '../base/secret.js';

/** Name of the token's file in a node's data folder. */
export const API_TOKEN_FILE = 'api-token';

/**
 * The API token that a node keeps in `dataDir`; made at random (256 bits) when there is none yet.
 * The file has mode 0600 and appears whole or not at all; processes that start at the same time
 * end up with the same token.
 *
 * @throws RelayError API_TOKEN_UNREADABLE when the file is empty or cannot be read or made.
 */
export function keepApiToken(dataDir: string): Secret {
  const file = join(dataDir, API_TOKEN_FILE);
  try {
    return readToken(file) ?? makeToken(file);
  } catch (cause) {
    if (cause instanceof RelayError) throw cause;
    throw new RelayError(
      'API_TOKEN_UNREADABLE',
      `the API token cannot be read or made: ${messageOf(cause)}`,
      {
        fault: 'operator',
        where: file,
        hint: 'the data folder must belong to the user that the node runs as',
        cause,
      },
    );
  }
}

function readToken(file: string): Secret | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const token = text.trim();
  if (token !== '') return new Secret(token);
  throw new RelayError('API_TOKEN_UNREADABLE', 'the file of the API token is empty', {
    fault: 'operator',
    where: file,
    hint: 'delete it, and the next start makes a new token',
  });
}

function makeToken(file: string): Secret {
  const token = makeSecretText();
  const kept = writeFirst(file, `${token}\n`) ? new Secret(token) : readToken(file);
  if (kept !== undefined) return kept;
  throw new Error('the file was removed while it was made');
}
