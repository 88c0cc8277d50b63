import { isIPv4, isIPv6 } from 'node:net';
import { Secret } from '../base/secret.js';
import type { MessageSettings } from '../format/message-settings.js';
import { encodeEnvid, encodeOrcpt, parseNotify, parseRet } from './dsn-values.js';

/**
 * What a message says about its own delivery (SMARTHOST: one message), in the one form that its
 * header fields and its JSON come to. The form is checked here; whether the sender may say so is
 * for the policy.
 */
export interface StatedSettings extends Omit<MessageSettings, 'smarthost'> {
  smarthost?: StatedSmarthost;
  /** Wall time after which it is not delivered any more. */
  notAfterMs?: number;
  /** Wall time before which nothing is tried. */
  notBeforeMs?: number;
  /** The key or header field that says so. */
  notBeforeField?: string;
  /** As on the envelope (RFC 8689). */
  requireTls?: true;
  /** As on the envelope (RFC 3461 §4). */
  notify?: string;
  ret?: 'FULL' | 'HDRS';
  /** xtext inside, as on the envelope. */
  orcpt?: string;
  /** xtext, as on the envelope. */
  envid?: string;
}

export interface StatedSmarthost {
  /** Lower case, without brackets and without the dot of the root. */
  hostname: string;
  /** Null when none was given. */
  port: number | null;
  /** Both or none: with a half of it no login is tried. */
  login: { username: string; password: Secret } | null;
}

const MAX_HOSTNAME = 253;
const MAX_USERNAME = 255;
const MAX_PASSWORD = 1024;
const MAX_TAG = 255;
const MAX_TAGS = 100;
const MAX_RETRIES = 100;
const MAX_RETRY_SECONDS = 31_536_000;
const MAX_ATTEMPTS = 1_000_000;
const SECURITY = ['none', 'opportunistic', 'required', 'verified'] as const;
/** Control characters (C0, DEL, C1), half surrogate pairs, and what is left of bytes that are no UTF-8. */
const UNCLEAN = /[\p{Cc}\p{Cs}\ufffd]/u;

/**
 * Takes single values and makes settings of them. Every `set…` returns what is wrong with the
 * value, or null; the words never hold the value itself, since it may be a password.
 */
export class SettingsDraft {
  readonly #settings: StatedSettings = {};
  #hostname: string | undefined;
  #port: number | null = null;
  #username = '';
  #password = '';

  /** The settings; `smarthost` is there when a hostname was given. */
  get settings(): StatedSettings {
    const hostname = this.#hostname;
    if (hostname === undefined) {
      return this.#settings;
    }
    const complete = this.#username !== '' && this.#password !== '';
    const login = complete
      ? { username: this.#username, password: new Secret(this.#password) }
      : null;
    return { ...this.#settings, smarthost: { hostname, port: this.#port, login } };
  }

  get hasHostname(): boolean {
    return this.#hostname !== undefined;
  }

  setHostname(text: string): string | null {
    const host = plainHost(text);
    this.#hostname = host ?? '';
    return host === null ? 'must be a hostname or an IP address' : null;
  }

  setPort(value: string | number): string | null {
    const port = typeof value === 'string' ? wholeNumber(value) : value;
    this.#port = port;
    return isWithin(port, 1, 65_535) ? null : 'must be a port from 1 to 65535';
  }

  setUsername(text: string): string | null {
    this.#username = text;
    return isClean(text, 0, MAX_USERNAME)
      ? null
      : `must be at most ${MAX_USERNAME} characters and no control characters`;
  }

  setPassword(text: string): string | null {
    this.#password = text;
    return isClean(text, 0, MAX_PASSWORD)
      ? null
      : `must be at most ${MAX_PASSWORD} characters and no control characters`;
  }

  setMaxAttempts(attempts: number): string | null {
    this.#settings.maxAttempts = attempts;
    return isWithin(attempts, 1, MAX_ATTEMPTS)
      ? null
      : `must be a whole number from 1 to ${MAX_ATTEMPTS}`;
  }

  setRetries(seconds: readonly number[]): string | null {
    this.#settings.retryIntervalsSeconds = [...seconds];
    const valid = seconds.every((wait) => isWithin(wait, 1, MAX_RETRY_SECONDS));
    return valid && isWithin(seconds.length, 1, MAX_RETRIES)
      ? null
      : `must be 1 to ${MAX_RETRIES} whole numbers of seconds`;
  }

  setMaxDeliverTime(text: string): string | null {
    const time = utcTime(text);
    this.#settings.notAfterMs = time ?? 0;
    return time === null ? NO_TIME : null;
  }

  /** Of several times the latest holds. */
  setNotBefore(field: string, text: string): string | null {
    const time = utcTime(text);
    if ((time ?? 0) >= (this.#settings.notBeforeMs ?? 0)) {
      this.#settings.notBeforeMs = time ?? 0;
      this.#settings.notBeforeField = field;
    }
    return time === null ? NO_TIME : null;
  }

  /** Adds to the tags that are there. */
  addTags(tags: readonly string[]): string | null {
    const all = [...(this.#settings.tags ?? []), ...tags];
    this.#settings.tags = [...new Set(all)];
    return all.length <= MAX_TAGS && tags.every((tag) => isClean(tag, 1, MAX_TAG))
      ? null
      : `must be at most ${MAX_TAGS} tags of 1 to ${MAX_TAG} characters`;
  }

  setSecurity(text: string): string | null {
    const security = SECURITY.find((level) => level === text.toLowerCase());
    this.#settings.security = security ?? 'verified';
    return security === undefined ? `must be one of ${SECURITY.join(', ')}` : null;
  }

  /** The sender's false is what nothing said is. */
  setRequireTls(asked: boolean): string | null {
    if (asked) {
      this.#settings.requireTls = true;
    }
    return null;
  }

  setNotify(text: string): string | null {
    const notify = parseNotify(withTightCommas(text));
    this.#settings.notify = notify ?? '';
    return notify === null ? 'must be NEVER, or a list of SUCCESS, FAILURE, DELAY' : null;
  }

  setRet(text: string): string | null {
    const ret = parseRet(text);
    this.#settings.ret = ret ?? 'HDRS';
    return ret === null ? 'must be FULL or HDRS' : null;
  }

  setOrcpt(text: string): string | null {
    const orcpt = encodeOrcpt(text);
    this.#settings.orcpt = orcpt ?? '';
    return orcpt === null ? 'must be an address type, a semicolon and an address' : null;
  }

  setEnvid(text: string): string | null {
    const envid = encodeEnvid(text);
    this.#settings.envid = envid ?? '';
    return envid === null ? 'must be printable ASCII of at most 100 characters as xtext' : null;
  }
}

const NO_TIME = 'must be a UTC time as YYYY-MM-DD HH:MM:SS';

/** Digits alone: no sign, no exponent, no white space. NaN for everything else. */
export function wholeNumber(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function isClean(text: string, least: number, most: number): boolean {
  return text.length >= least && text.length <= most && !UNCLEAN.test(text);
}

/** A hostname of letters, digits, hyphens and underscores, or an address, with or without brackets. */
function plainHost(text: string): string | null {
  const [, literal] = /^\[(?:ipv6:)?(.*)\]$/i.exec(text) ?? [];
  const address = literal ?? text;
  if (isIPv4(address) || (isIPv6(address) && !address.includes('%'))) {
    return address.toLowerCase();
  }
  const name = text.replace(/\.$/, '').toLowerCase();
  const valid =
    name.length <= MAX_HOSTNAME &&
    name.split('.').every((label) => /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/.test(label));
  return valid ? name : null;
}

/** Milliseconds of a time that exists, or null. */
function utcTime(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(text)) {
    return null;
  }
  const iso = `${text.replace(' ', 'T')}.000Z`;
  const time = Date.parse(iso);
  return !Number.isNaN(time) && new Date(time).toISOString() === iso ? time : null;
}

/** Without the white space around commas; that at both ends stays, and is a fault. */
function withTightCommas(text: string): string {
  const words = text.split(',');
  const last = words.length - 1;
  return words
    .map((word, index) => (index === 0 ? word : word.trimStart()))
    .map((word, index) => (index === last ? word : word.trimEnd()))
    .join(',');
}
