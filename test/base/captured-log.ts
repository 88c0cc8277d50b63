import { pino } from 'pino';
import type { Logger } from '../../src/base/log.js';

export interface CapturedLog {
  log: Logger;
  /** What was logged so far, one object a line. */
  readonly lines: Array<Record<string, unknown>>;
  /** The `code` of every line that has one. */
  readonly codes: string[];
}

/** A logger that keeps its lines for the test to read. */
export function capturedLog(): CapturedLog {
  const lines: Array<Record<string, unknown>> = [];
  const sink = {
    write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  };
  return {
    log: pino({ level: 'debug', messageKey: 'message' }, sink),
    lines,
    get codes() {
      return lines.flatMap(({ code }) => (typeof code === 'string' ? [code] : []));
    },
  };
}
