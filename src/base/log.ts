import { pino, type LogFn, type Logger, type LoggerOptions } from 'pino';
import { LogLines } from './log-lines.js';

export type { Logger };

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Keys that could carry a credential. */
const CREDENTIAL_KEYS = ['password', 'token', 'authorization'];
const IS_CREDENTIAL_KEY: ReadonlySet<string> = new Set(CREDENTIAL_KEYS);
const ERROR_LEVEL = pino.levels.values['error'] ?? 0;
const STDOUT = 1;

/** Of all loggers of the process. */
let stdoutLines: LogLines | undefined;

/**
 * One JSON line an event on stdout (fd 1). The lines of one turn of the event loop leave together at
 * its end, those of errors at once, and all of them before the process exits. A process that is killed
 * loses what its last turn had logged; where stdout is no file, also what was on its way.
 *
 * Keys that could carry a credential are cut off here as a last guard; secrets are `Secret` objects
 * and print a mask wherever they go.
 */
export function createLogger(node: string, level: LogLevel = 'info', worker?: number): Logger {
  const lines = (stdoutLines ??= new LogLines(STDOUT, lostLine));
  const options: LoggerOptions = {
    level,
    base: worker === undefined ? { node } : { node, worker },
    messageKey: 'message',
    timestamp: timeMember,
    formatters: { level: (label) => ({ level: label }) },
  };
  const redact = { paths: CREDENTIAL_KEYS.flatMap((key) => [key, `*.${key}`]), remove: true };
  const guarded = pino({ ...options, redact }, lines);
  // The guard costs twice what the rest of a line does: it is left out where it can find nothing.
  function logMethod(this: Logger, args: Parameters<LogFn>, log: LogFn, number: number): void {
    log.apply(isHarmless(args) ? this : guarded, args);
    if (number >= ERROR_LEVEL) {
      lines.handOver();
    }
  }
  return pino({ ...options, hooks: { logMethod } }, lines);
}

/** A text alone, or with an object of plain values of which none goes by the name of a credential. */
function isHarmless([event, text, ...parameters]: readonly unknown[]): boolean {
  if (parameters.length > 0 || (typeof text !== 'string' && text !== undefined)) {
    return false;
  }
  if (typeof event !== 'object' || event === null) {
    return true;
  }
  // Errors and the like are shown otherwise than by their own members.
  if (Object.getPrototypeOf(event) !== Object.prototype) {
    return false;
  }
  for (const key in event) {
    const value = (event as Record<string, unknown>)[key];
    const isPlain = typeof value !== 'object' ? typeof value !== 'function' : value === null;
    if (!isPlain || IS_CREDENTIAL_KEY.has(key)) {
      return false;
    }
  }
  return true;
}

let timeMs = 0;
let timeText = '';

/** Many lines are of the same millisecond. */
function timeMember(): string {
  const nowMs = Date.now();
  if (nowMs !== timeMs) {
    timeMs = nowMs;
    timeText = `,"time":"${new Date(nowMs).toISOString()}"`;
  }
  return timeText;
}

/** Lines that could not be written were too many to be kept. */
function lostLine(lost: number): string {
  const message = 'lines of the log were lost: for too long nobody took them';
  const time = new Date().toISOString();
  return `${JSON.stringify({ level: 'warn', time, code: 'LOG_LINES_LOST', lost, message })}\n`;
}

/** Logs nothing; for tests and for commands whose output is for people. */
export const silentLogger: Logger = pino({ level: 'silent' });
