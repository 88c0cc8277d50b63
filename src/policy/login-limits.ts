import { createHash } from 'node:crypto';
import { CountWindows } from './count-windows.js';
import { RecentKeys } from './recent-keys.js';

export interface LoginLimitSettings {
  /** Failed logins of one client within the window. */
  maxLoginFailuresPerClient: number;
  /** Failed logins with one user name within the window, from whatever clients. */
  maxLoginFailuresPerUser: number;
  loginFailureWindowMs: number;
}

export type LoginLimitReason = 'login-failures-per-client' | 'login-failures-per-user';

const MAX_CLIENTS = 20_000;
const MAX_USERS = 20_000;
const MAX_KNOWN = 10_000;
const KNOWN_FOR_MS = 7 * 86_400_000;

/**
 * Which logins are not looked at, because too many have failed. A lock ends with the window in
 * which the failures fell, whatever is tried meanwhile, and while it holds a right password and a
 * wrong one are answered alike.
 *
 * A stranger cannot lock anybody out: a client that has logged in with a name in the last seven
 * days is counted with that name alone, and neither the failures of others with the name nor those
 * with other names from its address count for it. A name that does not exist is treated as one that
 * does.
 */
export class LoginLimits {
  #settings: LoginLimitSettings;
  readonly #byClient = new CountWindows(MAX_CLIENTS);
  readonly #byUser = new CountWindows(MAX_USERS);
  readonly #byPair = new CountWindows(MAX_KNOWN);
  readonly #known = new RecentKeys(MAX_KNOWN, KNOWN_FOR_MS);

  constructor(settings: LoginLimitSettings) {
    this.#settings = settings;
  }

  reload(settings: LoginLimitSettings): void {
    this.#settings = settings;
  }

  /**
   * Why a login is not looked at now, or null.
   *
   * @param client as `clientKeyOf` has it
   * @param nowMs monotonic
   */
  refusal(client: string, username: string, nowMs: number): LoginLimitReason | null {
    const { maxLoginFailuresPerClient, maxLoginFailuresPerUser } = this.#settings;
    const user = userKeyOf(username);
    const pair = pairOf(client, user);
    if (this.#known.has(pair, nowMs)) {
      const failures = this.#byPair.count(pair, nowMs);
      return failures >= maxLoginFailuresPerClient ? 'login-failures-per-client' : null;
    }
    if (this.#byClient.count(client, nowMs) >= maxLoginFailuresPerClient) {
      return 'login-failures-per-client';
    }
    return this.#byUser.count(user, nowMs) >= maxLoginFailuresPerUser
      ? 'login-failures-per-user'
      : null;
  }

  failed(client: string, username: string, nowMs: number): void {
    const windowMs = this.#settings.loginFailureWindowMs;
    const user = userKeyOf(username);
    const pair = pairOf(client, user);
    if (this.#known.has(pair, nowMs)) {
      this.#byPair.add(pair, windowMs, nowMs);
    } else {
      this.#byClient.add(client, windowMs, nowMs);
      this.#byUser.add(user, windowMs, nowMs);
    }
  }

  succeeded(client: string, username: string, nowMs: number): void {
    this.#known.add(pairOf(client, userKeyOf(username)), nowMs);
  }
}

/** Of one length, however long a name a client makes up. */
function userKeyOf(username: string): string {
  return createHash('sha256').update(username, 'utf8').digest('base64');
}

function pairOf(client: string, user: string): string {
  return `${client} ${user}`;
}
