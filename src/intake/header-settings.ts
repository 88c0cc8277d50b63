import { fieldValue, type HeaderField } from '../format/header.js';
import { SettingsDraft, wholeNumber, type StatedSettings } from './message-settings.js';

/** Every field whose name begins so is for a relay and leaves no node. */
export const STEERING_PREFIX = 'x-mq-';

/** Names that are remembered, and how much of each. */
const MAX_NAMES = 20;
const MAX_NAME_LENGTH = 100;
/** Of a value with its folds; no setting is nearly as long. */
const MAX_VALUE_BYTES = 16_384;

type SetValue = (draft: SettingsDraft, value: string) => string | null;

const FIELDS: ReadonlyMap<string, SetValue> = new Map<string, SetValue>([
  ['x-mq-smarthost-hostname', (draft, value) => draft.setHostname(value)],
  ['x-mq-smarthost-port', (draft, value) => draft.setPort(value)],
  ['x-mq-smarthost-username', (draft, value) => draft.setUsername(value)],
  ['x-mq-smarthost-password', (draft, value) => draft.setPassword(value)],
  ['x-mq-maxattempts', (draft, value) => draft.setMaxAttempts(wholeNumber(value))],
  ['x-mq-maxdelivertime', (draft, value) => draft.setMaxDeliverTime(value)],
  ['x-mq-retries', (draft, value) => draft.setRetries(listOf(value).map(wholeNumber))],
  ['x-mq-delayed', (draft, value) => draft.setNotBefore('x-mq-delayed', value)],
  ['x-mq-nextattempt', (draft, value) => draft.setNotBefore('x-mq-nextattempt', value)],
  ['x-mq-tag', (draft, value) => draft.addTags([value])],
  ['x-mq-tags', (draft, value) => draft.addTags(listOf(value))],
  ['x-mq-dsn-notify', (draft, value) => draft.setNotify(value)],
  ['x-mq-dsn-ret', (draft, value) => draft.setRet(value)],
  ['x-mq-dsn-orcpt', (draft, value) => draft.setOrcpt(value)],
  ['x-mq-dsn-envid', (draft, value) => draft.setEnvid(value)],
  ['x-mq-security', (draft, value) => draft.setSecurity(value)],
]);

/** What the `x-mq-` fields of a message say to its relay. */
export interface HeaderSettings {
  settings: StatedSettings;
  /** The name of a field and what is wrong with it; null when all are in order. */
  fault: string | null;
}

/** Reads the fields of somebody who may steer. Fields that nobody knows are passed over. */
export function readHeaderSettings(
  section: Buffer,
  fields: readonly HeaderField[],
): HeaderSettings {
  const draft = new SettingsDraft();
  const seen = new Set<string>();
  let fault: string | null = null;
  for (const field of fields) {
    const set = FIELDS.get(field.name);
    if (set === undefined) {
      continue;
    }
    const wrong = seen.has(field.name) ? 'stands twice' : setField(draft, set, section, field);
    seen.add(field.name);
    fault ??= wrong === null ? null : `${field.name} ${wrong}`;
  }
  const [stray] = [...seen].filter((name) => name.startsWith('x-mq-smarthost-'));
  if (stray !== undefined && !draft.hasHostname) {
    fault ??= `${stray} needs x-mq-smarthost-hostname`;
  }
  return { settings: draft.settings, fault };
}

/** Names of the fields that nobody obeys, for the trace: without repetitions, bounded. */
export function ignoredNames(fields: readonly HeaderField[], obeyed: boolean): string[] {
  if (fields.length === 0) {
    return [];
  }
  const names = fields
    .map(({ name }) => name)
    .filter((name) => !obeyed || !FIELDS.has(name))
    .map((name) => name.slice(0, MAX_NAME_LENGTH));
  return [...new Set(names)].slice(0, MAX_NAMES);
}

function setField(
  draft: SettingsDraft,
  set: SetValue,
  section: Buffer,
  field: HeaderField,
): string | null {
  return field.end - field.valueStart > MAX_VALUE_BYTES
    ? 'is too long'
    : set(draft, fieldValue(section, field, MAX_VALUE_BYTES));
}

function listOf(value: string): string[] {
  return value.split(',').map((part) => part.trim());
}
