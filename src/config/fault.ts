import { RelayError } from '../base/errors.js';

/** What can be wrong with flat keys. The names are stable; scripts filter by them. */
export type ConfigRuleId =
  | 'duplicate-key'
  | 'excluding-keys'
  | 'file-too-large'
  | 'invalid-value'
  | 'login-elsewhere'
  | 'missing-key'
  | 'not-utf8'
  | 'readable-by-others'
  | 'syntax'
  | 'unknown-key'
  | 'unknown-variable'
  | 'unreadable-file'
  | 'unused-key';

/** One thing that is wrong or doubtful. Never holds a secret. */
export interface ConfigFault {
  ruleId: ConfigRuleId;
  severity: 'error' | 'warning';
  /** For people; no full stop at the end. */
  message: string;
  /** What to do about it. */
  hint?: string;
  /** `FILE:LINE:COL`, `environment RELAYMESH_X` or `command line --x`. */
  where: string;
  /** Of `where`, if it has one. */
  line?: number;
}

/** Faults with a line in the order of the file, the others behind them as they are. */
export function inLineOrder(faults: readonly ConfigFault[]): ConfigFault[] {
  const lineOf = ({ line }: ConfigFault): number => line ?? Number.MAX_SAFE_INTEGER;
  return [...faults].sort((a, b) => lineOf(a) - lineOf(b));
}

/** `WHERE: error: message [rule-id]` and, indented below, the hint. */
export function describeConfigFault(fault: ConfigFault): string {
  const hint = fault.hint === undefined ? '' : `\n    ${fault.hint}`;
  return `${fault.where}: ${fault.severity}: ${fault.message} [${fault.ruleId}]${hint}`;
}

/** Flat keys with faults; the message lists all of them. Code CONFIG_INVALID. */
export class InvalidConfigError extends RelayError {
  /** @param faults Each as one text, as `describeConfigFault` writes it. */
  constructor(readonly faults: readonly string[]) {
    const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`;
    super('CONFIG_INVALID', `the configuration has ${count}:\n${faults.join('\n')}`, {
      fault: 'operator',
      hint: 'nothing was changed; `relaymesh config reference` lists every key',
    });
  }
}
