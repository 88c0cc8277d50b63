import { readFile } from 'node:fs/promises';
import { messageOf } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { CommandFault } from './command-fault.js';

/** Which API a command asks, from its options, the environment, or a run on this machine. */

export interface AccessOptions {
  url?: string;
  tokenFile?: string;
  topology?: string;
  workdir?: string;
  node?: string;
}

/** An API, and what a person needs to know of how it was found. */
export interface ApiPlace {
  /** Without a slash at the end. */
  url: string;
  token: Secret | undefined;
  /** The node that is to be asked through this one; null: this one. */
  peer: string | null;
  /** The options that lead there again: `--url http://…`. */
  words: string;
  /** Where the token comes from, for a person whose token is refused; null: there is none. */
  tokenFrom: string | null;
  /** A run whose node nobody named: which one was taken. */
  chosen: string | null;
}

/** Environment variable with the address of an API, for commands without `--url`. */
export const URL_VARIABLE = 'RELAYMESH_URL';
/** Environment variable with the bearer token. A token is never taken from argv. */
export const TOKEN_VARIABLE = 'RELAYMESH_API_TOKEN';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The API that is meant: that of `--url`; that of a node of `--topology` or `--workdir`; that of
 * `$RELAYMESH_URL`; else that of the only topology that runs below this folder.
 *
 * @throws CommandFault when the options do not go together or name nothing that is there.
 */
export async function findApi(options: AccessOptions, environment: Environment): Promise<ApiPlace> {
  const { url, topology, workdir } = options;
  const inTopology = topology !== undefined || workdir !== undefined;
  if (url !== undefined && inTopology) {
    throw new CommandFault(2, '--url and --topology or --workdir name two different places');
  }
  const address = url ?? (inTopology ? '' : (environment[URL_VARIABLE]?.trim() ?? ''));
  return address === ''
    ? placeInTopology(options, environment)
    : placeAt(address, url === undefined ? URL_VARIABLE : '--url', options, environment);
}

async function placeAt(
  address: string,
  source: string,
  options: AccessOptions,
  environment: Environment,
): Promise<ApiPlace> {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CommandFault(
      2,
      `${source} wants an address like http://127.0.0.1:8025, not ${address}`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new CommandFault(
      2,
      `${source} must not hold a login; set ${TOKEN_VARIABLE} or --token-file`,
    );
  }
  const peer = options.node ?? null;
  const base = address.replace(/\/+$/, '');
  return {
    url: base,
    peer,
    words: `--url ${base}${peer === null ? '' : ` --node ${peer}`}`,
    chosen: null,
    ...(await readToken(options, environment)),
  };
}

/** Runs are looked for by code that only this needs, so it is loaded here. */
async function placeInTopology(
  options: AccessOptions,
  environment: Environment,
): Promise<ApiPlace> {
  const { findNodeApi } = await import('./node-apis.js');
  const found = await findNodeApi(options, environment);
  const { tokenFile } = options;
  const given = tokenFile === undefined && found.token !== null ? null : options;
  const token =
    given === null
      ? { token: found.token ?? undefined, tokenFrom: found.tokenFrom }
      : await readToken(given, environment);
  return {
    url: found.url,
    peer: null,
    words: found.words,
    chosen: options.node === undefined ? `${found.node} of ${found.topology}` : null,
    ...token,
  };
}

async function readToken(
  { tokenFile }: AccessOptions,
  environment: Environment,
): Promise<Pick<ApiPlace, 'token' | 'tokenFrom'>> {
  if (tokenFile === undefined) {
    const token = environment[TOKEN_VARIABLE]?.trim() ?? '';
    return token === ''
      ? { token: undefined, tokenFrom: null }
      : { token: new Secret(token), tokenFrom: TOKEN_VARIABLE };
  }
  let text: string;
  try {
    text = await readFile(tokenFile, 'utf8');
  } catch (error) {
    throw new CommandFault(2, `cannot read the token file: ${messageOf(error)}`);
  }
  if (text.trim() === '') throw new CommandFault(2, `${tokenFile} holds no token`);
  return { token: new Secret(text.trim()), tokenFrom: tokenFile };
}
