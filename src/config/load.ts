import { dirname, resolve } from 'node:path';
import { RelayError } from '../base/errors.js';
import { nearestName } from '../topology/suggest.js';
import { describeConfigFault, inLineOrder, InvalidConfigError, type ConfigFault } from './fault.js';
import { parseConfigText, type GivenValue } from './file.js';
import { parseHeaders, type ConfigHeader } from './headers-file.js';
import { isHigher, variableOf, type Origin } from './origin.js';
import { readText } from './read-text.js';
import {
  CONFIG_KEY_NAMES,
  CONFIG_KEYS,
  EXCLUDING_KEYS,
  type ConfigKey,
  type ConfigValues,
} from './schema.js';
import { parseUsers, type ConfigUser } from './users-file.js';
import { parseValue } from './value.js';

/** Where flat keys are looked for, from the lowest level to the highest. */
export interface ConfigSources {
  /** The `--config` file. */
  file?: string;
  /** Variables `RELAYMESH_…`; others are not looked at. */
  environment: Readonly<Record<string, string | undefined>>;
  /** What the command line says; must hold no secret (`refuseSecretInArgv`). */
  argv: Readonly<Partial<Record<ConfigKey, string>>>;
}

type Settings = ReadonlyMap<ConfigKey, { value: unknown; origin: Origin }>;

const PREFIX = 'RELAYMESH_';
/** Variables that are ours and no keys. */
const OTHER_VARIABLES = new Set(['RELAYMESH_API_TOKEN', 'RELAYMESH_DEBUG', 'RELAYMESH_URL']);

/** The flat keys of one node: of each the value of the highest level that names it. */
export class Config {
  readonly #settings: ReadonlyMap<ConfigKey, { value: unknown; origin: Origin }>;

  constructor(
    settings: ReadonlyMap<ConfigKey, { value: unknown; origin: Origin }>,
    /** Of the users file. */
    readonly users: readonly ConfigUser[],
    /** Of the headers file. */
    readonly headers: readonly ConfigHeader[],
    readonly warnings: readonly ConfigFault[],
    /** The `--config` file, if there is one. */
    readonly file: string | undefined,
  ) {
    this.#settings = settings;
  }

  /** undefined: no level names the key. null: the value was taken away. */
  value<K extends ConfigKey>(key: K): ConfigValues[K] | null | undefined {
    return this.#settings.get(key)?.value as ConfigValues[K] | null | undefined;
  }

  origin(key: ConfigKey): Origin | undefined {
    return this.#settings.get(key)?.origin;
  }

  has(key: ConfigKey): boolean {
    return this.#settings.has(key);
  }
}

/**
 * Reads the flat keys of all levels, at the start and at SIGHUP. All faults are found at once.
 *
 * @throws RelayError CONFIG_UNREADABLE when there is no file to read, CONFIG_INVALID with all that
 *   is wrong.
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const faults: ConfigFault[] = [];
  const given = [
    ...(sources.file === undefined ? [] : await readConfigFile(sources.file, faults)),
    ...readEnvironment(sources.environment, faults),
    ...readArgv(sources.argv),
  ];
  const settings = new Map<ConfigKey, { value: unknown; origin: Origin }>();
  for (const { key, text, origin } of given) {
    const baseDir = origin.position === undefined ? '.' : dirname(resolve(origin.position.file));
    const parsed = parseValue(key, text, baseDir);
    if ('value' in parsed) {
      // levels come in order, so a higher one replaces a lower one
      settings.set(key, { value: parsed.value, origin });
    } else {
      const { problem: message, hint } = parsed;
      const more = hint === undefined ? {} : { hint };
      faults.push({
        ruleId: 'invalid-value',
        severity: 'error',
        message,
        ...more,
        ...placeOf(origin),
      });
    }
  }
  settleExclusions(settings, faults);
  const users = await readUsers(settings, faults);
  const headers = await readHeaders(settings, faults);
  const errors = faults.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new InvalidConfigError(inLineOrder(errors).map(describeConfigFault));
  return new Config(settings, users, headers, faults, sources.file);
}

/**
 * Refuses a secret on the command line, where every user of the machine can read it.
 *
 * @throws RelayError SECRET_IN_ARGV; the value is not part of it.
 */
export function refuseSecretInArgv(key: ConfigKey): never {
  throw new RelayError('SECRET_IN_ARGV', `--${key} is not taken from the command line`, {
    fault: 'operator',
    where: `command line --${key}`,
    hint: `every user of this machine can read a command line: write --${key}-file=PATH, or set ${variableOf(key)}`,
  });
}

async function readConfigFile(file: string, faults: ConfigFault[]): Promise<GivenValue[]> {
  const read = await readText(file);
  if ('problem' in read) {
    if (read.ruleId === 'unreadable-file') {
      throw new RelayError('CONFIG_UNREADABLE', `the config file cannot be read: ${read.problem}`, {
        fault: 'operator',
        where: file,
        hint: 'check the path, which is relative to the current folder, and the permissions',
      });
    }
    faults.push({
      ruleId: read.ruleId,
      severity: 'error',
      message: `the config file cannot be used: ${read.problem}`,
      where: file,
    });
    return [];
  }
  const { given, faults: found } = parseConfigText(file, read.text);
  faults.push(...found);
  const exposed = given.find(({ key, text }) => CONFIG_KEYS[key].secret && text !== '');
  if (exposed !== undefined && read.readableByOthers) {
    faults.push(readableByOthers(placeOf(exposed.origin), file));
  }
  return given;
}

function readEnvironment(
  environment: ConfigSources['environment'],
  faults: ConfigFault[],
): GivenValue[] {
  const keys = new Map(CONFIG_KEY_NAMES.map((key) => [variableOf(key), key]));
  const keyWords = [...keys.keys()].map((name) => name.slice(PREFIX.length));
  return Object.entries(environment).flatMap(([variable, text]): GivenValue[] => {
    if (!variable.startsWith(PREFIX) || text === undefined) return [];
    const where = `environment ${variable}`;
    const key = keys.get(variable);
    if (key !== undefined) return [{ key, text, origin: { level: 'environment', where } }];
    if (!OTHER_VARIABLES.has(variable)) {
      const meant = nearestName(variable.slice(PREFIX.length), keyWords);
      const hint = meant === undefined ? undefined : `did you mean ${PREFIX}${meant}?`;
      const more = hint === undefined ? {} : { hint };
      faults.push({
        ruleId: 'unknown-variable',
        severity: 'warning',
        message: 'no key has this name',
        ...more,
        where,
      });
    }
    return [];
  });
}

function readArgv(argv: ConfigSources['argv']): GivenValue[] {
  return (Object.entries(argv) as [ConfigKey, string][]).map(([key, text]) => {
    if (CONFIG_KEYS[key].secret) refuseSecretInArgv(key);
    return { key, text, origin: { level: 'command line', where: `command line --${key}` } };
  });
}

/** Of keys that exclude each other the highest level decides; an empty one excludes nothing. */
function settleExclusions(
  settings: Map<ConfigKey, { value: unknown; origin: Origin }>,
  faults: ConfigFault[],
): void {
  for (const keys of EXCLUDING_KEYS) {
    const named = keys.flatMap((key) => {
      const setting = settings.get(key);
      return setting === undefined ? [] : [{ key, ...setting }];
    });
    const highest = named.filter(
      ({ origin }) => !named.some((other) => isHigher(other.origin.level, origin.level)),
    );
    for (const { key } of named) {
      if (!highest.some((one) => one.key === key)) settings.delete(key);
    }
    const full = highest.filter(({ value }) => value !== null);
    const last = full.at(-1);
    if (full.length > 1 && last !== undefined) {
      const others = full.slice(0, -1).map(({ key, origin }) => `${key} (${origin.where})`);
      faults.push({
        ruleId: 'excluding-keys',
        severity: 'error',
        message: `${last.key} and ${others.join(' and ')} exclude each other`,
        hint: 'keep one of them',
        ...placeOf(last.origin),
      });
    }
  }
}

async function readUsers(settings: Settings, faults: ConfigFault[]): Promise<ConfigUser[]> {
  const read = await readNamed('users-file', settings, faults);
  if (read === undefined) return [];
  const { users, faults: found } = parseUsers(read.file, read.text);
  faults.push(...found);
  return users;
}

async function readHeaders(settings: Settings, faults: ConfigFault[]): Promise<ConfigHeader[]> {
  const read = await readNamed('otlp-headers-file', settings, faults);
  if (read === undefined) return [];
  const { headers, faults: found } = parseHeaders(read.file, read.text);
  faults.push(...found);
  return headers;
}

/** The text of the file that a key names; undefined when there is none to go on with. */
async function readNamed(
  key: 'users-file' | 'otlp-headers-file',
  settings: Settings,
  faults: ConfigFault[],
): Promise<{ file: string; text: string } | undefined> {
  const setting = settings.get(key);
  if (setting === undefined || setting.value === null) return undefined;
  const file = setting.value as string;
  const place = placeOf(setting.origin);
  const read = await readText(file);
  if ('problem' in read) {
    const { ruleId, problem } = read;
    faults.push({
      ruleId,
      severity: 'error',
      message: `${key} ${file} cannot be used: ${problem}`,
      ...place,
    });
    return undefined;
  }
  if (read.readableByOthers) faults.push(readableByOthers(place, file));
  return { file, text: read.text };
}

function readableByOthers(place: Pick<ConfigFault, 'where' | 'line'>, file: string): ConfigFault {
  return {
    ruleId: 'readable-by-others',
    severity: 'warning',
    message: `${file} holds passwords and every user of this machine can read it`,
    hint: `chmod o-rwx ${file}`,
    ...place,
  };
}

function placeOf({ where, position }: Origin): Pick<ConfigFault, 'where' | 'line'> {
  return position === undefined ? { where } : { where, line: position.line };
}
