/** Who has to act so that the error goes away. */
export type Fault = 'operator' | 'client' | 'next-hop' | 'system' | 'relaymesh';

export interface RelayErrorDetails {
  /** Whose fault it is. */
  fault: Fault;
  /** What to do about it, as one sentence for the person who reads it. */
  hint?: string;
  /** Where: `FILE:LINE:COL`, a hop or a stage. */
  where?: string;
  cause?: unknown;
}

/**
 * An error with a stable code. `code` is upper case with underscores, never changes its meaning,
 * and is what scripts test; `message` says what happened, `hint` what to do.
 */
export class RelayError extends Error {
  readonly code: string;
  readonly fault: Fault;
  readonly hint: string | undefined;
  readonly where: string | undefined;

  constructor(code: string, message: string, details: RelayErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RelayError';
    this.code = code;
    this.fault = details.fault;
    this.hint = details.hint;
    this.where = details.where;
  }

  /** One or two lines for a terminal: no stack trace. */
  describe(): string {
    const place = this.where === undefined ? '' : `${this.where}: `;
    const hint = this.hint === undefined ? '' : `\n  ${this.hint}`;
    return `${place}${this.message} [${this.code}]${hint}`;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The `code` property of a thrown system or library error, or ''. */
export function codeOf(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown) {
    return String(thrown.code);
  }
  return '';
}
