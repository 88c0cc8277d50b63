import { z } from 'zod';
import type { Path, RuleId } from './fault.js';
import { topologySchema } from './schema.js';
import { didYouMean, nearestName } from './suggest.js';

/** A fault of form, before it has a position. */
export interface Finding {
  ruleId: RuleId;
  path: Path;
  part: 'key' | 'value';
  message: string;
  hint?: string;
  /** The key that is missing at `path`. */
  missing?: string;
  /** The key that an unknown one was probably meant as. */
  meant?: string;
  /** It is about which keys the mapping at `path` has. */
  ofMapping?: true;
}

type Issue = z.core.$ZodIssue;
type Schema = z.core.$ZodType;
type Mapping = Record<string, unknown>;

/**
 * Turns the schema's issues into sentences for people. A value is quoted only where no secret can
 * stand.
 */
export function explainIssues(issues: readonly Issue[], root: unknown): Finding[] {
  const findings = issues.flatMap((issue) => explain(issue, [], root));
  const misspelt = new Set(
    findings.flatMap(({ path, meant }) =>
      meant === undefined
        ? []
        : [placeOf(path.slice(0, -1)), placeOf([...path.slice(0, -1), meant])],
    ),
  );
  // a key is not missing that stands there with a slip in its name
  return findings.filter(
    ({ path, missing, ofMapping }) =>
      !(missing !== undefined && misspelt.has(placeOf([...path, missing]))) &&
      !(ofMapping === true && misspelt.has(placeOf(path))),
  );
}

function placeOf(path: Path): string {
  return JSON.stringify(path);
}

function explain(issue: Issue, prefix: Path, root: unknown): Finding[] {
  const path = [...prefix, ...issue.path.map(pathKey)];
  switch (issue.code) {
    case 'unrecognized_keys':
      return unknownKeys(path, issue.keys, valueAt(root, path));
    case 'invalid_key':
      return [badName(path, issue.issues[0]?.message ?? 'is not a valid name')];
    case 'invalid_union': {
      const value = valueAt(root, path);
      if (Array.isArray(value)) return explainList(issue, path, root);
      const ofForm = typeof value === 'string' ? aboutForm(issue.errors) : undefined;
      if (ofForm !== undefined) return [wrongValue(ofForm, path, root)];
      const branches = isMapping(value) ? objectBranches(issue.errors, path) : [];
      return branches.length === 0
        ? [wrongValue(issue, path, root)]
        : explainMapping(branches, path, value as Mapping, root);
    }
    default:
      return [wrongValue(issue, path, root)];
  }
}

/** Where a text may stand beside something else: what is wrong with how it is written. */
function aboutForm(errors: ReadonlyArray<readonly Issue[]>): Issue | undefined {
  return errors
    .flat()
    .find(
      ({ code, path, ...issue }) =>
        path.length === 0 && (code === 'custom' || ('format' in issue && issue.format === 'regex')),
    );
}

/** A list where a list may stand, with a fault inside. */
function explainList(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: Path,
  root: unknown,
): Finding[] {
  const index = schemasAt(path).findIndex((schema) => schema instanceof z.ZodArray);
  const inside = issue.errors[index] ?? [];
  return inside.length === 0
    ? [wrongValue(issue, path, root)]
    : inside.flatMap((one) => explain(one, path, root));
}

/** The forms of a union that a mapping may be meant as, with their issues. */
function objectBranches(
  errors: ReadonlyArray<readonly Issue[]>,
  path: Path,
): { keys: string[]; issues: readonly Issue[] }[] {
  const schemas = schemasAt(path);
  return errors.flatMap((issues, index) => {
    const schema = schemas[index];
    return schema instanceof z.ZodObject ? [{ keys: Object.keys(schema.shape), issues }] : [];
  });
}

function explainMapping(
  branches: { keys: string[]; issues: readonly Issue[] }[],
  path: Path,
  value: Mapping,
  root: unknown,
): Finding[] {
  const allKeys = new Set(branches.flatMap((branch) => branch.keys));
  const given = Object.keys(value);
  const unknown = given.filter((key) => !allKeys.has(key)).map((key) => unknownKey(path, key));
  const known = given.filter((key) => allKeys.has(key));
  if (known.length === 0 && branches.length > 1) {
    if (unknown.length > 0) return unknown;
    const message = `${placeName(path)} needs one of ${[...allKeys].map(quote).join(', ')}`;
    return [{ ruleId: 'missing-key', path, part: 'key', message }];
  }
  const foreign = (branch: { keys: string[] }) =>
    known.filter((key) => !branch.keys.includes(key)).length;
  const [best] = [...branches].sort(
    (a, b) => foreign(a) - foreign(b) || a.issues.length - b.issues.length,
  );
  if (best === undefined) return unknown;
  if (foreign(best) > 0) {
    return [...unknown, excluding(path, known)];
  }
  const rest = best.issues.filter(
    (issue) => issue.code !== 'unrecognized_keys' || issue.path.length > 0,
  );
  return [...unknown, ...rest.flatMap((issue) => explain(issue, path, root))];
}

function formsAt(path: Path): string[][] {
  return schemasAt(path).flatMap((schema) =>
    schema instanceof z.ZodObject ? [Object.keys(schema.shape)] : [],
  );
}

/** Keys that one form of the mapping does not have: another form may. */
function unknownKeys(path: Path, keys: readonly string[], value: unknown): Finding[] {
  return keys.map((key) => {
    const form = formsAt(path).find((known) => known.includes(key));
    const given = Object.keys(isMapping(value) ? value : {});
    const other = given.find((one) => form !== undefined && !form.includes(one));
    return other === undefined ? unknownKey(path, key) : excluding(path, [other, key]);
  });
}

function excluding(path: Path, keys: readonly string[]): Finding {
  const message = `${keys.map(quote).join(' and ')} exclude each other in ${placeName(path)}`;
  return { ruleId: 'invalid-value', path, part: 'key', message };
}

function unknownKey(path: Path, key: string): Finding {
  const known = formsAt(path).flat();
  const meant = nearestName(key, known);
  return {
    ruleId: 'unknown-key',
    path: [...path, key],
    part: 'key',
    // what follows a colon without a space was meant as the value, perhaps a password
    message: `unknown key ${shownText(key.replace(/:.+/s, ':…'))} in ${placeName(path)}`,
    ...(meant === undefined ? {} : { meant }),
    hint:
      didYouMean(key, known) ??
      (key.includes(':')
        ? 'write a space after the colon'
        : `known here: ${[...new Set(known)].toSorted().join(', ')}`),
  };
}

function badName(path: Path, rule: string): Finding {
  const name = String(path.at(-1));
  const reason = rule.startsWith('must') ? rule : 'must not be empty';
  return {
    ruleId: 'invalid-value',
    path,
    part: 'key',
    message: `${shownText(name)} is not a name for an entry of ${placeName(path.slice(0, -1))}: it ${reason}`,
  };
}

function wrongValue(issue: Issue, path: Path, root: unknown): Finding {
  const value = valueAt(root, path);
  const label = labelOf(path);
  if (value === undefined && path.length > 0) {
    const parent = path.slice(0, -1);
    const message = `${placeName(parent)} needs ${label}: ${expectedAt(path)}`;
    return {
      ruleId: 'missing-key',
      path: parent,
      part: 'key',
      message,
      missing: String(path.at(-1)),
    };
  }
  if (mayBeSecret(path)) return secretFinding(path, label, value);
  const found = (message: string, hint?: string): Finding => ({
    ruleId: 'invalid-value',
    path,
    part: 'value',
    message,
    ...(hint === undefined ? {} : { hint }),
  });
  if (issue.code === 'custom' || (issue.code === 'invalid_format' && issue.format === 'regex')) {
    const finding = found(
      `${label} ${issue.message}${issue.code === 'custom' ? '' : gotText(value)}`,
    );
    return isMapping(value) ? { ...finding, ofMapping: true } : finding;
  }
  if (
    (issue.code === 'too_small' || issue.code === 'too_big') &&
    (Array.isArray(value) || typeof value === 'string')
  ) {
    return found(`${label} ${sizeRule(issue, Array.isArray(value) ? 'entries' : 'characters')}`);
  }
  const choices = choicesAt(path);
  const hint =
    typeof value === 'string'
      ? (didYouMean(value, choices) ??
        (schemasAt(path).some((schema) => schema instanceof z.ZodNumber) && /^\d+$/.test(value)
          ? 'take the quotes away'
          : undefined))
      : value === null
        ? 'leave the key out, or give it a value'
        : undefined;
  return found(`${label} must be ${expectedAt(path)}${gotText(value)}`, hint);
}

function sizeRule(issue: Issue, unit: string): string {
  if (issue.code === 'too_small') {
    return Number(issue.minimum) === 1 ? 'must not be empty' : `needs ${issue.minimum} ${unit}`;
  }
  return issue.code === 'too_big' ? `may have at most ${issue.maximum} ${unit}` : 'is too large';
}

/** Passwords, tokens and secrets: what stands there is never quoted. */
function mayBeSecret(path: Path): boolean {
  return (
    (path[0] === 'secrets' && path.length > 1) ||
    // the first two are the group and the name of the entry
    path.slice(2).some((key) => /^token$|^also-accept$|^headers$|password$/.test(String(key)))
  );
}

/** The token of a login with XOAUTH2; that of an API is a secret. */
function isAccessToken(path: Path): boolean {
  return path.includes('token', 2) && path.includes('smarthost', 2);
}

function secretFinding(path: Path, label: string, value: unknown): Finding {
  const message = `${label} must be ${expectedAt(path)}`;
  if (typeof value !== 'string' && typeof value !== 'number') {
    return { ruleId: 'invalid-value', path, part: 'value', message };
  }
  const inSecrets = path[0] === 'secrets';
  return {
    ruleId: 'cleartext-secret',
    path,
    part: 'value',
    message: `${inSecrets ? `secret ${label}` : label} is written in clear; a topology only names its secrets`,
    hint: inSecrets
      ? 'write { env: VARIABLE }, { file: PATH } or { generate: true }'
      : isAccessToken(path)
        ? 'write { file: PATH } or { command: [PROGRAM, ARGUMENT, …] }'
        : 'write { secret: NAME } and declare NAME under `secrets`',
  };
}

/** What may stand at `path`, for the end of a sentence. */
function expectedAt(path: Path): string {
  const key = path.at(-1);
  if (key === 'token' && isAccessToken(path)) return 'a reference such as { file: PATH }';
  if (/^token$|password$/.test(String(key))) return 'a reference such as { secret: NAME }';
  const schemas = schemasAt(path);
  if (schemas.some((schema) => schema instanceof z.ZodCIDRv4)) {
    return 'an address or a network such as 192.0.2.0/24 or 2001:db8::/32';
  }
  return [...new Set(schemas.map(expected))].join(' or ');
}

function expected(schema: Schema): string {
  if (schema instanceof z.ZodNumber) {
    const { minValue, maxValue } = schema;
    return maxValue === null || maxValue === Number.MAX_SAFE_INTEGER
      ? `a whole number of at least ${minValue}`
      : `a whole number from ${minValue} to ${maxValue}`;
  }
  if (schema instanceof z.ZodLiteral) return [...schema.values].map(String).join(' or ');
  if (schema instanceof z.ZodEnum) return `one of ${schema.options.join(', ')}`;
  if (schema instanceof z.ZodBoolean) return 'true or false';
  if (schema instanceof z.ZodArray) return 'a list';
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return 'a mapping';
  return (schema instanceof z.ZodString ? schema.meta()?.title : undefined) ?? 'text';
}

function choicesAt(path: Path): string[] {
  return schemasAt(path).flatMap((schema) => {
    if (schema instanceof z.ZodEnum) return schema.options.map(String);
    return schema instanceof z.ZodLiteral ? [...schema.values].map(String) : [];
  });
}

/** Every form that the schema allows at `path`. */
function schemasAt(path: Path): Schema[] {
  let schemas = alternatives(topologySchema);
  for (const key of path) {
    schemas = schemas.flatMap((schema) => {
      if (schema instanceof z.ZodArray) return alternatives(schema.element);
      if (schema instanceof z.ZodRecord) return alternatives(schema.valueType);
      if (!(schema instanceof z.ZodObject)) return [];
      const shape = schema.shape as Record<string, Schema>;
      const next = Object.hasOwn(shape, key) ? shape[key] : undefined;
      return next === undefined ? [] : alternatives(next);
    });
  }
  return schemas;
}

function alternatives(schema: Schema): Schema[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    return alternatives(schema.unwrap());
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => alternatives(option));
  return [schema];
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Mapping)[key];
  }
  return value;
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pathKey(key: PropertyKey): string | number {
  return typeof key === 'symbol' ? String(key) : key;
}

/** The key, or the place in its list. */
function labelOf(path: Path): string {
  const key = path.at(-1);
  if (key === undefined) return 'a topology';
  return typeof key === 'number' ? `entry ${key + 1} of ${String(path.at(-2))}` : key;
}

const LISTS: Record<string, string> = {
  listen: 'listener',
  users: 'user',
  links: 'link',
  routes: 'route',
};
const RECORDS: Record<string, string> = { nodes: 'node', sinks: 'sink', secrets: 'secret' };

/** A name for people for the mapping at `path`, such as `listener 1 of node 'edge'`. */
export function placeName(path: Path): string {
  const key = path.at(-1);
  if (key === undefined) return 'the topology';
  const outer = path.at(-2);
  if (typeof key === 'number') {
    const noun = `${LISTS[String(outer)] ?? `${String(outer)} entry`} ${key + 1}`;
    return path.length === 2 ? noun : `${noun} of ${placeName(path.slice(0, -2))}`;
  }
  if (path.length === 1) return quote(key);
  const noun = path.length === 2 ? RECORDS[String(outer)] : undefined;
  return noun === undefined
    ? `${quote(key)} of ${placeName(path.slice(0, -1))}`
    : `${noun} '${shorten(key)}'`;
}

function gotText(value: unknown): string {
  if (typeof value === 'string') {
    // a `@` hints at user:password@host
    return value.includes('@') ? '' : `, got ${shownText(value)}`;
  }
  if (value === null) return ', got nothing';
  if (Array.isArray(value)) return ', got a list';
  if (typeof value === 'number' || typeof value === 'boolean') return `, got ${value}`;
  return ', got a mapping';
}

function shownText(text: string): string {
  return `'${shorten(text)}'`;
}

function shorten(text: string): string {
  // eslint-disable-next-line no-control-regex
  const oneLine = text.replaceAll(/[\u0000-\u001F\u007F]/g, '?');
  return oneLine.length > 60 ? `${oneLine.slice(0, 57)}…` : oneLine;
}

function quote(key: string): string {
  return `\`${key}\``;
}
