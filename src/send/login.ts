import { createHmac } from 'node:crypto';
import type { Secret } from '../base/secret.js';
import { TokenFault, type AccessTokens } from './access-token.js';
import { mechanismsFor, type Mechanism } from './mechanism.js';
import type { Login } from './next-hop.js';
import { SessionFault } from './session-fault.js';
import type { Reply } from './transaction.js';

/** Why no login with this password can be tried anywhere. */
export const PASSWORD_LOST = 'the stored password of this message cannot be decrypted';

/** What a session allows a login to be. */
export interface LoginTerms {
  inTls: boolean;
  /** Nobody can listen in, or it is allowed in so many words. */
  mayGoInClear: boolean;
  /** Mechanisms that the hop offers, in upper case. */
  offered: readonly string[];
}

/**
 * The mechanism for a login. Throws a `SessionFault` where none may be tried; not one byte of a
 * credential leaves before this.
 */
export function allowLogin(login: Login, { inTls, mayGoInClear, offered }: LoginTerms): Mechanism {
  if (!inTls && 'certificate' in login) {
    throw new SessionFault('auth', 'error', 'without TLS no certificate can be shown to the hop');
  }
  if (!inTls && !mayGoInClear) {
    const text = 'the hop offers no TLS, and a login is never sent in clear text';
    throw new SessionFault('auth', 'error', text);
  }
  const mechanism = mechanismsFor(login, inTls).find((name) => offered.includes(name));
  if (mechanism === undefined) {
    const what = kindOf(login);
    const only = offered.length > 0 ? ` (only ${offered.join(', ')})` : '';
    throw new SessionFault('auth', 'error', `the hop offers no ${what}${only}`);
  }
  return mechanism;
}

function kindOf(login: Login): string {
  if ('token' in login) return 'login with a token (XOAUTH2)';
  return 'certificate' in login
    ? 'login with the certificate that it was shown (EXTERNAL)'
    : 'login that we know';
}

type TokenLogin = Extract<Login, { token: unknown }>;

/** Sends one line and hears its reply; null when the session ends before one came. */
export type Ask = (line: string) => Promise<Reply | null>;

/**
 * Runs a login (RFC 4954 §4) and resolves with the reply that decides it, null when the session is
 * lost. Rejects with a `SessionFault` where the hop breaks the mechanism or there is no token.
 */
export async function logIn(
  login: Login,
  mechanism: Mechanism,
  ask: Ask,
  tokens: AccessTokens,
): Promise<Reply | null> {
  if ('token' in login) {
    return logInWithToken(login, ask, tokens);
  }
  if ('certificate' in login) {
    // Without an authorization identity (RFC 4422 appendix A): the certificate says who we are.
    return askInTurn(ask, ['AUTH EXTERNAL =', '']);
  }
  if (login.password === null) {
    throw new SessionFault('auth', 'error', PASSWORD_LOST);
  }
  const { username, password } = login;
  switch (mechanism) {
    case 'LOGIN':
      return askInTurn(ask, ['AUTH LOGIN', base64(username), base64(password.reveal())]);
    case 'CRAM-MD5':
      return answerChallenge(username, password, ask);
    default:
      // RFC 4616, without an authorization identity: some servers stumble over one.
      return ask(`AUTH PLAIN ${base64(`\0${username}\0${password.reveal()}`)}`);
  }
}

/** Each line after the first one is sent only when it was asked for. */
async function askInTurn(ask: Ask, lines: readonly string[]): Promise<Reply | null> {
  let reply: Reply | null = null;
  for (const line of lines) {
    reply = await ask(line);
    if (reply?.code !== 334) {
      break;
    }
  }
  return reply;
}

/** RFC 2195. A challenge that is no base64 is not answered: what it would mean is anybody's guess. */
async function answerChallenge(
  username: string,
  password: Secret,
  ask: Ask,
): Promise<Reply | null> {
  const reply = await ask('AUTH CRAM-MD5');
  if (reply?.code !== 334) {
    return reply;
  }
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$/.test(reply.text)) {
    throw new SessionFault('auth', 'invalid', 'the CRAM-MD5 challenge of the hop is not base64');
  }
  const challenge = Buffer.from(reply.text, 'base64');
  if (challenge.length === 0) {
    throw new SessionFault('auth', 'invalid', 'the CRAM-MD5 challenge of the hop is empty');
  }
  const digest = createHmac('md5', password.reveal()).update(challenge).digest('hex');
  return ask(base64(`${username} ${digest}`));
}

/** A refused token is fetched anew once; the same one again would only be refused again. */
async function logInWithToken(
  login: TokenLogin,
  ask: Ask,
  tokens: AccessTokens,
): Promise<Reply | null> {
  const token = await tokenOf(login, tokens);
  const reply = await presentToken(login.username, token, ask);
  if (reply?.code !== 535) {
    return reply;
  }
  tokens.refused(login.token, token);
  const fresh = await tokenOf(login, tokens);
  return fresh.reveal() === token.reveal()
    ? reply
    : ((await presentToken(login.username, fresh, ask)) ?? reply);
}

/** A refusal may come as 334 with a report for programs; an empty line fetches the real reply. */
async function presentToken(username: string, token: Secret, ask: Ask): Promise<Reply | null> {
  const words = `user=${username}\x01auth=Bearer ${token.reveal()}\x01\x01`;
  return askInTurn(ask, [`AUTH XOAUTH2 ${base64(words)}`, '']);
}

async function tokenOf(login: TokenLogin, tokens: AccessTokens): Promise<Secret> {
  try {
    return await tokens.get(login.token);
  } catch (error) {
    throw error instanceof TokenFault ? new SessionFault('auth', 'error', error.message) : error;
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
