/**
 * Forms of values that were read back: whether one is of the type that it is taken for. Only what
 * somebody relies on is looked at; members that no form names are let through, since a later version
 * may have written them.
 */
export type Form = (value: unknown) => boolean;

type Members = Readonly<Record<string, Form>>;

/** The last moment of a `Date`, either way, in milliseconds. */
const LAST_MS = 8.64e15;

export const isText: Form = (value) => typeof value === 'string';

export const isFlag: Form = (value) => typeof value === 'boolean';

/** Neither NaN nor infinite: those have no JSON. */
export const isNumber: Form = (value) => Number.isFinite(value);

/** A whole number from 0 on. */
export const isCount: Form = (value) => Number.isSafeInteger(value) && (value as number) >= 0;

/** Milliseconds since 1970 of a moment that can be written down. */
export const isMoment: Form = (value) => typeof value === 'number' && Math.abs(value) <= LAST_MS;

/** ISO 8601. */
export const isTime: Form = (value) => typeof value === 'string' && isMoment(Date.parse(value));

export function orNull(form: Form): Form {
  return (value) => value === null || form(value);
}

/** @param words the only ones that there are */
export function oneOf(words: readonly string[]): Form {
  const known: ReadonlySet<unknown> = new Set(words);
  return (value) => known.has(value);
}

export function listOf(form: Form): Form {
  return (value) => Array.isArray(value) && value.every(form);
}

/** An object. @param optional members that may be absent */
export function objectOf(members: Members, optional: Members = {}): Form {
  const [needed, others] = [Object.entries(members), Object.entries(optional)];
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return false;
    }
    const object = value as Record<string, unknown>;
    const isOf = ([key, form]: [string, Form]): boolean => form(own(object, key));
    return needed.every(isOf) && others.every((one) => !Object.hasOwn(object, one[0]) || isOf(one));
  };
}

function own(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
