import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { explainIssues } from './explain.js';
import { inFileOrder, RULES, type Fault, type RuleId } from './fault.js';
import { parseYaml, type SourcePositions } from './locate.js';
import { salvage, type Salvaged } from './salvage.js';
import { completeTopology, topologySchema, type Topology } from './schema.js';

/** A topology that has the form of the schema; `lintTopology` says whether it makes sense. */
export interface LoadedTopology {
  topology: Topology;
  positions: SourcePositions;
}

export type LoadResult =
  | ({ ok: true } & LoadedTopology)
  | {
      ok: false;
      faults: Fault[];
      /** What can still be checked for its meaning. */
      remains?: LoadedTopology & Pick<Salvaged, 'losses'>;
    };

export const MAX_TOPOLOGY_BYTES = 1_048_576;

/**
 * Reads a topology file and checks its form. All faults are returned at once, in the order of the
 * file, each with its line and column; no fault quotes a value that could be a secret.
 *
 * @throws RelayError TOPOLOGY_NOT_FOUND, TOPOLOGY_IS_DIRECTORY or TOPOLOGY_UNREADABLE when there
 *   is no text to check.
 */
export async function loadTopology(file: string): Promise<LoadResult> {
  const bytes = await readBounded(file);
  if (bytes.length > MAX_TOPOLOGY_BYTES) {
    return refused(file, 'file-too-large', 'the file is larger than 1 MiB');
  }
  if (!isUtf8(bytes)) {
    const { line, column } = firstInvalid(bytes);
    return refused(file, 'not-utf8', 'the file is not UTF-8 text', line, column);
  }
  return parseTopology(file, bytes.toString('utf8').replace(/^\uFEFF/, ''));
}

/** `loadTopology` for text that was read already; `file` is only for the messages. */
export function parseTopology(file: string, text: string): LoadResult {
  const { faults: yamlFaults, content } = parseYaml(file, text);
  if (content === undefined) return { ok: false, faults: yamlFaults };
  const { value, positions } = content;
  if (value === null || value === undefined) {
    return refused(file, 'invalid-value', 'the file is empty');
  }
  const checked = topologySchema.safeParse(value);
  if (checked.success && yamlFaults.length === 0) {
    return { ok: true, topology: completeTopology(checked.data), positions };
  }
  const findings = checked.success ? [] : explainIssues(checked.error.issues, value);
  const formFaults = findings.map((finding): Fault => {
    const { ruleId, path, part, message, hint } = finding;
    return {
      ruleId,
      severity: RULES[ruleId].severity,
      message,
      ...(hint === undefined ? {} : { hint }),
      file,
      ...positions.at(path, part),
    };
  });
  const remains = salvage(value, findings);
  return {
    ok: false,
    faults: inFileOrder([...yamlFaults, ...formFaults]),
    ...(remains === undefined ? {} : { remains: { ...remains, positions } }),
  };
}

/** At most one byte more than is allowed, so that a huge or endless file costs nothing. */
async function readBounded(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, 'r');
    try {
      const buffer = Buffer.alloc(MAX_TOPOLOGY_BYTES + 1);
      let length = 0;
      while (length < buffer.length) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return buffer.subarray(0, length);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, cause: unknown): RelayError {
  const details = { fault: 'operator', where: file, cause } as const;
  switch (codeOf(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new RelayError('TOPOLOGY_NOT_FOUND', 'there is no such topology file', {
        ...details,
        hint: 'check the path; it is relative to the current folder',
      });
    case 'EISDIR':
      return new RelayError('TOPOLOGY_IS_DIRECTORY', 'this is a folder, not a topology file', {
        ...details,
        hint: 'name a .yaml file inside of it',
      });
    default:
      return new RelayError(
        'TOPOLOGY_UNREADABLE',
        `the topology file cannot be read: ${messageOf(cause)}`,
        { ...details, hint: 'check the permissions of the file and its folders' },
      );
  }
}

function refused(
  file: string,
  ruleId: RuleId,
  message: string,
  line = 1,
  column = 1,
): { ok: false; faults: Fault[] } {
  return {
    ok: false,
    faults: [{ ruleId, severity: RULES[ruleId].severity, message, file, line, column }],
  };
}

function firstInvalid(bytes: Buffer): { line: number; column: number } {
  let line = 1;
  let start = 0;
  while (start < bytes.length) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline;
    const row = bytes.subarray(start, end);
    if (!isUtf8(row)) {
      // the decoder puts U+FFFD where the row breaks
      return { line, column: row.toString('utf8').indexOf('\uFFFD') + 1 };
    }
    start = end + 1;
    line++;
  }
  return { line, column: 1 };
}
