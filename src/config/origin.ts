/** Where a value can stand, from the lowest to the highest precedence (SMARTHOST: settings). */
const LEVELS = ['topology', 'file', 'environment', 'command line'] as const;
export type Level = (typeof LEVELS)[number];

/** Where one value stands. */
export interface Origin {
  level: Level;
  /** `FILE:LINE:COL`, `environment RELAYMESH_X` or `command line --x`. */
  where: string;
  /** Absent where there are no lines. */
  position?: { file: string; line: number; column: number };
}

export function isHigher(one: Level, other: Level): boolean {
  return LEVELS.indexOf(one) > LEVELS.indexOf(other);
}

/** Line and column count from 1; columns count UTF-16 units. */
export function fileOrigin(file: string, line: number, column: number): Origin {
  return {
    level: 'file',
    where: `${file}:${line}:${column}`,
    position: { file, line, column },
  };
}

/** The environment variable of a key: RELAYMESH_SMARTHOST_PORT. */
export function variableOf(key: string): string {
  return `RELAYMESH_${key.toUpperCase().replaceAll('-', '_')}`;
}
