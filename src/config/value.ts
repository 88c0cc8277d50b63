import { resolve } from 'node:path';
import { z } from 'zod';
import { Secret } from '../base/secret.js';
import { sizeText } from '../topology/size.js';
import { didYouMean } from '../topology/suggest.js';
import type { ConfigKeySpec } from './key.js';
import { CONFIG_KEYS, type ConfigKey, type ConfigValues } from './schema.js';

/** A value that was understood (null: empty, and so taken away), or what is wrong with it. */
export type ParsedValue =
  | { value: ConfigValues[ConfigKey] | null }
  | { problem: string; hint?: string };

/**
 * Understands the text of one key's value. Problems never quote a secret.
 *
 * @param baseDir Folder that a path is relative to.
 */
export function parseValue(key: ConfigKey, text: string, baseDir: string): ParsedValue {
  const spec: ConfigKeySpec = CONFIG_KEYS[key];
  if (text === '') {
    return spec.mayBeEmpty === true ? { value: null } : { problem: `${key} needs a value` };
  }
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001F\u007F]/.test(text)) {
    return { problem: `${key} must not hold control characters` };
  }
  const raw = understand(spec, text);
  const checked = raw === undefined ? undefined : spec.schema.safeParse(raw);
  if (checked?.success === true) {
    const value = checked.data as Exclude<ConfigValues[ConfigKey], Secret>;
    if (spec.form === 'secret') return { value: new Secret(String(value)) };
    return { value: spec.form === 'path' ? resolve(baseDir, String(value)) : value };
  }
  return explain(key, spec, text, checked?.error.issues[0]);
}

/** undefined: not of the form. */
function understand({ form }: ConfigKeySpec, text: string): unknown {
  switch (form) {
    case 'number':
      return wholeNumber(text);
    case 'numbers': {
      const numbers = listOf(text).map(wholeNumber);
      return numbers.includes(undefined) ? undefined : numbers;
    }
    case 'size':
      return wholeNumber(text) ?? text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'list':
      return listOf(text);
    default:
      return text;
  }
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function listOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((entry) => entry !== '');
}

function explain(
  key: ConfigKey,
  spec: ConfigKeySpec,
  text: string,
  issue: z.core.$ZodIssue | undefined,
): { problem: string; hint?: string } {
  if (spec.secret) return { problem: `${key} is longer than 1024 characters` };
  const hint =
    spec.schema instanceof z.ZodEnum
      ? didYouMean(text, spec.schema.options.map(String))
      : undefined;
  const must =
    (issue?.code === 'invalid_format' && issue.format === 'regex') || issue?.code === 'custom'
      ? issue.message
      : `must be ${expected(spec.schema, spec.form)}`;
  const problem = `${key} ${must}, got ${shown(faultyEntry(spec, text, issue))}`;
  return hint === undefined ? { problem } : { problem, hint };
}

/** Of a list the entry that is wrong, else the whole text. */
function faultyEntry(
  spec: ConfigKeySpec,
  text: string,
  issue: z.core.$ZodIssue | undefined,
): string {
  const at = issue?.path[0];
  if (typeof at === 'number') return listOf(text)[at] ?? text;
  if (spec.form !== 'numbers') return text;
  return listOf(text).find((entry) => wholeNumber(entry) === undefined) ?? text;
}

function expected(schema: z.ZodType, form: ConfigKeySpec['form']): string {
  if (schema instanceof z.ZodNumber) {
    const { minValue, maxValue } = schema;
    return maxValue === null || maxValue === Number.MAX_SAFE_INTEGER
      ? `a whole number of at least ${minValue}`
      : `a whole number from ${minValue} to ${maxValue}`;
  }
  if (schema instanceof z.ZodEnum) return `one of ${schema.options.join(', ')}`;
  if (form === 'size') return sizeRule(schema);
  if (schema instanceof z.ZodUnion) return 'an IP address';
  if (schema instanceof z.ZodArray) {
    const element = schema.element as z.ZodType;
    if (form === 'numbers') return `a list in which each entry is ${expected(element, 'number')}`;
    if (element instanceof z.ZodUnion) return 'networks such as 192.0.2.0/24 or 2001:db8::/32';
    return `a list of at most ${sizeLimit(schema)} entries`;
  }
  return form === 'boolean' ? 'true or false' : 'a text of at most 1024 characters';
}

function sizeRule(schema: z.ZodType): string {
  const options: readonly unknown[] = schema instanceof z.ZodUnion ? schema.options : [];
  const least = options.find((option) => option instanceof z.ZodNumber)?.minValue ?? 0;
  return `bytes, or a size as in 64MiB${least > 0 ? `, and at least ${sizeText(least)}` : ''}`;
}

function sizeLimit(schema: z.ZodType): string {
  const { maximum } = schema._zod.bag as { maximum?: number };
  return maximum === undefined ? 'some' : String(maximum);
}

function shown(text: string): string {
  // a `@` hints at user:password@host
  if (text.includes('@')) return 'a text with @';
  return `'${text.length > 60 ? `${text.slice(0, 57)}…` : text}'`;
}
