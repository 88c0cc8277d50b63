import type { ConfigFault, ConfigRuleId } from './fault.js';
import { fileOrigin, type Origin } from './origin.js';
import { CONFIG_KEY_NAMES, isConfigKey, type ConfigKey } from './schema.js';
import { didYouMean, nearestName } from '../topology/suggest.js';

/** One `key: value` as it was given. */
export interface GivenValue {
  key: ConfigKey;
  text: string;
  /** Of the value. */
  origin: Origin;
}

/** Enough to mend; a file that is no configuration at all has a fault in every line. */
const MAX_FAULTS = 100;

const KEY_FORM = /^[\w.-]{1,63}$/;

/**
 * Reads the lines of a `--config` file: `key: value`. `#` begins a comment at the start of a line
 * and after white space, `;` at the start of a line. A value may stand in double quotes, in which
 * `\"` and `\\` are a quote and a backslash. All faults are found at once; none of them quotes a
 * value, nor what could be one.
 */
export function parseConfigText(
  file: string,
  text: string,
): { given: GivenValue[]; faults: ConfigFault[] } {
  const given = new Map<ConfigKey, GivenValue & { line: number }>();
  const faults: ConfigFault[] = [];
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const read = readLine(row);
    if (read === undefined) continue;
    const fault = (ruleId: ConfigRuleId, column: number, message: string, hint?: string): void => {
      const { where } = fileOrigin(file, line, column);
      const more = hint === undefined ? {} : { hint };
      faults.push({ ruleId, severity: 'error', message, ...more, where, line });
    };
    if ('problem' in read) {
      fault('syntax', read.column, read.problem, read.hint);
    } else if (!isConfigKey(read.key)) {
      const hint = didYouMean(read.key, CONFIG_KEY_NAMES);
      fault(
        'unknown-key',
        read.keyColumn,
        `unknown key '${read.key}'`,
        hint ?? '`relaymesh config reference` lists every key',
      );
    } else {
      const { key, value, keyColumn, valueColumn } = read;
      const first = given.get(key);
      if (first === undefined) {
        given.set(key, { key, text: value, line, origin: fileOrigin(file, line, valueColumn) });
      } else {
        fault(
          'duplicate-key',
          keyColumn,
          `${key} stands twice, in line ${first.line} and in line ${line}`,
          'keep one of them',
        );
      }
    }
    if (faults.length === MAX_FAULTS) {
      fault('syntax', 1, `what follows was not read: there are ${MAX_FAULTS} faults already`);
      break;
    }
  }
  return { given: [...given.values()], faults };
}

type Line =
  | { key: string; keyColumn: number; value: string; valueColumn: number }
  | { problem: string; hint?: string; column: number };

/** undefined: nothing but a comment or white space. */
function readLine(row: string): Line | undefined {
  const start = row.search(/\S/);
  if (start === -1 || row[start] === '#' || row[start] === ';') return undefined;
  const colon = row.indexOf(':', start);
  const key = row.slice(start, colon).trimEnd();
  if (colon === -1 || !KEY_FORM.test(key)) {
    const word = /^[\w.-]*/.exec(row.slice(start))?.[0] ?? '';
    const meant = nearestName(word, CONFIG_KEY_NAMES);
    return {
      problem: 'this is not a line of the form `key: value`',
      column: start + 1,
      ...(meant === undefined ? {} : { hint: `write '${meant}: …'` }),
    };
  }
  const rest = row.slice(colon + 1);
  const begin = rest.search(/\S/);
  const valueColumn = begin === -1 ? colon + 2 : colon + 2 + begin;
  const found = { key, keyColumn: start + 1, valueColumn };
  if (begin !== -1 && rest[begin] === '"') {
    const value = quoted(rest.slice(begin));
    return value === undefined
      ? {
          problem: `the quotes around the value of '${key}' do not end`,
          column: valueColumn,
          hint: 'after the closing quote only a comment may follow',
        }
      : { ...found, value };
  }
  const comment = rest.search(/\s#/);
  return { ...found, value: (comment === -1 ? rest : rest.slice(0, comment)).trim() };
}

/** The inside of `"…"` with nothing but white space or a comment behind it; else undefined. */
function quoted(text: string): string | undefined {
  const match = /^"((?:[^"\\]|\\.)*)"(?:\s+#.*|\s*)$/.exec(text);
  return match?.[1]?.replaceAll(/\\(["\\])/g, '$1');
}
