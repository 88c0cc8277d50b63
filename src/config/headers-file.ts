import { Secret } from '../base/secret.js';
import { isExportHeader, isHeaderValue, MAX_HEADERS } from '../topology/schema-otlp.js';
import type { ConfigFault } from './fault.js';
import { fileOrigin, type Origin } from './origin.js';

/** A header of the requests to a collector; all values count as secrets. */
export interface ConfigHeader {
  /** In lower case. */
  name: string;
  value: Secret;
  origin: Origin;
}

/**
 * Reads the lines of a headers file: `name: value`, white space around both left out. Lines that
 * begin with `#` are comments. No fault quotes what stands in the file.
 */
export function parseHeaders(
  file: string,
  text: string,
): { headers: ConfigHeader[]; faults: ConfigFault[] } {
  const headers = new Map<string, ConfigHeader>();
  const faults: ConfigFault[] = [];
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    if (row.trim() === '' || row.startsWith('#')) continue;
    const origin = fileOrigin(file, index + 1, 1);
    const colon = row.indexOf(':');
    const name = row.slice(0, Math.max(colon, 0)).trim().toLowerCase();
    const value = row.slice(colon + 1).trim();
    const message = problemOf(name, value, headers);
    if (message === undefined) headers.set(name, { name, value: new Secret(value), origin });
    else {
      faults.push({ ruleId: 'invalid-value', severity: 'error', message, where: origin.where });
    }
    if (faults.length >= MAX_HEADERS) break;
  }
  return { headers: [...headers.values()], faults };
}

function problemOf(
  name: string,
  value: string,
  known: ReadonlyMap<string, ConfigHeader>,
): string | undefined {
  if (name === '') return 'this is not a line of the form `name: value`';
  if (!isExportHeader(name)) return 'this is not the name of a header that can be set';
  if (!isHeaderValue(value)) return 'a value is 1 to 4096 printable ASCII characters';
  if (known.has(name)) return 'this header stands twice';
  return known.size >= MAX_HEADERS ? `there are more than ${MAX_HEADERS} headers` : undefined;
}
