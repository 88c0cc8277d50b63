import { readFile, stat } from 'node:fs/promises';
import { isMap, isNode, isScalar, parseAllDocuments, type Document } from 'yaml';
import { z } from 'zod';
import { messageOf, RelayError } from '../base/errors.js';
import { LinePlaces } from '../format/line-places.js';
import { faultRuleSchema } from './fault-rule.js';
import { MAX_FAULT_RULES, type FaultRule } from './faults.js';

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_REPORTED = 20;

const rulesSchema = z
  .array(faultRuleSchema, { error: 'must be a list of rules' })
  .max(MAX_FAULT_RULES);

/**
 * Reads the rules of a faults file, YAML or JSON.
 * @throws RelayError SINK_FAULTS_UNREADABLE, or SINK_FAULTS_INVALID with FILE:LINE:COL of each fault
 */
export async function loadFaults(file: string): Promise<FaultRule[]> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new RelayError('SINK_FAULTS_UNREADABLE', messageOf(error), {
      fault: 'operator',
      where: file,
      cause: error,
    });
  }
  return parseFaults(text, file);
}

/**
 * The rules in `text`; `file` is for messages only. Unknown keys and several documents are refused.
 * @throws RelayError SINK_FAULTS_INVALID with FILE:LINE:COL of each fault, at most 20 of them
 */
export function parseFaults(text: string, file: string): FaultRule[] {
  const places = new LinePlaces(text);
  const documents = parseAllDocuments(text, { prettyErrors: false });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  const place = (offset: number): string => {
    const { line, column } = places.at(offset);
    return `${file}:${line}:${column}`;
  };
  if (document === undefined) throw invalid([[place(0), 'must be a list of rules']]);
  if (Array.isArray(documents) && documents.length > 1) {
    throw invalid([[place(documents[1]?.range[0] ?? 0), 'must hold one YAML document']]);
  }
  if (document.errors.length > 0) {
    throw invalid(document.errors.map((error) => [place(error.pos[0]), error.message]));
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw invalid([[place(0), messageOf(error)]]);
  }
  const parsed = rulesSchema.safeParse(value);
  if (!parsed.success) {
    throw invalid(
      parsed.error.issues.map((issue) => {
        const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
        return [place(offsetOf(document, issue.path, unknownKey)), issue.message];
      }),
    );
  }
  return parsed.data;
}

/** Where the value at `path` stands in the text, or the key `unknownKey` inside of it. */
function offsetOf(document: Document, path: PropertyKey[], unknownKey?: string): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node: unknown = document.getIn(path.slice(0, depth), true);
    if (isMap(node) && unknownKey !== undefined) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === unknownKey);
      if (isNode(pair?.key)) return pair.key.range?.[0] ?? 0;
    }
    if (isNode(node)) return node.range?.[0] ?? 0;
  }
  return 0;
}

function invalid(faults: Array<[where: string, message: string]>): RelayError {
  const [first, ...others] = faults.slice(0, MAX_REPORTED);
  const message = [first?.[1], ...others.map(([where, text]) => `${where}: ${text}`)].join('\n');
  return new RelayError('SINK_FAULTS_INVALID', message, {
    fault: 'operator',
    ...(first !== undefined && { where: first[0] }),
  });
}
