import { rootCertificates } from 'node:tls';
import { Secret } from './base/secret.js';
import type { NodeSettings } from './node-settings.js';

/** No setting is nested so deep. */
const MAX_DEPTH = 30;
const MASK = '[secret]';
const SECRET_NAMES = /^(password|passwords|secret|token|key|authorization)$/i;
const ROOTS_OF_NODE: ReadonlySet<string> = new Set(rootCertificates);

/**
 * The settings as JSON for people. Secrets are masked: those that are marked as such, keys, texts
 * under names of secrets, logins in URLs, and what the command for a token is given. Certificates are
 * counted, not shown.
 */
export function shownSettings(settings: NodeSettings): Record<string, unknown> {
  return shownFields(Object.entries(settings), 0);
}

function shown(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) return '…';
  switch (typeof value) {
    case 'string':
      return shownText(value);
    case 'number':
      return Number.isFinite(value) ? value : null;
    case 'bigint':
    case 'symbol':
      return String(value);
    case 'function':
    case 'undefined':
      return undefined;
    case 'boolean':
      return value;
    case 'object':
      return value === null ? null : shownObject(value, depth);
  }
}

function shownObject(value: object, depth: number): unknown {
  if (value instanceof Secret) return MASK;
  if (value instanceof RegExp) return String(value);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) {
    return shownFields(
      [...value].map(([name, one]) => [String(name), one] as const),
      depth,
    );
  }
  const list = value instanceof Set ? [...value] : value;
  return Array.isArray(list) ? shownList(list, depth) : shownFields(Object.entries(list), depth);
}

function shownFields(
  fields: ReadonlyArray<readonly [string, unknown]>,
  depth: number,
): Record<string, unknown> {
  return Object.fromEntries(
    fields
      .filter(([, value]) => typeof value !== 'function')
      .map(([name, value]) => [name, shownField(name, value, depth + 1)]),
  );
}

function shownField(name: string, value: unknown, depth: number): unknown {
  if (name === 'argv' && Array.isArray(value)) {
    // of a command that makes tokens, which may be told a secret
    return [shown(value[0], depth), ...value.slice(1).map(() => MASK)];
  }
  const isText = (one: unknown): boolean => typeof one === 'string';
  const isSecret = isText(value) || (Array.isArray(value) && value.some(isText));
  return isSecret && SECRET_NAMES.test(name) ? MASK : shown(value, depth);
}

function shownList(list: readonly unknown[], depth: number): unknown[] {
  const roots = list.filter((one) => typeof one === 'string' && ROOTS_OF_NODE.has(one)).length;
  const others = list
    .filter((one) => typeof one !== 'string' || !ROOTS_OF_NODE.has(one))
    .map((one) => shown(one, depth + 1) ?? null);
  return roots === 0 ? others : [`[the ${roots} roots of Node]`, ...others];
}

function shownText(text: string): string {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text)) return MASK;
  const certificates = text.match(/-----BEGIN CERTIFICATE/g)?.length ?? 0;
  if (certificates > 0) {
    return `[${certificates} ${certificates === 1 ? 'certificate' : 'certificates'}]`;
  }
  return text.replaceAll(/\/\/[^/?#\s]*@/g, `//${MASK}@`);
}
